//! One attempt: opened, signed, sent, and judged.

use std::time::Duration;

use employer_store::webhooks::queue::{AttemptResult, DueDelivery, Next};
use rand::Rng;
use uuid::Uuid;

use super::client::{Message, Reply, ReplyKind, WebhookClient};
use super::schedule::rest;
use super::signature::{Secret, sign};
use super::vault::{SecretUnreadable, WebhookVault};
use super::worker::WebhookSettings;

/// The word for an attempt that ended before anything was sent, for a fault of ours.
pub(super) const SECRET_UNREADABLE: &str = "secret_unreadable";

/// A century: longer than any endpoint fails, and an interval that the database can reckon with.
const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 86_400);

/// The `webhook-id` of an event: the same at every attempt, for receivers to know it by.
pub fn message_id(event: Uuid) -> String {
    format!("msg_{}", event.simple())
}

/// Sends a delivery, or says that it cannot be signed.
pub(super) async fn send(
    client: &WebhookClient,
    vault: &WebhookVault,
    delivery: &DueDelivery,
    timestamp: i64,
) -> Result<Reply, SecretUnreadable> {
    let mut secrets: Vec<Secret> = Vec::with_capacity(2);
    let (newest, _) = vault.open(delivery.tenant, delivery.endpoint, &delivery.sealed_secret)?;
    secrets.push(newest);
    if let Some(sealed) = &delivery.sealed_old_secret {
        secrets.extend(
            vault.open(delivery.tenant, delivery.endpoint, sealed).ok().map(|(old, _)| old),
        );
    }
    let id = message_id(delivery.event);
    let signature = sign(&secrets, &id, timestamp, delivery.body.as_bytes());
    let message =
        Message { url: &delivery.url, id, timestamp, signature, body: delivery.body.clone() };
    Ok(client.send(message).await)
}

/// What follows from a reply.
pub(super) fn judge(
    delivery: &DueDelivery,
    reply: Result<Reply, SecretUnreadable>,
    duration: Duration,
    settings: &WebhookSettings,
    rng: &mut impl Rng,
) -> AttemptResult {
    let pause = settings.schedule.pause(delivery.scheduled, rng);
    let failures = u32::try_from(delivery.failures).unwrap_or(0).saturating_add(1);
    let Ok(reply) = reply else {
        // Ours to mend, so the receiver is not blamed: no rest, and no end of patience.
        return AttemptResult {
            outcome: SECRET_UNREADABLE,
            status_code: None,
            answer: String::new(),
            duration,
            next: pause.map_or(Next::GiveUp, Next::Retry),
            rest: Duration::ZERO,
            patience: FOR_EVER,
        };
    };
    let next = match (reply.kind, pause) {
        (ReplyKind::Delivered, _) => Next::Delivered,
        (ReplyKind::Gone, _) => Next::Gone,
        (_, Some(pause)) => Next::Retry(pause.max(reply.asked.unwrap_or_default())),
        (_, None) => Next::GiveUp,
    };
    AttemptResult {
        outcome: reply.kind.as_str(),
        status_code: reply.status,
        answer: reply.answer,
        duration,
        next,
        rest: rest(failures, settings.rest, reply.asked),
        patience: settings.disable_after,
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;
    use tenancy::{TenantId, WebhookId};

    use super::*;

    fn delivery(scheduled: i16, failures: i32) -> DueDelivery {
        DueDelivery {
            tenant: TenantId::from_uuid(Uuid::nil()),
            endpoint: WebhookId::from_uuid(Uuid::nil()),
            event: Uuid::nil(),
            body: "{}".to_owned(),
            attempt: 1,
            scheduled,
            url: "https://example.com/".to_owned(),
            sealed_secret: Vec::new(),
            sealed_old_secret: None,
            failures,
        }
    }

    fn judged(kind: ReplyKind, asked: Option<u64>, scheduled: i16, failures: i32) -> AttemptResult {
        let reply = Reply {
            kind,
            status: None,
            answer: String::new(),
            asked: asked.map(Duration::from_secs),
        };
        let settings = WebhookSettings::default();
        let mut rng = StdRng::seed_from_u64(7);
        let delivery = delivery(scheduled, failures);
        judge(&delivery, Ok(reply), Duration::ZERO, &settings, &mut rng)
    }

    #[test]
    fn failures_are_tried_again_until_the_schedule_ends() {
        for kind in [
            ReplyKind::Refused,
            ReplyKind::Redirected,
            ReplyKind::Timeout,
            ReplyKind::NoConnection,
            ReplyKind::ForbiddenAddress,
        ] {
            assert!(matches!(judged(kind, None, 0, 0).next, Next::Retry(_)), "{kind:?}");
            assert_eq!(judged(kind, None, 7, 0).next, Next::GiveUp, "{kind:?}");
            assert_eq!(judged(kind, None, 1_000, 0).next, Next::GiveUp, "{kind:?}");
        }
        assert_eq!(judged(ReplyKind::Delivered, None, 7, 9).next, Next::Delivered);
        assert_eq!(judged(ReplyKind::Gone, None, 0, 0).next, Next::Gone);
    }

    #[test]
    fn a_receiver_that_asks_for_time_has_it() {
        let result = judged(ReplyKind::Refused, Some(120), 0, 0);
        assert_eq!(result.next, Next::Retry(Duration::from_secs(120)));
        assert_eq!(result.rest, Duration::from_secs(120));
        let Next::Retry(pause) = judged(ReplyKind::Refused, Some(1), 1, 0).next else { panic!() };
        assert!(pause >= Duration::from_secs(240), "the schedule asks for more");
    }

    #[test]
    fn what_we_cannot_read_is_not_the_receivers_fault() {
        let mut rng = StdRng::seed_from_u64(7);
        let settings = WebhookSettings::default();
        let result =
            judge(&delivery(0, 9), Err(SecretUnreadable), Duration::ZERO, &settings, &mut rng);
        assert_eq!((result.rest, result.patience), (Duration::ZERO, FOR_EVER));
    }
}
