//! The cache's rules of coherence through a million random interleavings.
//!
//! `coherence` is the very source that the cache is compiled from, with the cache's own locks: one
//! thread drives it, one step after the other. A step is a call of that source or a command of the
//! service, as the cache makes them and in its order; which of those who are at something goes on is
//! drawn, and so is what fails and how much time passes. What may happen inside a step is for the
//! model checker in `src`. Each run follows from its seed, but for the random part of stamps, of
//! which only whether they are equal counts.
//!
//! In a run two instances read, load, load anew in the background, write, repeat what failed and
//! hear of each other, while calls fail (carried out or not, or carried out later), messages are
//! lost, a copy takes over that lacks acknowledged writes, or reads are answered by copies that are
//! behind. *Wrong* is an answer that is older than an invalidation which, before the read began,
//!
//! - had finished more than the lease (a second) ago; with copies that are behind, the lease and the
//!   longest lag; or
//! - had ended, well or not, at the reader's own instance; or
//! - had finished and was heard of by the reader's instance, where copies are not behind.
//!
//! At the end all is well again, and every instance must answer with the newest version.
//!
//! What the model takes for granted: an instance is told of a failover no later than by the first
//! answer of the new primary; within 300 ms of it, it repeats what it had finished; positions of the
//! service's history can be compared.

#![cfg(test)]
#![expect(
    dead_code,
    unused_imports,
    reason = "a part of another crate, of which the model uses what reads and writes use"
)]

#[path = "../../../../crates/tenant-cache/src/coherence/mod.rs"]
mod coherence;
mod draw;
mod instance;
mod ledger;
mod read;
mod rules;
mod service;
#[path = "../../../../crates/tenant-cache/src/sync.rs"]
mod sync;
mod world;
mod write;

use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use crate::coherence::Coherence;
use crate::instance::{Fixture, Way};
use crate::rules::{Figures, Rules};
use crate::sync::Arc;
use crate::world::{passes, run};

/// Interleavings of one test. There are four such tests.
const RUNS: u64 = 300_000;
/// Interleavings within which what is wrong must be found.
const MUTANT_RUNS: u64 = 250_000;

/// A runtime that nothing runs on: its clock is the one that the source reads.
fn clock() -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

/// Runs the interleavings of seeds from `first` on; panics at the first wrong answer.
fn check(rules: Rules, first: u64) -> Figures {
    let runtime = clock();
    let _clock = runtime.enter();
    let fixture = Fixture::new();
    let mut figures = Figures::default();
    for seed in first..first + RUNS {
        match run(&fixture, rules, seed, false) {
            Ok(of_run) => figures.add(of_run),
            Err(wrong) => {
                let trace = run(&fixture, rules, seed, true).err().map(|wrong| wrong.trace);
                let trace = trace.unwrap_or_default().join("\n");
                panic!("seed {seed}, {rules:?}: {}\n{trace}", wrong.what);
            }
        }
    }
    println!("{figures:?}");
    // Interleavings in which nothing happens prove nothing.
    let Figures { runs, reads, kept, validated, found, loads, .. } = figures;
    assert!(reads > 4 * runs && kept > runs / 10 && validated > runs / 10, "{figures:?}");
    assert!(found > runs / 10 && loads > runs && figures.refreshes > runs / 10, "{figures:?}");
    assert!(figures.finished > runs / 2 && figures.lost_messages > runs / 5, "{figures:?}");
    figures
}

/// The first seed that finds a wrong answer.
fn finds(rules: Rules) -> Option<u64> {
    let runtime = clock();
    let _clock = runtime.enter();
    let fixture = Fixture::new();
    let found = (0..MUTANT_RUNS).find(|seed| run(&fixture, rules, *seed, false).is_err());
    println!("{rules:?}: {found:?}");
    found
}

const LOSES_MESSAGES: Rules = Rules {
    fails: false,
    fails_over: false,
    lags: false,
    lost_messages: 30,
    captures_after_load: false,
    repeats_stamps: false,
    ignores_messages: false,
    believes_everything: false,
    expects_no_lag: false,
};
const FAILS: Rules = Rules { fails: true, ..LOSES_MESSAGES };
const FAILS_OVER: Rules = Rules { fails: true, fails_over: true, ..LOSES_MESSAGES };
const LAGS: Rules = Rules { fails: true, lags: true, ..LOSES_MESSAGES };

#[test]
fn hundreds_of_thousands_with_lost_messages() {
    check(LOSES_MESSAGES, 0);
}

#[test]
fn hundreds_of_thousands_with_failures() {
    let figures = check(FAILS, 1_000_000);
    assert!(figures.failures > figures.runs / 2 && figures.replayed > figures.runs / 10);
    assert!(figures.bypasses > figures.runs / 10 && figures.unfinished > figures.runs / 20);
}

#[test]
fn hundreds_of_thousands_with_failovers() {
    let figures = check(FAILS_OVER, 2_000_000);
    assert!(figures.failovers == figures.runs && figures.lost_writes > figures.runs);
    assert!(figures.replayed > figures.runs / 2);
}

#[test]
fn hundreds_of_thousands_with_copies_that_are_behind() {
    let figures = check(LAGS, 3_000_000);
    assert!(figures.replayed > figures.runs / 10);
}

#[test]
fn generations_captured_after_the_load_are_found_out() {
    assert!(finds(Rules { captures_after_load: true, ..LOSES_MESSAGES }).is_some());
}

#[test]
fn a_stamp_that_is_repeated_is_found_out() {
    assert!(finds(Rules { repeats_stamps: true, ..FAILS }).is_some());
}

#[test]
fn a_message_that_is_ignored_is_found_out() {
    assert!(finds(Rules { ignores_messages: true, ..LOSES_MESSAGES }).is_some());
}

#[test]
fn an_answer_that_is_believed_unasked_is_found_out() {
    assert!(finds(Rules { believes_everything: true, ..FAILS_OVER }).is_some());
}

#[test]
fn a_promise_that_copies_cannot_keep_is_found_out() {
    assert!(finds(Rules { expects_no_lag: true, ..LAGS }).is_some());
}

/// Found by interleavings with failovers: an answer that was under way for longer than the others
/// are given for repeating what they had finished.
#[test]
fn what_was_asked_before_all_was_settled_is_not_believed_later() {
    let runtime = clock();
    let _clock = runtime.enter();
    let Fixture { scope, dependencies: [keys, _], .. } = Fixture::new();
    let (way, lease) = (Arc::new(Way::default()), Duration::from_secs(1));
    let coherence = Coherence::new(Arc::clone(&way) as _, lease, lease);
    let cells = [&keys[0], &keys[1]].map(|key| coherence.cells.cell(key));
    let ask = || coherence.begin_read(&scope, &keys, &cells).unwrap();
    let before = ask();
    way.interrupt();
    let first = ask();
    assert!(!coherence.believes(&scope, &keys, &before));
    let during = ask();
    passes(lease);
    for question in [before, first, during] {
        assert!(!coherence.believes(&scope, &keys, &question), "{question:?}");
    }
    assert!(coherence.believes(&scope, &keys, &ask()));
}

#[test]
fn a_seed_gives_the_same_interleaving_again() {
    let runtime = clock();
    let _clock = runtime.enter();
    let fixture = Fixture::new();
    let rules = Rules { ignores_messages: true, ..FAILS_OVER };
    let trace = |seed| run(&fixture, rules, seed, true).map_err(|wrong| wrong.trace).err();
    let seed = (0..MUTANT_RUNS).find(|seed| trace(*seed).is_some()).unwrap();
    assert_eq!(trace(seed), trace(seed));
}
