//! How long it takes from a commit until those at the other instance read of it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use sqlx::{Connection as _, PgConnection};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

use super::caller::Caller;
use super::contender::applies;
use super::crowd::{Crowd, Door};
use super::now_us;
use super::staff::Employer;
use super::statistics::quantile;

/// How long each rate is kept up.
const LASTS: Duration = Duration::from_secs(8);

/// Connections that applications come in over.
const CALLERS: usize = 32;

/// Longest time for what was committed to arrive.
const ARRIVES: Duration = Duration::from_secs(60);

/// What a rate showed.
#[derive(Clone, Debug)]
pub(super) struct Delay {
    /// Applications a second: those asked for, and those that came in.
    pub(super) asked: u32,
    pub(super) reached: f64,
    pub(super) streams: usize,
    pub(super) deliveries: usize,
    /// From the commit to the client at the other instance, in milliseconds.
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    pub(super) most_ms: f64,
    /// The same from sending the application on.
    pub(super) whole_p50_ms: f64,
    pub(super) whole_p99_ms: f64,
    /// How long those wait for their answer who apply.
    pub(super) answer_p50_ms: f64,
    pub(super) answer_p99_ms: f64,
    pub(super) lost: u64,
    pub(super) doubled: u64,
}

/// One application that came in.
#[derive(Clone, Copy, Debug)]
struct Sent {
    reference: Uuid,
    sent_us: i64,
    answered_us: i64,
}

/// Lets people apply at the first instance, at this rate, by turns for the employers' jobs, while
/// the crowd listens behind `doors`. Everybody who listens is told of their employer's alone.
pub(super) async fn measure(
    crowd: &Crowd,
    (doors, employers): (&[Door], &[Employer]),
    (address, database): (SocketAddr, &str),
    rate: u32,
) -> Delay {
    crowd.forgets();
    let begun = Instant::now();
    let sent = apply(employers, address, rate).await;
    let took = begun.elapsed();
    let deliveries = sent.len() * doors.len() / employers.len();
    let heard = crowd.hears(deliveries, ARRIVES).await;
    let commits = commits(database, &sent).await;
    let (mut from_commit, mut from_sending) = (Vec::new(), Vec::new());
    for told in heard.told.iter().filter(|told| doors[told.listener].instance == 1) {
        let (committed_us, sent_us) = commits[&told.application.expect("an application")];
        from_commit.push(millis(told.at_us - committed_us));
        from_sending.push(millis(told.at_us - sent_us));
    }
    let mut answers: Vec<f64> =
        sent.iter().map(|sent| millis(sent.answered_us - sent.sent_us)).collect();
    Delay {
        asked: rate,
        reached: f64::from(u32::try_from(sent.len()).unwrap()) / took.as_secs_f64(),
        streams: doors.len(),
        deliveries,
        p50_ms: quantile(&mut from_commit, 0.5),
        p99_ms: quantile(&mut from_commit, 0.99),
        most_ms: quantile(&mut from_commit, 1.0),
        whole_p50_ms: quantile(&mut from_sending, 0.5),
        whole_p99_ms: quantile(&mut from_sending, 0.99),
        answer_p50_ms: quantile(&mut answers, 0.5),
        answer_p99_ms: quantile(&mut answers, 0.99),
        lost: heard.lost,
        doubled: heard.doubled,
    }
}

/// As many as the rate asks for, whatever the answers take.
async fn apply(employers: &[Employer], address: SocketAddr, rate: u32) -> Vec<Sent> {
    let (turns, waiting) = mpsc::unbounded_channel::<String>();
    let waiting = Arc::new(Mutex::new(waiting));
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let waiting = Arc::clone(&waiting);
        callers.spawn(async move {
            let (mut caller, mut sent) = (Caller::connect(address).await, Vec::new());
            while let Some(path) = { waiting.lock().await.recv().await } {
                let sent_us = now_us();
                let (status, body) = applies(&mut caller, &path).await;
                assert_eq!(status, 202, "{body}");
                let answered_us = now_us();
                sent.push(Sent { reference: reference_of(&body), sent_us, answered_us });
            }
            sent
        });
    }
    let begun = Instant::now();
    let all = rate * u32::try_from(LASTS.as_secs()).unwrap();
    for (number, employer) in (0..all).zip(employers.iter().cycle()) {
        sleep_until(begun + Duration::from_secs(1) / rate * number).await;
        turns.send(employer.path.clone()).unwrap();
    }
    drop(turns);
    callers.join_all().await.concat()
}

fn reference_of(receipt: &str) -> Uuid {
    let receipt: serde_json::Value = serde_json::from_str(receipt).unwrap();
    receipt["reference"].as_str().unwrap().parse().unwrap()
}

/// When each application was committed, by Postgres's own record, and when it was sent.
async fn commits(database: &str, sent: &[Sent]) -> HashMap<Uuid, (i64, i64)> {
    let mut connection = PgConnection::connect(database).await.unwrap();
    let references: Vec<Uuid> = sent.iter().map(|sent| sent.reference).collect();
    let query = "SELECT s.id, s.application_id,
                        (extract(epoch FROM pg_xact_commit_timestamp(s.xmin)) * 1e6)::bigint
                 FROM application_submissions s WHERE s.id = ANY($1)";
    let rows: Vec<(Uuid, Uuid, i64)> =
        sqlx::query_as(query).bind(&references).fetch_all(&mut connection).await.unwrap();
    assert_eq!(rows.len(), sent.len(), "every answer was true");
    let sent: HashMap<Uuid, i64> = sent.iter().map(|one| (one.reference, one.sent_us)).collect();
    rows.into_iter()
        .map(|(reference, application, at_us)| (application, (at_us, sent[&reference])))
        .collect()
}

fn millis(micros: i64) -> f64 {
    f64::from(i32::try_from(micros).unwrap()) / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_names_the_application() {
        let id = Uuid::from_u128(5);
        assert_eq!(reference_of(&format!("{{\"reference\":\"{id}\"}}")), id);
    }
}
