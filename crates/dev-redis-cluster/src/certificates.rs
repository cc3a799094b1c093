//! An authority of our own and one certificate that all servers share, made with `openssl`.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::programs;

/// The longest that one run of openssl may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(30);

/// Days that the certificates hold.
const DAYS: &str = "30";

/// A configuration of our own: the system's may be missing, and its extensions are not ours.
const CONFIGURATION: &str = "\
[req]
distinguished_name = name
prompt = no
[name]
CN = employer-portal development
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
subjectKeyIdentifier = hash
[server]
basicConstraints = CA:FALSE
subjectAltName = DNS:localhost, IP:127.0.0.1, IP:::1
extendedKeyUsage = serverAuth, clientAuth
";

/// The files of a folder.
#[derive(Debug, Clone)]
pub(crate) struct Certificates {
    folder: PathBuf,
}

impl Certificates {
    pub(crate) fn in_folder(folder: &Path) -> Self {
        Self { folder: folder.to_path_buf() }
    }

    /// What clients trust.
    pub(crate) fn authority(&self) -> PathBuf {
        self.folder.join("ca.crt")
    }

    pub(crate) fn certificate(&self) -> PathBuf {
        self.folder.join("server.crt")
    }

    pub(crate) fn key(&self) -> PathBuf {
        self.folder.join("server.key")
    }

    /// Makes all of them anew. The folder must keep others out: it holds the keys.
    pub(crate) fn make(&self) -> io::Result<()> {
        programs::write_private(&self.folder.join("openssl.cnf"), CONFIGURATION)?;
        self.openssl(
            "req -x509 -config openssl.cnf -extensions authority -newkey ec \
             -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout ca.key -out ca.crt -days",
        )?;
        self.openssl(
            "req -config openssl.cnf -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
             -keyout server.key -out server.csr",
        )?;
        self.openssl(
            "x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial \
             -extfile openssl.cnf -extensions server -out server.crt -days",
        )
    }

    fn openssl(&self, arguments: &str) -> io::Result<()> {
        let mut openssl = Command::new("openssl");
        openssl.current_dir(&self.folder).args(arguments.split_whitespace());
        if arguments.ends_with("-days") {
            openssl.arg(DAYS);
        }
        programs::run(&mut openssl, "", LIMIT).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_certificate_is_signed_by_the_authority_and_names_localhost() {
        let folder = programs::make_own_folder().unwrap();
        let certificates = Certificates::in_folder(&folder);
        certificates.make().unwrap();
        let mut verify = Command::new("openssl");
        verify.args(["verify", "-verify_hostname", "localhost", "-purpose", "sslserver"]);
        verify.arg("-CAfile").arg(certificates.authority()).arg(certificates.certificate());
        let said = programs::run(&mut verify, "", LIMIT).unwrap();
        assert!(said.trim().ends_with("OK"), "{said}");
        std::fs::remove_dir_all(folder).unwrap();
    }
}
