//! Which figures there are, and where they are read.

use std::fmt;

use prometheus_client::encoding::DescriptorEncoder;
use tenant_cache::{CircuitState, Operation, OperationStatistics};

use super::Sources;
use super::page::{Labels, Page};
use super::{exports, streams};
use crate::state::Phase;

/// Tenants' operations that are named with their stale hits.
const MOST_STALE: usize = 100;

/// Reads everything at every scrape.
#[derive(Debug)]
pub(super) struct Collector(pub(super) Sources);

impl prometheus_client::collector::Collector for Collector {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let page = &mut Page(encoder);
        self.write_instance(page)?;
        self.write_cache_reads(page)?;
        self.write_tenants(page)?;
        self.write_cache(page)?;
        self.write_access(page)?;
        self.write_provider(page)?;
        self.write_database(page)?;
        self.write_webhooks_and_mail(page)?;
        exports::write(page, self.0.exports.statistics())?;
        self.write_relay(page)?;
        self.0.figures.write(page)?;
        self.0.upkeep.write(page)?;
        streams::write(page, &self.0.live)
    }
}

impl Collector {
    fn write_instance(&self, page: &mut Page<'_>) -> fmt::Result {
        page.gauges(
            "build_info",
            "The version that runs",
            [(vec![("version", env!("CARGO_PKG_VERSION"))], 1.0)],
        )?;
        let phase = match self.0.lifecycle.phase() {
            Phase::Starting => "starting",
            Phase::Ready => "ready",
            Phase::Draining => "draining",
        };
        page.gauges(
            "phase",
            "Where the instance is in its life: 1 for the phase that is",
            ["starting", "ready", "draining"]
                .map(|one| (vec![("phase", one)], if one == phase { 1.0 } else { 0.0 })),
        )?;
        page.gauges(
            "dependency_up",
            "Whether what we depend on answered a moment ago",
            self.0
                .probe
                .answering()
                .map(|(name, is_up)| (vec![("dependency", name)], f64::from(u8::from(is_up)))),
        )
    }

    fn write_cache_reads(&self, page: &mut Page<'_>) -> fmt::Result {
        let operations = &self.0.cache.operation_statistics();
        page.counters(
            "cache_answers",
            "Answers to reads of cached operations: hit, miss (loaded), stale (kept in process \
             while the provider is away), bypass (loaded without the provider)",
            operations.iter().flat_map(|(operation, figures)| {
                outcomes(figures).map(|(outcome, count)| {
                    let mut labels = names(*operation);
                    labels.push(("outcome", outcome));
                    (labels, count)
                })
            }),
        )?;
        let mut one = |name, help, figure: fn(&OperationStatistics) -> u64| {
            let samples =
                operations.iter().map(|(operation, all)| (names(*operation), figure(all)));
            page.counters(name, help, samples)
        };
        one("cache_loads", "Loads begun; fewer than misses where readers share them", |all| {
            all.loads
        })?;
        one("cache_load_milliseconds", "Time spent in loads", |all| all.load_ms)?;
        one("cache_load_failures", "Loads that failed", |all| all.load_failures)?;
        one("cache_overloaded", "Reads refused because too many loads waited", |all| {
            all.overloaded
        })?;
        one("cache_stored_bytes", "Bytes written to the provider", |all| all.stored_bytes)?;
        one("cache_hits_in_process", "Hits that were kept in the process", |all| {
            all.hits_in_process
        })?;
        one("cache_audited", "Hits that were loaded once more and compared", |all| all.audited)
    }

    fn write_access(&self, page: &mut Page<'_>) -> fmt::Result {
        let figures = self.0.access.figures();
        page.counters(
            "access_lookups",
            "Look-ups of sessions and memberships by where they were answered: process (verified \
             within the lease), redis, ledger (Postgres), or refused for want of a turn",
            [
                ("process", figures.held),
                ("redis", figures.copies),
                ("ledger", figures.ledger),
                ("refused", figures.refused),
            ]
            .map(|(from, count)| (vec![("from", from)], count)),
        )?;
        page.counter(
            "access_copy_failures",
            "Copies of sessions and memberships that Redis did not answer for",
            figures.failures,
        )
    }

    fn write_tenants(&self, page: &mut Page<'_>) -> fmt::Result {
        if self.0.tenants == 0 {
            return Ok(());
        }
        let tenants = &self.0.cache.busiest_tenants(self.0.tenants);
        page.counters(
            "cache_tenant_answers",
            "As cache_answers, of the busiest tenants, over all operations",
            tenants.iter().flat_map(|(org, figures)| {
                outcomes(figures).map(|(outcome, count)| {
                    (vec![("tenant", org.as_str()), ("outcome", outcome)], count)
                })
            }),
        )
    }

    fn write_cache(&self, page: &mut Page<'_>) -> fmt::Result {
        let all = self.0.cache.statistics();
        page.counter("cache_invalidations", "Invalidations finished", all.invalidations)?;
        page.counter(
            "cache_provider_errors",
            "Errors of the provider that the cache met",
            all.provider_errors,
        )?;
        page.counter(
            "cache_journaled",
            "Generations to replace again, because that failed or may have been lost",
            all.journaled,
        )?;
        page.counter("cache_replayed", "Those that have been replaced since", all.replayed)?;
        page.counter(
            "cache_journal_overflows",
            "How often there were too many to be told apart",
            all.journal_overflows,
        )?;
        page.gauge(
            "cache_journal_length",
            "Generations that wait to be replaced again",
            as_float(all.journal_length),
        )?;
        page.gauge("cache_loads_under_way", "Loads now", as_float(all.loads_under_way))?;
        page.gauge("cache_kept_values", "Values kept in the process", as_float(all.kept_values))?;
        page.gauge("cache_kept_bytes", "Bytes that these take", as_float(all.kept_bytes))?;
        page.counter(
            "cache_kept_evictions",
            "Values dropped for want of room",
            all.kept_evictions,
        )?;
        let refused = self.0.cache.refused_values();
        page.counters(
            "cache_refused",
            "Values, and generations that turned back, that were found and not used",
            [
                ("other_version", refused.other_version),
                ("damaged", refused.damaged),
                ("unknown_key", refused.unknown_key),
                ("wrong_place", refused.wrong_place),
                ("not_sealed", refused.not_sealed),
                ("too_large", refused.too_large),
                ("replayed", refused.replayed),
                ("turned_back", refused.turned_back),
            ]
            .map(|(reason, count)| (vec![("reason", reason)], count)),
        )?;
        page.counter(
            "cache_resealed",
            "Values that an older key had sealed and that were sealed anew",
            self.0.cache.resealed_values(),
        )?;
        // Only where there are any: each is an alarm by itself.
        let stale = &self.0.cache.stale_hits(MOST_STALE);
        page.counters(
            "cache_stale_hits",
            "Hits that were found to be something else than the database holds",
            stale.iter().map(|(org, operation, count)| {
                let mut labels = names(*operation);
                labels.push(("tenant", org.as_str()));
                (labels, *count)
            }),
        )
    }

    fn write_provider(&self, page: &mut Page<'_>) -> fmt::Result {
        const STATES: [CircuitState; 3] =
            [CircuitState::Closed, CircuitState::Open, CircuitState::HalfOpen];
        let report = &self.0.cache.provider_report();
        let circuits = [
            ("reads", report.circuits.reads.as_str()),
            ("writes", report.circuits.writes.as_str()),
        ];
        page.states(
            "redis_circuit_state",
            "Whether calls go through: 1 for the state that is",
            ("circuit", &STATES.map(CircuitState::as_str)),
            &circuits,
        )?;
        page.counters(
            "redis_calls",
            "Calls of the provider by how they ended",
            report.calls.iter().flat_map(|call| {
                [
                    ("ok", call.answered()),
                    ("unavailable", call.unavailable),
                    ("timeout", call.timeouts),
                    ("refused", call.refused),
                    ("abandoned", call.abandoned),
                ]
                .map(|(outcome, count)| {
                    (vec![("method", call.method), ("outcome", outcome)], count)
                })
            }),
        )?;
        page.durations(
            "redis_call_duration_seconds",
            "How long calls took that left this process",
            &report.calls,
        )?;
        let cost = report.cost;
        page.counter("redis_commands", "Commands sent, those of batches too", cost.commands)?;
        page.counter("redis_requests", "Requests or flushes that carried them", cost.requests)?;
        page.counter("redis_sent_bytes", "Bytes sent", cost.bytes_sent)?;
        page.counter("redis_received_bytes", "Bytes of values received", cost.bytes_received)
    }

    fn write_database(&self, page: &mut Page<'_>) -> fmt::Result {
        let pools: Vec<_> =
            self.0.pools.iter().map(|(name, pool)| (*name, pool.figures())).collect();
        page.gauges(
            "database_connections",
            "Connections to Postgres that are open",
            pools.iter().flat_map(|(pool, figures)| {
                [("in_use", figures.open - figures.idle), ("idle", figures.idle)]
                    .map(|(state, count)| (vec![("pool", *pool), ("state", state)], count.into()))
            }),
        )?;
        page.gauges(
            "database_connections_max",
            "Connections to Postgres that may be open",
            pools.iter().map(|(pool, figures)| (vec![("pool", *pool)], figures.max.into())),
        )
    }

    fn write_webhooks_and_mail(&self, page: &mut Page<'_>) -> fmt::Result {
        let webhooks = self.0.webhooks.statistics();
        page.counters(
            "webhook_attempts",
            "Attempts to tell a tenant's own system, by how they ended",
            [("delivered", webhooks.delivered()), ("failed", webhooks.failed())]
                .map(|(outcome, count)| (vec![("outcome", outcome)], count)),
        )?;
        page.counter("webhook_given_up", "Messages that were given up", webhooks.given_up())?;
        page.counter(
            "webhook_forbidden_addresses",
            "Attempts that would have left for a place that only we can reach",
            webhooks.forbidden(),
        )?;
        page.counter("webhook_disabled", "Endpoints that were given up", webhooks.disabled())?;
        page.counter("webhook_faults", "Failures of our own in sending", webhooks.faults())?;
        let mail = &self.0.mail;
        page.counters(
            "mails",
            "Mails by what became of them, each time that they were due",
            [("sent", mail.sent()), ("postponed", mail.postponed()), ("failed", mail.failed())]
                .map(|(outcome, count)| (vec![("outcome", outcome)], count)),
        )
    }

    fn write_relay(&self, page: &mut Page<'_>) -> fmt::Result {
        let writes = &self.0.writes;
        let relay = writes.relay_statistics();
        page.counter(
            "writes_left_to_relay",
            "Invalidations that a request could not make",
            writes.left_to_relay(),
        )?;
        page.counter("relay_repeated", "Events that the relay acted on", relay.repeated())?;
        page.counter(
            "relay_acknowledged",
            "Events that requests had acted on themselves",
            relay.acknowledged(),
        )?;
        self.write_fan_out(page)?;
        let audit = &self.0.audit;
        page.counter("audit_rows", "Rows of the trail written beside requests", audit.written())?;
        page.counter("audit_rows_lost", "Rows of the trail that were lost", audit.lost())?;
        page.counter("relay_failures", "Turns of the relay that failed", relay.failures())?;
        match relay.oldest_age() {
            Some(age) => page.gauge(
                "outbox_oldest_age_seconds",
                "How long the oldest event has been waiting; absent while nobody knows",
                age.as_secs_f64(),
            ),
            None => Ok(()),
        }
    }

    fn write_fan_out(&self, page: &mut Page<'_>) -> fmt::Result {
        let told = &self.0.fan_out;
        page.counter("fan_out_events", "Events that people were told of", told.events())?;
        page.counter(
            "fan_out_notifications",
            "Notifications that were written, and changes of inboxes passed on",
            told.notifications(),
        )?;
        page.counter("fan_out_failures", "Attempts to tell that failed", told.failures())?;
        match self.0.writes.relay_statistics().waiting() {
            Some(waiting) => page.gauge(
                "outbox_parked",
                "Events that nobody could be told of; absent while nobody knows",
                usize::try_from(waiting.parked).map_or(f64::INFINITY, as_float),
            ),
            None => Ok(()),
        }
    }
}

fn names(operation: Operation) -> Labels<'static> {
    vec![("feature", operation.feature().as_str()), ("operation", operation.name())]
}

fn outcomes(figures: &OperationStatistics) -> [(&'static str, u64); 4] {
    [
        ("hit", figures.hits),
        ("miss", figures.misses),
        ("stale", figures.stale),
        ("bypass", figures.bypassed),
    ]
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn as_float(count: usize) -> f64 {
    count as f64
}
