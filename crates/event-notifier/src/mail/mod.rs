//! Mails for people who do not look: what they have not read after a while, gathered as they wish.
//!
//! The [`MailWorker`] takes what is due from Postgres, decides for each person whether now is the
//! time ([`MailWishes`](employer_store::feed::MailWishes)), and sends one mail for all that is due
//! to them. What is read before it is sent is not mailed. A mail tells what happened in words and
//! numbers and names jobs; who applied is never in it.
//!
//! A process that dies between sending and writing that down sends the mail again, under the same
//! `Message-ID`.

mod compose;
mod moment;
mod token;
mod transport;
mod worker;

pub use compose::{InvalidSender, MailFace};
pub use moment::{Moment, moment};
pub use token::UnsubscribeKeys;
pub use transport::{InvalidMailServer, MailTransport};
pub use worker::{MailSettings, MailStatistics, MailWorker};
