//! Many refusals told in few rows.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use employer_store::audit::SecurityEvent;
use serde_json::json;
use tenancy::TenantId;
use tokio::time::Instant;

use super::Sighting;

const MINUTE: Duration = Duration::from_mins(1);

/// Who is refused what, kept apart in a minute.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    event: SecurityEvent,
    tenant: Option<TenantId>,
    actor: String,
    ip: Option<IpAddr>,
}

/// What has been seen in the current minute. Each first sighting is a row at once, as long as there is
/// room; all others are counted.
#[derive(Debug)]
pub(super) struct Digest {
    rows_per_minute: u32,
    ends_at: Instant,
    rows: u32,
    /// The last sighting, and how many came after the row that told of the first.
    seen: HashMap<Key, (Sighting, u32)>,
    /// The same of those that there was no room for.
    others: HashMap<SecurityEvent, (Sighting, u32)>,
}

impl Digest {
    pub(super) fn new(rows_per_minute: u32, now: Instant) -> Self {
        Self {
            rows_per_minute,
            ends_at: now + MINUTE,
            rows: 0,
            seen: HashMap::new(),
            others: HashMap::new(),
        }
    }

    /// Takes a sighting; gives it back where it is to be a row of its own.
    pub(super) fn take(&mut self, sighting: Sighting, now: Instant) -> Option<Sighting> {
        let key = Key {
            event: sighting.event,
            tenant: sighting.tenant,
            actor: sighting.actor.clone(),
            ip: sighting.ip,
        };
        if let Some((last, count)) = self.seen.get_mut(&key) {
            *last = sighting;
            *count = count.saturating_add(1);
            return None;
        }
        if self.rows >= self.rows_per_minute && now < self.ends_at {
            let event = sighting.event;
            let (_, count) = self.others.entry(event).or_insert_with(|| (anybody(&sighting), 0));
            *count = count.saturating_add(1);
            return None;
        }
        self.rows = self.rows.saturating_add(1);
        self.seen.insert(key, (sighting.clone(), 0));
        Some(sighting)
    }

    /// Ends the minute, where it is over or `is_last`: what was counted, and how often.
    pub(super) fn close(&mut self, now: Instant, is_last: bool) -> Vec<(Sighting, u32)> {
        if now < self.ends_at && !is_last {
            return Vec::new();
        }
        self.ends_at = now + MINUTE;
        self.rows = 0;
        let counted = self.seen.drain().map(|(_, counted)| counted);
        let counted = counted.chain(self.others.drain().map(|(_, counted)| counted));
        counted.filter(|(_, count)| *count > 0).collect()
    }
}

/// What stands for many people and places.
fn anybody(sighting: &Sighting) -> Sighting {
    Sighting {
        event: sighting.event,
        result: sighting.result,
        tenant: None,
        actor: "many".to_owned(),
        resource: "many".to_owned(),
        request_id: None,
        ip: None,
        detail: json!({ "why": "more refusals in a minute than rows are written for" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sighting(event: SecurityEvent, actor: &str) -> Sighting {
        Sighting {
            event,
            tenant: None,
            actor: actor.to_owned(),
            resource: "GET /api/jobs".to_owned(),
            result: "refused",
            request_id: None,
            ip: None,
            detail: json!({}),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_is_few_rows_and_nothing_is_forgotten() {
        let mut digest = Digest::new(3, Instant::now());
        let mut rows = 0;
        let mut seen = 0;
        for round in 0..1_000 {
            for actor in ["a", "b", "c", "d", "e"] {
                let event = if round % 2 == 0 {
                    SecurityEvent::AuthzFail
                } else {
                    SecurityEvent::MaliciousCors
                };
                seen += 1;
                rows += u32::from(digest.take(sighting(event, actor), Instant::now()).is_some());
            }
        }
        assert_eq!(rows, 3);
        assert!(digest.close(Instant::now(), false).is_empty(), "the minute goes on");
        tokio::time::advance(MINUTE).await;
        let counted = digest.close(Instant::now(), false);
        assert!(counted.len() <= 3 + 2, "{counted:?}");
        assert_eq!(rows + counted.iter().map(|(_, count)| count).sum::<u32>(), seen);
        let strangers: Vec<_> = counted.iter().filter(|(one, _)| one.actor == "many").collect();
        assert_eq!(strangers.len(), 2, "one row an event: {counted:?}");
        // The next minute begins anew.
        assert!(digest.take(sighting(SecurityEvent::AuthzFail, "a"), Instant::now()).is_some());
        assert!(digest.close(Instant::now(), true).is_empty(), "it was a row already");
    }
}
