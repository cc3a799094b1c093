//! How mails leave: by SMTP, or into a folder.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lettre::transport::smtp::Error as SmtpError;
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use tokio::time::timeout;
use uuid::Uuid;

/// Longest time for one mail.
const DEADLINE: Duration = Duration::from_secs(30);

/// How mails leave.
#[derive(Clone)]
pub enum MailTransport {
    /// Each is a file, for people who try the portal out.
    Folder(PathBuf),
    /// To a mail server.
    Smtp(Box<AsyncSmtpTransport<Tokio1Executor>>),
}

impl fmt::Debug for MailTransport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Folder(_) => "Folder",
            Self::Smtp(_) => "Smtp",
        })
    }
}

/// The address of the mail server cannot be used. It may hold a password, so it is not repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not of the form smtps://user:***@host:port, or smtp://…?tls=required")]
pub struct InvalidMailServer;

/// A mail did not leave.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    /// The server will not take it, now or later.
    #[error("the mail server refused the mail")]
    Refused(#[source] SmtpError),
    /// It may work later.
    #[error("the mail server did not take the mail")]
    Unavailable(#[source] SmtpError),
    /// The server took too long.
    #[error("the mail server took too long")]
    TooSlow,
    /// The folder cannot be written.
    #[error("the folder of mails cannot be written")]
    Folder(#[source] std::io::Error),
}

impl MailTransport {
    /// To the server of this address: `smtps://` is TLS from the start, `smtp://…?tls=required` from
    /// its beginning on, `smtp://` never.
    ///
    /// # Errors
    ///
    /// [`InvalidMailServer`].
    pub fn smtp(url: &str) -> Result<Self, InvalidMailServer> {
        let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(url);
        let builder = builder.map_err(|_| InvalidMailServer)?;
        Ok(Self::Smtp(Box::new(builder.timeout(Some(DEADLINE)).build())))
    }

    pub(super) async fn send(&self, mail: Message) -> Result<(), SendError> {
        match self {
            Self::Folder(folder) => {
                let path = folder.join(format!("{}.eml", Uuid::now_v7()));
                let written =
                    tokio::task::spawn_blocking(move || write(&path, &mail.formatted())).await;
                let written = written.unwrap_or_else(|error| Err(std::io::Error::other(error)));
                written.map_err(SendError::Folder)
            }
            // The library's own limit ends with the connection being made.
            Self::Smtp(server) => match timeout(DEADLINE, server.send(mail)).await {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(error)) if error.is_permanent() => Err(SendError::Refused(error)),
                Ok(Err(error)) => Err(SendError::Unavailable(error)),
                Err(_elapsed) => Err(SendError::TooSlow),
            },
        }
    }
}

/// Whole or not at all: whoever looks into the folder sees no half of a mail.
fn write(path: &Path, mail: &[u8]) -> std::io::Result<()> {
    let unfinished = path.with_extension("part");
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(&unfinished, mail)?;
    std::fs::rename(&unfinished, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_a_server_is_read_and_does_not_print() {
        let server = MailTransport::smtp("smtps://user:word@mail.example.com").unwrap();
        assert_eq!(format!("{server:?}"), "Smtp");
        for wrong in ["", "mail.example.com", "https://mail.example.com", "smtp://"] {
            assert_eq!(MailTransport::smtp(wrong).unwrap_err(), InvalidMailServer, "{wrong}");
        }
    }
}
