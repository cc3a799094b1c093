//! The cache's rules of coherence under a model checker.
//!
//! `coherence` is the very source that the cache is compiled from, not a copy: only what it takes
//! its locks and atomics from is another one here. The checker decides at each of them which thread
//! goes on, so that a run is one interleaving, and another run another one. `tests/random` drives
//! the same source, in larger steps, through a million.
//!
//! No clock moves here, so no lease ends by itself, and *wrong* is more than what the cache
//! promises after a second: an answer that is older than an invalidation which had ended at the
//! reader's own instance before the read began, or which another instance had finished and told of.
//! After a failover only the former counts, since others may have to repeat what was lost.
//!
//! Where reads are answered by copies that are behind (`lags`), an instance shows with each question
//! how far the service had come in what it has seen, and remembers the stamps that it has written, so
//! its own writes count at once. Of another
//! instance's they count with the message only if that carries its position; what the cache sends
//! does not, and a copy that is behind may give an old stamp a new lease. There the bound is the
//! lease and the lag together, which takes a clock: `tests/random` holds the source to it.

#![cfg(test)]
#![expect(
    dead_code,
    unused_imports,
    reason = "a part of another crate, of which the model uses what reads and writes use"
)]

#[path = "../../../crates/tenant-cache/src/coherence/mod.rs"]
mod coherence;
mod redis;
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
fn nor_does_one_with_values_loaded_anew_in_the_background() {
    check(Rules { refreshes: true, ..Rules::default() });
    check(Rules { refreshes: true, fails: true, fails_over: true, ..Rules::default() });
}

#[test]
fn copies_that_are_behind_do_not_hide_what_an_instance_did_itself() {
    let rules = Rules { lags: true, refreshes: true, expects_own_only: true, ..Rules::default() };
    check(rules);
    check(Rules { fails: true, ..rules });
}

#[test]
fn nor_what_another_did_whose_message_says_how_far_the_service_had_come() {
    check(Rules { lags: true, refreshes: true, tells_positions: true, ..Rules::default() });
}

#[test]
fn a_message_that_does_not_say_it_leaves_that_to_time() {
    assert!(finds_a_wrong_value(Rules { lags: true, ..Rules::default() }));
}

/// Positions cannot be compared, so a late message may put an early one in the place of a later one.
const GOES_BACK: Rules = Rules {
    fails: false,
    fails_over: false,
    refreshes: false,
    lags: true,
    tells_positions: false,
    expects_own_only: true,
    captures_after_load: false,
    refreshes_under_later_stamps: false,
    repeats_stamps: false,
    ignores_messages: false,
    goes_back_to_positions: true,
    forgets_own_stamps: false,
};

#[test]
fn copies_do_not_hide_it_even_if_what_the_instance_has_seen_is_forgotten() {
    check(GOES_BACK);
}

#[test]
fn an_own_stamp_that_is_not_remembered_is_found_out() {
    assert!(finds_a_wrong_value(Rules { forgets_own_stamps: true, ..GOES_BACK }));
}

#[test]
fn generations_captured_after_the_load_are_found_out() {
    assert!(finds_a_wrong_value(Rules { captures_after_load: true, ..Rules::default() }));
}

#[test]
fn nor_may_a_load_in_the_background_be_stored_under_later_ones() {
    assert!(finds_a_wrong_value(Rules {
        refreshes: true,
        refreshes_under_later_stamps: true,
        ..Rules::default()
    }));
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
