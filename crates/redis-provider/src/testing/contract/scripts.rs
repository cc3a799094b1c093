//! Scripts: the service and the Rust twin agree on every input.

use std::time::Duration;

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::{Bench, assert_rejected, unique_prefix};
use crate::port::{Script, ScriptReply};
use crate::script::{Effect, run_twin};

const ROUNDS: usize = 300;

/// Bytes that differ little, in length and in bytes on both sides of ASCII.
fn random_stamp(random: &mut StdRng) -> Bytes {
    let length = [0, 1, 15, 16, 17, 24, 32, 40][random.random_range(0..8)];
    let alphabet = [0_u8, b'0', b'A', b'a', b'_', 0x7f, 0x80, 0xff];
    let first = random.random_range(0..length + 1);
    (0..length)
        .map(|at| if at < first { b'5' } else { alphabet[random.random_range(0..8)] })
        .collect::<Vec<u8>>()
        .into()
}

/// Runs a script over one key many times beside the twin's own idea of that key.
async fn compare(
    bench: &Bench,
    script: Script,
    seed: u64,
    mut arguments: impl FnMut(&mut StdRng, Option<&Bytes>) -> Vec<Bytes>,
) {
    let mut random = StdRng::seed_from_u64(seed);
    let key = unique_prefix(&format!("{script:?}"));
    let mut expected: Option<Bytes> = None;
    for round in 0..ROUNDS {
        if random.random_range(0..8) == 0 {
            let value = random_stamp(&mut random);
            bench.put(&key, value.clone()).await;
            expected = Some(value);
        }
        let arguments = arguments(&mut random, expected.as_ref());
        let answer = bench.provider.evaluate(script, &[&key], &arguments).await.expect("evaluate");
        let (effect, reply) = run_twin(script, expected.as_ref(), &arguments).expect("twin");
        assert_eq!(answer, reply, "round {round} of {script:?}, seed {seed}: {arguments:?}");
        match effect {
            Effect::Keep => {}
            Effect::Write(value, _) => expected = Some(value),
            Effect::Delete => expected = None,
        }
        assert_eq!(bench.get(&key).await, expected, "round {round} of {script:?}, seed {seed}");
    }
}

pub(super) async fn stamps_as_the_twin(bench: &Bench) {
    for (script, seed) in [(Script::AdvanceStamp, 1), (Script::AdvanceStampSoftly, 3)] {
        compare(bench, script, seed, |random, _| {
            let ttl = ["0", "600000"][random.random_range(0..2)];
            vec![random_stamp(random), Bytes::from(ttl)]
        })
        .await;
    }
    let keys = [unique_prefix("stamp")];
    let keys = [keys[0].as_str()];
    for ttl in ["", "-1", "1.5", "01", "x"] {
        let arguments = [Bytes::from("stamp"), Bytes::from(ttl)];
        let answer = bench.provider.evaluate(Script::AdvanceStamp, &keys, &arguments).await;
        assert_rejected(answer, ttl);
    }
    let answer = bench.provider.evaluate(Script::AdvanceStamp, &keys, &[]).await;
    assert_rejected(answer, "no arguments");
}

/// A stamp has the time to live of the call that wrote it; a refused one leaves it alone.
pub(super) async fn stamps_expire(bench: &Bench) {
    let key = unique_prefix("stamp-ttl");
    let ttl = bench.short_ttl();
    let stamp = |time: u8, ttl: Duration| {
        [Bytes::from(format!("{time:016}-x")), Bytes::from(ttl.as_millis().to_string())]
    };
    let advance = async |arguments: [Bytes; 2]| {
        let answer = bench.provider.evaluate(Script::AdvanceStamp, &[&key], &arguments).await;
        answer.expect("evaluate")
    };
    let old = stamp(2, ttl);
    assert_eq!(advance(old.clone()).await, ScriptReply::Bytes(old[0].clone()));
    let answer = advance(stamp(1, Duration::from_secs(3600))).await;
    assert_eq!(answer, ScriptReply::Bytes(old[0].clone()));
    bench.sees_it_expire(&key, ttl).await;
    let newer = stamp(1, ttl);
    assert_eq!(advance(newer.clone()).await, ScriptReply::Bytes(newer[0].clone()));
}

pub(super) async fn deletes_as_the_twin(bench: &Bench) {
    compare(bench, Script::DeleteIfEquals, 2, |random, current| match current {
        Some(current) if random.random_range(0..3) == 0 => vec![current.clone()],
        _ => vec![random_stamp(random)],
    })
    .await;
}

/// Times lie so far apart that no key goes by itself meanwhile.
pub(super) async fn charges_as_the_twin(bench: &Bench) {
    const SECOND: u64 = 1_000_000;
    let start = 1_760_000_000 * SECOND;
    compare(bench, Script::Charge, 4, |random, _| {
        let now = start + random.random_range(0..900) * SECOND + random.random_range(0..SECOND);
        let charge = [0, 1_000 * SECOND, 1_300 * SECOND + 1][random.random_range(0..3)];
        let most = [2_000 * SECOND, 4_000 * SECOND + 7][random.random_range(0..2)];
        let stands = random.random_range(0..2_u8);
        vec![
            Bytes::from(now.to_string()),
            Bytes::from(charge.to_string()),
            Bytes::from(most.to_string()),
            Bytes::from(stands.to_string()),
        ]
    })
    .await;
}
