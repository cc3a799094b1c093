//! One turn of a contender: what an idle stream takes of memory, and a delivery of the processor.

use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::contender::Contender;
use super::crowd::{Crowd, Hearsay};
use super::now_us;
use super::servers::Servers;
use super::statistics::quantile;

/// Messages a second, and how many.
const RATE: u32 = 20;
const MESSAGES: u32 = 120;
/// The same where nobody listens.
const ALONE: u32 = 60;

/// How long memory is left to settle.
const SETTLES: Duration = Duration::from_secs(2);

/// Longest time for what was published to arrive.
const ARRIVES: Duration = Duration::from_secs(20);

/// What a turn showed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    /// Memory, in KiB, for a stream on which nothing has happened yet.
    pub(super) idle_kib: f64,
    /// Processor time of the instances for a delivery, in microseconds, publishing included.
    pub(super) delivery_us: f64,
    /// Processor time of the instances for a message that nobody listens to.
    pub(super) publish_us: f64,
    /// Processor time of Redis and of Postgres for a delivery.
    pub(super) redis_us: f64,
    pub(super) postgres_us: f64,
    /// Bytes for a delivery.
    pub(super) bytes: f64,
    /// From publishing to reading, in milliseconds.
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    pub(super) deliveries: usize,
    pub(super) lost: u64,
    pub(super) doubled: u64,
}

/// Measures a pair that has just started. `warm` is the same pair, with a channel of its own.
pub(super) async fn turn(contender: &Contender, warm: &Contender, servers: &Servers) -> Turn {
    // What is used the first time only is not a stream's.
    let few = Crowd::listens(&warm.doors).await;
    publish(warm, 1, RATE).await;
    few.leaves().await;
    sleep(SETTLES).await;
    let before = contender.processes.memory_kib();
    let crowd = Crowd::listens(&contender.doors).await;
    sleep(SETTLES).await;
    let listeners = contender.doors.len();
    let idle_kib = (contender.processes.memory_kib() - before) / count(listeners);

    let places = crowd.places();
    crowd.forgets();
    let (cpu, redis, postgres) =
        (contender.processes.cpu(), servers.redis.cpu(), servers.postgres_cpu());
    let published = publish(contender, 1, MESSAGES).await;
    let deliveries = listeners * published.len();
    let heard = crowd.hears(deliveries, ARRIVES).await;
    let each = |now: Duration, then: Duration| micros(now.saturating_sub(then)) / count(deliveries);
    let delivery_us = each(contender.processes.cpu(), cpu);
    let redis_us = each(servers.redis.cpu(), redis);
    let postgres_us = each(servers.postgres_cpu(), postgres);
    crowd.leaves().await;
    sleep(SETTLES).await;

    let cpu = contender.processes.cpu();
    let alone = publish(contender, i64::from(MESSAGES) + 1, ALONE).await;
    sleep(Duration::from_millis(200)).await;
    let publish_us = micros(contender.processes.cpu().saturating_sub(cpu)) / count(alone.len());
    let mut waits = waits_ms(&heard, &places, &published);
    Turn {
        idle_kib,
        delivery_us,
        publish_us,
        redis_us,
        postgres_us,
        bytes: f64_of(heard.bytes) / count(deliveries),
        p50_ms: quantile(&mut waits, 0.5),
        p99_ms: quantile(&mut waits, 0.99),
        deliveries,
        lost: heard.lost,
        doubled: heard.doubled,
    }
}

/// Publishes messages from `first` on at a steady rate; answers when each was sent.
async fn publish(contender: &Contender, first: i64, messages: u32) -> Vec<i64> {
    let mut caller = contender.publisher.connects().await;
    let (begun, mut sent) = (Instant::now(), Vec::new());
    for number in 0..messages {
        sleep_until(begun + Duration::from_secs(1) / RATE * number).await;
        sent.push(now_us());
        contender.publisher.publishes(&mut caller, first + i64::from(number)).await;
    }
    sent
}

/// Each listener's numbers go up by one with each message, from the place that it had before.
fn waits_ms(heard: &Hearsay, places: &[i64], published: &[i64]) -> Vec<f64> {
    let told = heard.told.iter().filter_map(|told| {
        let nth = usize::try_from(told.seq - places[told.listener] - 1).ok()?;
        let micros = i32::try_from(told.at_us - published.get(nth)?).ok()?;
        Some(f64::from(micros) / 1_000.0)
    });
    told.collect()
}

fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap())
}

fn f64_of(number: u64) -> f64 {
    f64::from(u32::try_from(number).unwrap())
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live_load::crowd::Told;

    #[test]
    fn a_wait_is_from_the_message_of_that_number() {
        let told = |listener, seq, at_us| Told { listener, seq, application: None, at_us };
        let heard = Hearsay {
            told: vec![told(0, 5, 3_000), told(1, 1, 2_500), told(0, 6, 9_000), told(0, 4, 1)],
            bytes: 0,
            lost: 0,
            doubled: 0,
        };
        assert_eq!(waits_ms(&heard, &[4, 0], &[1_000, 4_000]), [2.0, 1.5, 5.0]);
    }
}
