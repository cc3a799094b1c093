//! What the cache promises, on every kind of Redis: in this process, on a single server, on a
//! cluster with TLS and users, and over REST. `cargo xtask test` starts the servers.
//!
//! Each test has tenants of its own, so all of them share the servers; those that look at a whole
//! server, or stop it, start one for themselves. Time is real here. What is about times to live
//! and leases to the millisecond is tested in memory, where a test can hold the clock.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "tests report by panicking and print what they measured"
)]

mod coherence;
mod fixture;
mod herds;
mod instance;
mod inventory;
mod loads;
mod private;
mod purges;
mod reads;
mod rotation;
mod sealing;
mod size;

/// Makes a test of each function on each kind of Redis: `on_cluster::reads::…`.
macro_rules! on_every_redis {
    ($($module:ident { $($test:ident,)* })*) => {
        on_every_redis!(@on on_memory, Memory; $($module { $($test,)* })*);
        on_every_redis!(@on on_single, Single; $($module { $($test,)* })*);
        on_every_redis!(@on on_cluster, Cluster; $($module { $($test,)* })*);
        on_every_redis!(@on on_upstash, Upstash; $($module { $($test,)* })*);
    };
    (@on $place:ident, $kind:ident; $($module:ident { $($test:ident,)* })*) => {
        mod $place {
            $(mod $module {
                $(
                    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                    async fn $test() {
                        let kind = crate::fixture::Kind::$kind;
                        crate::$module::$test(crate::fixture::Fixture::shared(kind)).await;
                    }
                )*
            })*
        }
    };
}

on_every_redis! {
    reads {
        the_second_reader_is_answered_from_the_cache_on_every_instance,
        an_event_drops_what_its_policy_says_on_every_instance,
        a_job_is_dropped_by_its_own_events_only,
        tenants_neither_share_values_nor_invalidations,
        a_value_ends_with_its_own_last_instant,
        absence_is_kept_until_something_comes_to_be_and_errors_are_not_kept,
        a_service_that_is_away_is_bypassed_and_never_taken_for_a_miss,
        damaged_values_are_misses,
    }
    loads {
        a_load_that_began_before_an_invalidation_is_never_served_after_it,
        a_writer_reads_its_write_while_the_service_is_away,
        a_thousand_readers_of_a_cold_key_load_once,
        a_reader_who_goes_away_does_not_take_the_load_along,
    }
    herds {
        ten_thousand_misses_on_four_instances_are_one_load,
        without_the_service_each_instance_loads_once,
    }
    coherence {
        a_kept_value_is_given_without_asking_until_its_lease_ends,
        an_own_write_is_seen_at_once,
        an_own_write_that_failed_is_seen_at_once,
        a_write_elsewhere_is_seen_by_message,
        a_write_elsewhere_is_seen_within_the_lease_when_its_message_is_lost,
        a_busy_reader_relies_on_nothing_for_longer_than_the_lease,
        a_gap_in_the_messages_ends_every_lease,
    }
    purges {
        a_purge_drops_its_group_and_nothing_else,
        each_purge_has_a_generation_of_its_own_and_says_which,
        a_group_is_not_dropped_twice_by_its_parts,
        a_purge_that_fails_is_told_and_nothing_older_is_served,
        a_cursor_leads_nowhere_else,
    }
    inventory {
        a_server_is_counted_and_listed_by_tenant,
    }
    size {
        a_purge_of_a_million_values_costs_what_one_of_ten_does,
    }
    sealing {
        the_service_sees_no_plain_text,
        swapped_values_are_misses_and_counted,
        any_flipped_byte_is_a_miss,
        a_value_of_before_an_invalidation_cannot_be_brought_back,
        what_is_put_back_with_its_generations_is_never_data,
        without_keys_nothing_sensitive_is_stored,
        nothing_sensitive_is_kept_for_an_outage,
    }
    rotation {
        rotating_the_key_costs_no_miss_and_seals_everything_anew,
        rotating_the_key_under_load_fails_nobody,
    }
}
