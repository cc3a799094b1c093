//! What both services say and understand in text: patterns of keys, and `INFO`.

use crate::port::{ServerInfo, Topology};

/// A pattern that matches what begins with the prefix, whatever the prefix contains.
pub(crate) fn prefix_pattern(prefix: &str) -> String {
    let mut pattern = String::with_capacity(prefix.len() + 8);
    for character in prefix.chars() {
        if matches!(character, '*' | '?' | '[' | ']' | '^' | '-' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('*');
    pattern
}

/// The answer of `INFO`, read leniently: what is not told is unknown.
pub(crate) fn server_info(text: &str) -> ServerInfo {
    let field = |name: &str| {
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::trim))
    };
    let number = |name| field(name).and_then(|text| text.parse::<u64>().ok());
    let server = match (field("valkey_version"), field("redis_version")) {
        (Some(version), _) => format!("valkey {version}"),
        (None, Some(version)) => format!("redis {version}"),
        (None, None) => "redis".to_owned(),
    };
    let count = |name: &str| {
        // A database without keys is not told of.
        let counts = field("db0").unwrap_or("keys=0,expires=0");
        counts.split(',').find_map(|count| count.strip_prefix(name)?.parse::<u64>().ok())
    };
    let keys = count("keys=");
    let keys_without_ttl = keys.zip(count("expires=")).map(|(all, some)| all.saturating_sub(some));
    ServerInfo {
        server,
        used_memory_bytes: number("used_memory"),
        evicted_keys: number("evicted_keys"),
        keys,
        keys_without_ttl,
        max_memory_bytes: number("maxmemory"),
        eviction_policy: field("maxmemory_policy").map(str::to_owned),
        topology: Topology::Single,
        is_encrypted: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn info_is_read_leniently() {
        let text = "# Server\r\nredis_version:7.0.15\r\nused_memory:1024\r\n\
                    used_memory_human:1K\r\nevicted_keys:2\r\ndb0:keys=3,expires=1,avg_ttl=0\r\n";
        assert_eq!(
            server_info(text),
            ServerInfo {
                server: "redis 7.0.15".to_owned(),
                used_memory_bytes: Some(1024),
                evicted_keys: Some(2),
                keys: Some(3),
                keys_without_ttl: Some(2),
                topology: Topology::Single,
                ..ServerInfo::default()
            }
        );
        assert_eq!(server_info("").keys, Some(0));
        let valkey = server_info("redis_version:7.2.4\r\nvalkey_version:8.1.0\r\n");
        assert_eq!(valkey.server, "valkey 8.1.0");
    }

    #[test]
    fn patterns_are_literal() {
        assert_eq!(prefix_pattern("a*b?[c]\\d"), "a\\*b\\?\\[c\\]\\\\d*");
    }
}
