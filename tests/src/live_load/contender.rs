//! Whoever is measured: its processes, where one listens, and how one publishes.

use std::net::SocketAddr;

use uuid::Uuid;

use super::caller::Caller;
use super::crowd::Door;
use super::processes::Processes;

/// Two instances that are ready.
#[derive(Debug)]
pub(super) struct Contender {
    pub(super) processes: Processes,
    pub(super) doors: Vec<Door>,
    pub(super) publisher: Publisher,
}

/// How one publishes to everybody.
#[derive(Clone, Debug)]
pub(super) enum Publisher {
    /// Somebody applies for a job.
    Apply { address: SocketAddr, path: String },
    /// A message to a channel.
    Channel { address: SocketAddr, path: String },
}

impl Publisher {
    pub(super) async fn connects(&self) -> Caller {
        let (Self::Apply { address, .. } | Self::Channel { address, .. }) = self;
        Caller::connect(*address).await
    }

    /// Publishes the message with this number; the numbers of a channel begin with 1.
    pub(super) async fn publishes(&self, caller: &mut Caller, number: i64) {
        let answer = match self {
            Self::Apply { path, .. } => applies(caller, path).await,
            Self::Channel { path, .. } => {
                let headers = "X-EventSource-Event: notification\r\n";
                caller.posts(path, headers, &message(number)).await
            }
        };
        assert!((200..300).contains(&answer.0), "{answer:?}");
    }
}

/// Somebody who never did before applies.
pub(super) async fn applies(caller: &mut Caller, path: &str) -> (u16, String) {
    let person = Uuid::new_v4().simple();
    let body = format!("{{\"name\":\"Ada Example\",\"email\":\"{person}@example.com\"}}");
    caller.posts(path, "Content-Type: application/json\r\n", &body).await
}

/// What the portal would say of an application, so that everybody carries the same.
fn message(seq: i64) -> String {
    let (event, job, application) = (Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7());
    format!(
        "{{\"seq\":{seq},\"event_id\":\"{event}\",\"kind\":\"application.submitted\",\
         \"job\":\"{job}\",\"application\":\"{application}\",\"actor\":null,\
         \"occurred_at\":\"2026-11-22T10:00:00.123456Z\"}}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live_load::track::{application_of, seq_of};

    #[test]
    fn a_message_is_read_like_a_notification() {
        let message = message(41);
        assert_eq!(seq_of(&message), Some(41));
        assert!(application_of(&message).is_some());
        assert!(!message.contains('\n'));
    }
}
