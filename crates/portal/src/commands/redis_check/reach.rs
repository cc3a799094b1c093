//! How to reach the same service with common tools. Secrets are asked for or named, never shown.

use redis_provider::{Credentials, ServerInfo, Topology};

use crate::settings::Service;

/// A line for a shell; there is none for what is in this process.
pub(super) fn line(service: &Service, info: Option<&ServerInfo>) -> Option<String> {
    match service {
        Service::Memory(_) => None,
        Service::Upstash(settings, origins) => Some(format!(
            "curl -H \"Authorization: Bearer ${}\" {}",
            origins.token,
            word(&format!("{}/ping", settings.url.as_str().trim_end_matches('/')))
        )),
        Service::ElastiCache(settings, _) => {
            let (host, port) = settings.seeds.first()?;
            let mut words = vec!["redis-cli".to_owned()];
            if let Some(tls) = &settings.tls {
                words.push("--tls".to_owned());
                if let Some(path) = &tls.authorities {
                    words.extend(["--cacert".to_owned(), word(&path.display().to_string())]);
                }
            }
            match &settings.credentials {
                Credentials::None => {}
                Credentials::Password { username: None, .. } => words.push("--askpass".to_owned()),
                Credentials::Password { username: Some(name), .. } => {
                    words.extend(["--user".to_owned(), word(name), "--askpass".to_owned()]);
                }
                // The password is a token of the moment, which nobody can type.
                Credentials::Source(_) => words.push("--user NAME --pass TOKEN".to_owned()),
            }
            words.extend(["-h".to_owned(), word(host), "-p".to_owned(), port.to_string()]);
            let is_cluster =
                info.is_some_and(|info| matches!(info.topology, Topology::Cluster { .. }));
            if is_cluster {
                words.push("-c".to_owned());
            }
            words.push("ping".to_owned());
            Some(words.join(" "))
        }
    }
}

/// A word as a shell reads it.
fn word(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._/:@%+=".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_a_shell_needs_it() {
        assert_eq!(word("cache.example.com"), "cache.example.com");
        assert_eq!(word("/my ca.pem"), "'/my ca.pem'");
        assert_eq!(word("it's"), "'it'\\''s'");
        assert_eq!(word(""), "''");
    }
}
