//! Passwords and keys of a private installation: random, made once, readable by nobody else.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::failure::{Explain as _, Outcome};
use crate::postgres::RolePasswords;

/// Random bytes of a password.
const PASSWORD_BYTES: usize = 24;
/// Bytes of a key that signs and seals session cookies.
const SESSION_KEY_BYTES: usize = 64;
/// Bytes of a key that seals cached values.
const CACHE_KEY_BYTES: usize = 32;

/// Secrets by name, kept in a file as `NAME=value`.
pub(crate) struct Secrets {
    file: Option<PathBuf>,
    values: BTreeMap<String, String>,
}

impl Secrets {
    /// Those of the file; new ones are added to it.
    pub(crate) fn kept_in(file: &Path) -> Self {
        let text = fs::read_to_string(file).unwrap_or_default();
        Self { file: Some(file.to_path_buf()), values: parse(&text) }
    }

    /// Secrets that nobody keeps.
    pub(crate) fn of_one_run() -> Self {
        Self { file: None, values: BTreeMap::new() }
    }

    /// A password: letters and digits, so that it can stand anywhere in a URL.
    pub(crate) fn password(&mut self, name: &str) -> Outcome<String> {
        self.find_or_make(name, || Ok(hexadecimal(&random::<PASSWORD_BYTES>()?)))
    }

    /// A key ring with one key for the portal's `SESSION_KEYS`.
    pub(crate) fn session_keys(&mut self) -> Outcome<String> {
        self.find_or_make("SESSION_KEYS", || {
            Ok(format!("dev:{}", STANDARD.encode(random::<SESSION_KEY_BYTES>()?)))
        })
    }

    /// A key ring with one key for the portal's `CACHE_ENCRYPTION_KEYS`.
    pub(crate) fn cache_keys(&mut self) -> Outcome<String> {
        self.find_or_make("CACHE_ENCRYPTION_KEYS", || {
            Ok(format!("dev:{}", STANDARD.encode(random::<CACHE_KEY_BYTES>()?)))
        })
    }

    /// The passwords of the database roles.
    pub(crate) fn role_passwords(&mut self) -> Outcome<RolePasswords> {
        Ok(RolePasswords {
            owner: self.password("OWNER_PASSWORD")?,
            app: self.password("APP_PASSWORD")?,
            public: self.password("PUBLIC_PASSWORD")?,
            worker: self.password("WORKER_PASSWORD")?,
            ops: self.password("OPS_PASSWORD")?,
        })
    }

    fn find_or_make(
        &mut self,
        name: &str,
        make: impl FnOnce() -> Outcome<String>,
    ) -> Outcome<String> {
        if let Some(value) = self.values.get(name) {
            return Ok(value.clone());
        }
        let value = make()?;
        self.values.insert(name.to_owned(), value.clone());
        if let Some(file) = &self.file {
            let lines: Vec<_> =
                self.values.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
            write_private(file, &lines.concat())?;
        }
        Ok(value)
    }
}

fn parse(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// Writes a file that nobody else can read, not even for the moment between making and filling it.
pub(crate) fn write_private(file: &Path, text: &str) -> Outcome<()> {
    let new = file.with_extension("being-written");
    let write = || {
        OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(&new)?
            .write_all(text.as_bytes())?;
        fs::rename(&new, file)
    };
    write().explain(format_args!("write {}", file.display()))
}

/// Bytes from the system's generator.
pub(crate) fn random<const N: usize>() -> Outcome<[u8; N]> {
    let mut bytes = [0; N];
    File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .explain("read random bytes")?;
    Ok(bytes)
}

/// A number that tells one run from another.
pub(crate) fn random_number() -> Outcome<u16> {
    random().map(u16::from_ne_bytes)
}

fn hexadecimal(bytes: &[u8]) -> String {
    let digits: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.concat()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn secrets_are_made_once_and_kept_from_others() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secrets");
        let mut secrets = Secrets::kept_in(&file);
        let password = secrets.password("A").unwrap();
        let other = secrets.password("B").unwrap();
        assert_ne!(password, other);
        assert_eq!(Secrets::kept_in(&file).password("A").unwrap(), password);
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn keys_have_the_sizes_that_the_portal_asks_for() {
        let mut secrets = Secrets::of_one_run();
        for (ring, size) in
            [(secrets.session_keys().unwrap(), 64), (secrets.cache_keys().unwrap(), 32)]
        {
            let (id, key) = ring.split_once(':').unwrap();
            assert_eq!(id, "dev");
            assert_eq!(STANDARD.decode(key).unwrap().len(), size);
        }
    }

    #[test]
    fn a_value_may_hold_an_equals_sign() {
        assert_eq!(parse("KEY=dev:YQ==\n\nbroken\n")["KEY"], "dev:YQ==");
    }
}
