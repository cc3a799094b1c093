//! Which Redis service, and how to reach it.

mod address;
mod credentials;
mod elasticache;
mod iam;
mod remedy;
mod upstash;

#[cfg(test)]
mod tests;

use std::time::Duration;

use redis_provider::{
    BreakerSettings, ElastiCacheSettings, GuardSettings, MemorySettings, UpstashSettings,
};

use super::Environment;
use super::faults::Faults;
use super::pasted::{self, Inside};
use super::tuning::{Redis as RedisTuning, Tuning};
use super::variables::Variables;

pub(crate) use elasticache::ElastiCacheOrigins;
pub(crate) use upstash::UpstashOrigins;

const PROVIDER: &str = "REDIS_PROVIDER";

/// How long after its own limit an adapter is believed to be about to answer.
const GRACE: Duration = Duration::from_millis(50);

/// The variables that lead to a server that speaks Redis, the first one first.
const SERVERS: [&str; 3] = ["REDIS_URL", "REDIS_PRIVATE_URL", "REDIS_HOST"];

/// The chosen service, and how calls to it are kept in bounds.
#[derive(Debug)]
pub(crate) struct RedisSettings {
    pub(crate) service: Service,
    /// The variable that decided, and one of another service that was therefore not looked at.
    pub(crate) decision: Decision,
    pub(crate) guard: GuardSettings,
    /// Pause between two questions whether the service is there, while it is.
    pub(crate) health_check_interval: Duration,
}

/// A service with what it needs. Chosen here, and matched on once more, where it is connected to.
#[derive(Debug)]
pub(crate) enum Service {
    Memory(MemorySettings),
    ElastiCache(ElastiCacheSettings, ElastiCacheOrigins),
    Upstash(UpstashSettings, UpstashOrigins),
}

/// Why a service was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) by: &'static str,
    pub(crate) passed_over: Option<&'static str>,
}

/// A service by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Choice {
    Memory,
    ElastiCache,
    Upstash,
}

impl RedisSettings {
    pub(crate) fn read(
        variables: &Variables,
        environment: Environment,
        tuning: Option<&Tuning>,
        faults: &mut Faults,
    ) -> Option<Self> {
        let (choice, decision) = choose(variables, environment, faults)?;
        let tuning = tuning.map(|tuning| &tuning.redis);
        let service = match choice {
            Choice::Memory => tuning.map(memory),
            Choice::ElastiCache => elasticache::read(variables, environment, tuning, faults),
            Choice::Upstash => upstash::read(variables, environment, tuning, faults),
        };
        let tuning = tuning?;
        let interval = match choice {
            Choice::Upstash => tuning.upstash_health_check_interval_ms,
            Choice::Memory | Choice::ElastiCache => tuning.health_check_interval_ms,
        };
        Some(Self {
            service: service?,
            decision,
            guard: guard(tuning),
            health_check_interval: Duration::from_millis(interval),
        })
    }
}

impl Service {
    /// The provider's name in settings, logs and health documents.
    pub(crate) fn provider(&self) -> &'static str {
        match self {
            Self::Memory(_) => "memory",
            Self::ElastiCache(..) => "elasticache",
            Self::Upstash(..) => "upstash",
        }
    }

    /// What `/health/cache` calls the cache's backend.
    pub(crate) fn backend(&self) -> &'static str {
        match self {
            Self::Memory(_) => "memory",
            Self::ElastiCache(..) => "redis",
            Self::Upstash(..) => "upstash",
        }
    }
}

/// `REDIS_PROVIDER`, or whatever the other variables mean: a server goes before Upstash, and
/// development does without either.
fn choose(
    variables: &Variables,
    environment: Environment,
    faults: &mut Faults,
) -> Option<(Choice, Decision)> {
    let server = SERVERS.into_iter().find(|name| variables.is_set(name));
    let upstash = upstash::URLS.into_iter().find(|name| variables.is_set(name));
    let decided = |choice, by, passed_over| Some((choice, Decision { by, passed_over }));
    if !variables.is_set(PROVIDER) {
        return match (server, upstash) {
            (Some(by), passed_over) => decided(Choice::ElastiCache, by, passed_over),
            (None, Some(by)) => decided(Choice::Upstash, by, None),
            (None, None) if environment.is_development() => {
                decided(Choice::Memory, "PORTAL_ENV", None)
            }
            (None, None) => faults.missing(
                PROVIDER,
                "elasticache with REDIS_URL or REDIS_HOST, or upstash with UPSTASH_REDIS_REST_URL",
            ),
        };
    }
    match pasted::find(variables, PROVIDER, Inside::NoSpace, faults)?.as_str() {
        "elasticache" => decided(Choice::ElastiCache, PROVIDER, upstash),
        "upstash" => decided(Choice::Upstash, PROVIDER, server),
        "memory" if environment.is_development() => {
            decided(Choice::Memory, PROVIDER, server.or(upstash))
        }
        "memory" => {
            faults.add(
                PROVIDER,
                "is memory, which instances cannot share; set it to elasticache or upstash",
            );
            None
        }
        _ => {
            faults.add(PROVIDER, "is not one of upstash, elasticache, memory; set it to one");
            None
        }
    }
}

fn memory(tuning: &RedisTuning) -> Service {
    Service::Memory(MemorySettings {
        max_bytes: tuning.memory_max_bytes,
        ..MemorySettings::default()
    })
}

fn guard(tuning: &RedisTuning) -> GuardSettings {
    GuardSettings {
        // The adapters' own limit comes first: they know what they waited for.
        call_limit: Duration::from_millis(tuning.command_timeout_ms) + GRACE,
        breaker: BreakerSettings {
            window: Duration::from_millis(tuning.breaker_window_ms),
            min_calls: tuning.breaker_min_calls,
            failure_rate: f64::from(tuning.breaker_failure_percent) / 100.0,
            slow_call: Duration::from_millis(tuning.breaker_slow_call_ms),
            slow_rate: f64::from(tuning.breaker_slow_percent) / 100.0,
            open_for: Duration::from_millis(tuning.breaker_open_ms),
            quota_open_for: Duration::from_millis(tuning.breaker_quota_open_ms),
        },
    }
}
