//! What works and should still be otherwise.

use redis_provider::{ServerInfo, Topology};

use crate::settings::Service;

/// Oldest version of Redis and Valkey that its makers still mend; before 6.0 the portal's protocol
/// is not spoken at all.
const OLDEST_MENDED: (u32, u32) = (6, 2);

pub(super) fn of(service: &Service, info: Option<&ServerInfo>) -> Vec<String> {
    let mut findings: Vec<&'static str> = Vec::new();
    match service {
        Service::Memory(_) => findings.push(
            "the memory provider serves one instance only and forgets with it; for more set \
             REDIS_PROVIDER to elasticache or upstash",
        ),
        Service::ElastiCache(settings, _) if settings.tls.is_none() => findings.push(
            "the connection is not encrypted; write rediss:// or set REDIS_TLS=true, which staging \
             and production insist on",
        ),
        Service::Upstash(settings, _) if settings.url.scheme() == "http" => findings.push(
            "the connection is not encrypted; use the https:// address, which staging and \
             production insist on",
        ),
        Service::ElastiCache(..) | Service::Upstash(..) => {}
    }
    if let Some(info) = info {
        findings.extend(of_server(info));
    }
    findings.into_iter().map(str::to_owned).collect()
}

fn of_server(info: &ServerInfo) -> Vec<&'static str> {
    let mut findings = Vec::new();
    if version(&info.server).is_some_and(|version| version < OLDEST_MENDED) {
        findings.push("the server is older than 6.2 and gets no fixes any more; upgrade it");
    }
    if matches!(info.topology, Topology::Cluster { replicas: 0, .. }) {
        findings.push(
            "no primary has a replica: with a node its part of the keys is lost and stays away; \
             add a replica to each",
        );
    }
    findings.extend(info.eviction_policy.as_deref().and_then(of_eviction));
    if info.max_memory_bytes == Some(0) && info.topology != Topology::InProcess {
        findings.push(
            "the server's memory has no bound, so that it ends when the machine's does; set \
             maxmemory",
        );
    }
    if info.evicted_keys.is_some_and(|keys| keys > 0) {
        findings.push(
            "keys were evicted for want of memory, people's sessions perhaps among them; give the \
             server more memory if that goes on",
        );
    }
    findings
}

/// Cached values and sessions have a time to live, the generations that guard the values of a
/// tenant have none. A lost generation is a miss, a lost session a person who signs in again.
fn of_eviction(policy: &str) -> Option<&'static str> {
    match policy {
        "noeviction" => Some(
            "the eviction policy is noeviction: once the memory is full nothing is cached and \
             nobody can sign in; set volatile-lru or volatile-lfu",
        ),
        "allkeys-random" | "volatile-random" => Some(
            "the eviction policy takes keys at random, sessions in use included; set volatile-lru \
             or volatile-lfu",
        ),
        "allkeys-lru" | "allkeys-lfu" => Some(
            "the eviction policy takes generations as well: with one all that it guards is loaded \
             again; set volatile-lru or volatile-lfu",
        ),
        _ => None,
    }
}

/// Major and minor number of `redis 7.0.15`.
fn version(server: &str) -> Option<(u32, u32)> {
    let (name, version) = server.split_once(' ')?;
    let mut numbers = version.split('.').map(str::parse);
    let known = matches!(name, "redis" | "valkey");
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?)).filter(|_| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(text: &str) -> ServerInfo {
        ServerInfo {
            server: text.to_owned(),
            topology: Topology::Cluster { primaries: 3, replicas: 3 },
            eviction_policy: Some("volatile-lru".to_owned()),
            max_memory_bytes: Some(1 << 30),
            evicted_keys: Some(0),
            ..ServerInfo::default()
        }
    }

    #[test]
    fn a_server_as_it_should_be_gives_no_cause() {
        for text in ["redis 7.0.15", "redis 6.2.0", "valkey 8.1.0", "upstash 1.2.3", "redis"] {
            assert!(of_server(&server(text)).is_empty(), "{text}");
        }
    }

    #[test]
    fn each_cause_says_what_to_do() {
        let good = || server("redis 7.0.15");
        let with_policy =
            |policy: &str| ServerInfo { eviction_policy: Some(policy.to_owned()), ..good() };
        let alone = Topology::Cluster { primaries: 3, replicas: 0 };
        for (info, remedy) in [
            (server("redis 6.0.16"), "upgrade"),
            (server("redis 5.0.1"), "upgrade"),
            (ServerInfo { topology: alone, ..good() }, "add a replica"),
            (with_policy("noeviction"), "volatile-lru"),
            (with_policy("allkeys-random"), "volatile-lru"),
            (with_policy("allkeys-lru"), "volatile-lru"),
            (ServerInfo { max_memory_bytes: Some(0), ..good() }, "maxmemory"),
            (ServerInfo { evicted_keys: Some(7), ..good() }, "more memory"),
        ] {
            let findings = of_server(&info);
            assert_eq!(findings.len(), 1, "{findings:?}");
            assert!(findings[0].contains(remedy), "{findings:?}");
        }
    }
}
