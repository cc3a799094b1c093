//! Encryption in transit: whom to trust.

use std::path::PathBuf;
use std::sync::Arc;

use fred::rustls::crypto::aws_lc_rs;
use fred::rustls::pki_types::CertificateDer;
use fred::rustls::pki_types::pem::PemObject;
use fred::rustls::{ClientConfig, RootCertStore};

use crate::misconfiguration::ConnectError;

/// Whom to trust.
#[derive(Clone, Debug, Default)]
pub struct TlsSettings {
    /// Certificates of a private authority, in PEM, instead of the system's.
    pub authorities: Option<PathBuf>,
}

/// The provider of cryptography is named, because the process may hold several and the library
/// would then refuse to choose.
pub(super) fn client_config(settings: &TlsSettings) -> Result<ClientConfig, ConnectError> {
    Ok(ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| ConnectError::Settings(format!("cannot set up TLS for Redis: {error}")))?
        .with_root_certificates(trusted(settings)?)
        .with_no_client_auth())
}

fn trusted(settings: &TlsSettings) -> Result<RootCertStore, ConnectError> {
    let unreadable = |problem: &dyn std::fmt::Display| {
        ConnectError::Settings(match &settings.authorities {
            Some(path) => {
                format!(
                    "cannot read trusted certificates for Redis of {}: {problem}",
                    path.display()
                )
            }
            None => format!("cannot read the system's trusted certificates for Redis: {problem}"),
        })
    };
    let mut store = RootCertStore::empty();
    let (added, problem) = if let Some(path) = &settings.authorities {
        let certificates = CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| unreadable(&error))?;
        (store.add_parsable_certificates(certificates).0, None)
    } else {
        let system = fred::rustls_native_certs::load_native_certs();
        (store.add_parsable_certificates(system.certs).0, system.errors.into_iter().next())
    };
    match (added, problem) {
        (0, Some(problem)) => Err(unreadable(&problem)),
        (0, None) => Err(unreadable(&"there are none")),
        _ => Ok(store),
    }
}
