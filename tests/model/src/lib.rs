//! The cache's rules of coherence under a model checker.
//!
//! `coherence` is the very source that the cache is compiled from, not a copy: only what it takes
//! its locks and atomics from is another one here. The checker decides at each of them which thread
//! goes on, so that a run is one interleaving, and another run another one.

#![cfg(test)]
#![expect(
    dead_code,
    unused_imports,
    reason = "a part of another crate, of which the model uses what reads and writes use"
)]

#[path = "../../../crates/tenant-cache/src/coherence/mod.rs"]
mod coherence;
mod sync;
mod world;

use world::{Rules, World};

const RUNS: usize = 5_000;
/// Changes of the thread at which a fault may need to meet another, see "A Randomized Scheduler with
/// Probabilistic Guarantees of Finding Bugs" (Burckhardt et al., ASPLOS 2010).
const DEPTH: usize = 3;

/// Runs a world through interleavings, drawn in two ways; panics at the first wrong value.
fn check(rules: Rules) {
    shuttle::check_random(move || World::begin(rules).runs(), RUNS);
    shuttle::check_pct(move || World::begin(rules).runs(), RUNS, DEPTH);
}

/// Whether the checker finds a wrong value.
fn finds_a_wrong_value(rules: Rules) -> bool {
    std::panic::catch_unwind(|| check(rules)).is_err()
}

#[test]
fn no_interleaving_of_reads_and_writes_serves_a_wrong_value() {
    check(Rules::default());
}

#[test]
fn nor_does_one_with_failures_and_a_failover() {
    check(Rules { fails: true, fails_over: true, ..Rules::default() });
}

#[test]
fn generations_captured_after_the_load_are_found_out() {
    assert!(finds_a_wrong_value(Rules { captures_after_load: true, ..Rules::default() }));
}

#[test]
fn a_stamp_that_is_repeated_is_found_out() {
    assert!(finds_a_wrong_value(Rules {
        repeats_stamps: true,
        fails: true,
        fails_over: true,
        ..Rules::default()
    }));
}

#[test]
fn a_lease_that_no_invalidation_ends_is_found_out() {
    assert!(finds_a_wrong_value(Rules { ignores_messages: true, ..Rules::default() }));
}
