//! Whether mails are sent, and how.

use std::path::PathBuf;
use std::time::Duration;

use event_notifier::mail::{MailFace, MailTransport};
use secrecy::ExposeSecret as _;
use url::Url;

use super::Environment;
use super::faults::Faults;
use super::tuning::Tuning;
use super::variables::Variables;

const SERVER: &str = "SMTP_URL";
const SENDER: &str = "MAIL_FROM";

/// How mails are sent.
#[derive(Clone, Debug)]
pub(crate) struct MailSetup {
    pub(crate) transport: MailTransport,
    pub(crate) face: MailFace,
    pub(crate) interval: Duration,
}

impl MailSetup {
    /// Reads it; `Some(None)` where no mails are sent.
    #[expect(clippy::option_option, reason = "absent by choice is not absent by fault")]
    pub(super) fn read(
        tuning: &Tuning,
        base_url: &Url,
        variables: &Variables,
        environment: Environment,
        faults: &mut Faults,
    ) -> Option<Option<Self>> {
        let transport = match variables.find_secret(SERVER, faults) {
            Some(url) => {
                let url = url.expose_secret();
                if !environment.is_development() && !is_encrypted(url) {
                    faults.add(SERVER, "must be smtps://, or smtp:// with ?tls=required");
                    return None;
                }
                let server = MailTransport::smtp(url);
                server.map_err(|error| faults.add(SERVER, error.to_string())).ok()?
            }
            None if variables.is_set(SERVER) => return None,
            None if !tuning.mail.folder.is_empty() => {
                MailTransport::Folder(PathBuf::from(&tuning.mail.folder))
            }
            None => return Some(None),
        };
        let sender = match variables.find(SENDER) {
            Some(sender) => sender,
            None if environment.is_development() => {
                "Employer Portal <portal@localhost.localdomain>"
            }
            None => return faults.missing(SENDER, "the address that mails come from"),
        };
        let face = MailFace::new(sender, base_url.clone());
        let face = face.map_err(|error| faults.add(SENDER, error.to_string())).ok()?;
        let interval = Duration::from_millis(tuning.mail.interval_ms);
        Some(Some(Self { transport, face, interval }))
    }
}

fn is_encrypted(url: &str) -> bool {
    let Ok(url) = Url::parse(url) else { return true };
    url.scheme() != "smtp"
        || url.query_pairs().any(|(name, value)| name == "tls" && value == "required")
}
