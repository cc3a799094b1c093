//! What a mail says.

use std::collections::BTreeMap;

use employer_store::feed::{Addressee, DueMail, NotificationKind};
use lettre::message::header::{ContentType, Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message};
use lettre::{Address, error::Error as MessageError};
use tenancy::JobId;
use url::Url;

/// Most lines that a mail has; the rest is a number.
const MAX_LINES: usize = 20;

/// Longest part of a text of others' that a mail repeats.
const MAX_CHARS: usize = 100;

/// How mails present themselves.
#[derive(Clone, Debug)]
pub struct MailFace {
    from: Mailbox,
    base_url: Url,
}

/// The address that mails come from is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not an address such as portal@example.com, or Portal <portal@example.com>")]
pub struct InvalidSender;

impl MailFace {
    /// From this address, with links to this origin.
    ///
    /// # Errors
    ///
    /// [`InvalidSender`].
    pub fn new(from: &str, base_url: Url) -> Result<Self, InvalidSender> {
        Ok(Self { from: from.parse().map_err(|_| InvalidSender)?, base_url })
    }

    /// A mail about all that is due. The same things make the same `Message-ID`.
    pub(super) fn compose(
        &self,
        mail: &DueMail,
        to: &Addressee,
        titles: &[(JobId, String)],
        token: &str,
    ) -> Result<Message, ComposeError> {
        let address: Address = to.email.parse().map_err(|_| ComposeError::Address)?;
        let organization = plain(&to.organization);
        let lines = lines(mail, titles);
        let subject = match lines.as_slice() {
            [only] => format!("{only} ({organization})"),
            _ => format!("{} unread notifications ({organization})", mail.items.len()),
        };
        let link = self.unsubscribe_link(token);
        let body = body(&plain(&to.name), &organization, &lines, &self.base_url, &link);
        let last = mail.items.last().map_or(0, |item| item.seq);
        let domain = self.from.email.domain();
        let id = format!("<{last}.{}.{}@{domain}>", mail.user, mail.tenant);
        let message = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(Some(plain(&to.name)), address))
            .subject(subject)
            .message_id(Some(id))
            .header(AutoSubmitted("auto-generated".to_owned()))
            .header(ListUnsubscribe(format!("<{link}>")))
            .header(ListUnsubscribePost("List-Unsubscribe=One-Click".to_owned()))
            .header(ContentType::TEXT_PLAIN)
            .body(body);
        message.map_err(ComposeError::Message)
    }

    fn unsubscribe_link(&self, token: &str) -> Url {
        let mut link = self.base_url.clone();
        link.set_path("/public/mail/unsubscribe");
        link.set_query(Some(&format!("token={token}")));
        link
    }
}

/// A mail cannot be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum ComposeError {
    /// The person's address is none that mails can be sent to.
    #[error("the address is none that mails can be sent to")]
    Address,
    /// The parts do not make a mail.
    #[error("the parts do not make a mail")]
    Message(#[source] MessageError),
}

/// Headers that the library does not know. Their values are our own words and links.
macro_rules! headers {
    ($($name:ident = $text:literal,)+) => {
        $(
            #[derive(Clone, Debug)]
            struct $name(String);

            impl Header for $name {
                fn name() -> HeaderName {
                    HeaderName::new_from_ascii_str($text)
                }

                fn parse(text: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
                    Ok(Self(text.to_owned()))
                }

                fn display(&self) -> HeaderValue {
                    HeaderValue::new(Self::name(), self.0.clone())
                }
            }
        )+
    };
}

headers! {
    AutoSubmitted = "Auto-Submitted",
    ListUnsubscribe = "List-Unsubscribe",
    ListUnsubscribePost = "List-Unsubscribe-Post",
}

/// A text of others' without line breaks, and not too long: it stands in headers as well.
fn plain(text: &str) -> String {
    let text: String =
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_CHARS).collect();
    text.trim().to_owned()
}

fn body(
    name: &str,
    organization: &str,
    lines: &[String],
    base_url: &Url,
    unsubscribe: &Url,
) -> String {
    let mut shown: Vec<String> =
        lines.iter().take(MAX_LINES).map(|line| format!("- {line}\n")).collect();
    if lines.len() > MAX_LINES {
        shown.push(format!("- and {} more\n", lines.len() - MAX_LINES));
    }
    let shown = shown.concat();
    format!(
        "Hello {name},\n\nnew for you at {organization}:\n\n{shown}\n\
         See them at {base_url}\n\n\
         -- \nYou have this mail because you had not read these notifications.\n\
         No more mails: {unsubscribe}\n"
    )
}

/// One line for each kind and job, the order of the kinds.
fn lines(mail: &DueMail, titles: &[(JobId, String)]) -> Vec<String> {
    let mut counts: BTreeMap<(NotificationKind, Option<&str>), usize> = BTreeMap::new();
    for item in &mail.items {
        let title = titles.iter().find(|(job, _)| Some(*job) == item.job);
        let title = title.map(|(_, title)| title.as_str());
        *counts.entry((item.kind, title)).or_default() += 1;
    }
    counts.into_iter().map(|((kind, title), count)| line(kind, title, count)).collect()
}

fn line(kind: NotificationKind, title: Option<&str>, count: usize) -> String {
    let (one, many, link) = match kind {
        NotificationKind::ApplicationSubmitted => ("new application", "new applications", "for"),
        NotificationKind::StageChanged => ("application moved on", "applications moved on", "for"),
        NotificationKind::Mention => ("mention of you", "mentions of you", "at"),
        NotificationKind::JobExpiring => ("job ends soon", "jobs end soon", ":"),
        NotificationKind::RoleChanged => ("change of your role", "changes of your role", ":"),
        NotificationKind::ExportReady => ("export is ready", "exports are ready", ":"),
        NotificationKind::CacheInvalidated => {
            ("part of the cache was dropped", "parts of the cache were dropped", ":")
        }
        NotificationKind::WebhookDisabled => {
            ("webhook was disabled", "webhooks were disabled", ":")
        }
    };
    let what = if count == 1 { format!("1 {one}") } else { format!("{count} {many}") };
    match title.map(plain) {
        Some(title) if link == ":" => format!("{what}: {title}"),
        Some(title) => format!("{what} {link} {title}"),
        None => what,
    }
}

#[cfg(test)]
mod tests {
    use employer_store::feed::{Digest, MailItem, MailWishes};
    use tenancy::{TenantId, UserId};
    use time::macros::datetime;
    use uuid::Uuid;

    use super::*;

    fn item(seq: i64, kind: NotificationKind, job: Option<u128>) -> MailItem {
        let job = job.map(|job| JobId::from_uuid(Uuid::from_u128(job)));
        MailItem { seq, kind, job, created_at: datetime!(2026-11-22 10:00 UTC) }
    }

    fn mail(items: Vec<MailItem>) -> DueMail {
        let (tenant, user) = (TenantId::from_uuid(Uuid::nil()), UserId::from_uuid(Uuid::nil()));
        DueMail::of(tenant, user, items)
    }

    fn ada() -> Addressee {
        Addressee {
            name: "Ada\r\nBcc: all@example.com".to_owned(),
            email: "ada@example.com".to_owned(),
            organization: "Müller\n& Söhne".to_owned(),
            is_active: true,
            wishes: MailWishes { digest: Digest::Off, quiet: None, time_zone: "UTC".to_owned() },
        }
    }

    fn composed(items: Vec<MailItem>) -> String {
        let base_url = Url::parse("https://portal.example.com").unwrap();
        let face = MailFace::new("Portal <portal@example.com>", base_url).unwrap();
        let titles = [(JobId::from_uuid(Uuid::from_u128(1)), "Nurse".to_owned())];
        let message = face.compose(&mail(items), &ada(), &titles, "t0k").unwrap();
        String::from_utf8(message.formatted()).unwrap()
    }

    #[test]
    fn one_thing_is_the_subject_and_many_are_lines() {
        let kind = NotificationKind::ApplicationSubmitted;
        let text = composed(vec![item(7, kind, Some(1))]);
        assert!(text.contains("- 1 new application for Nurse"), "{text}");
        let text = composed(vec![
            item(7, kind, Some(1)),
            item(8, kind, Some(1)),
            item(9, NotificationKind::ExportReady, None),
        ]);
        assert!(text.contains("- 2 new applications for Nurse"), "{text}");
        assert!(text.contains("- 1 export is ready"), "{text}");
        assert!(text.contains("Message-ID: <9."), "{text}");
    }

    #[test]
    fn no_text_of_others_makes_a_header() {
        let text = composed(vec![item(7, NotificationKind::Mention, Some(1))]);
        let (headers, _) = text.split_once("\r\n\r\n").unwrap();
        for line in headers.lines() {
            assert!(!line.to_lowercase().starts_with("bcc"), "{headers}");
        }
        for header in [
            "List-Unsubscribe: <https://portal.example.com/public/mail/unsubscribe?token=t0k>",
            "List-Unsubscribe-Post: List-Unsubscribe=One-Click",
            "Auto-Submitted: auto-generated",
        ] {
            assert!(headers.replace("\r\n ", " ").contains(header), "{headers}");
        }
    }

    #[test]
    fn a_mail_is_bounded() {
        let items = (0..500).map(|n| item(n, NotificationKind::StageChanged, None)).collect();
        assert!(composed(items).len() < 4_000);
    }
}
