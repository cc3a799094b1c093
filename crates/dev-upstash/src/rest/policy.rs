//! Who may send a command, how Redis gets it, and what becomes of the reply.

use bytes::Bytes;

use super::access::Access;
use super::commands::{Kind, has_block, is_missing_subcommand, is_not_for_rest, kind_of};
use super::decode::Words;
use super::scripts::Scripts;
use crate::resp::Reply;

/// What becomes of Redis's reply.
#[derive(Clone, Debug, PartialEq, Eq)]
enum After {
    Unchanged,
    /// `COMMAND` lists nothing.
    Nothing,
    /// `INFO` shows some lines.
    SomeOfInfo,
    /// `SCRIPT LOAD` answers with the hash that the caller computes.
    Hash(Bytes),
}

/// A command that may be sent to Redis.
#[derive(Clone, Debug)]
pub(super) struct Prepared {
    pub(super) words: Words,
    pub(super) kind: Kind,
    name: String,
    after: After,
}

/// Checks a command and rewrites it for Redis; the error is the text that the service answers.
pub(super) fn prepare(
    mut words: Words,
    access: Access,
    scripts: &Scripts,
) -> Result<Prepared, String> {
    let sent = words.first().filter(|name| !name.is_empty()).ok_or("ERR empty command")?;
    let name = upper(shown(sent));
    // For the others it is a key or a script, which may be long.
    let has_subcommand = matches!(name.as_str(), "MEMORY" | "FUNCTION" | "SCRIPT");
    let argument = words.get(1).filter(|_| has_subcommand);
    let argument = argument.map(|word| upper(shown(word))).unwrap_or_default();
    if is_not_for_rest(&name) || has_block(&name, &words) {
        return Err(format!(
            "ERR Command \"{name}\" is not allowed in REST or it has a special context path"
        ));
    }
    let unknown = || unknown_command(&shown(sent));
    let kind = kind_of(&name).ok_or_else(unknown)?;
    if is_missing_subcommand(&name, &argument) {
        return Err(unknown());
    }
    if access == Access::ReadOnly && kind != Kind::Read {
        let name = name.to_lowercase();
        return Err(format!(
            "NOPERM this user has no permissions to run the '{name}' command or its subcommand"
        ));
    }
    let after = match (name.as_str(), argument.as_str()) {
        ("COMMAND", _) => {
            words = vec![Bytes::from_static(b"PING")];
            After::Nothing
        }
        ("INFO", _) => After::SomeOfInfo,
        ("EVAL" | "EVAL_RO", _) => {
            rewrite(&mut words, 1, |script| scripts.learn(script).text);
            After::Unchanged
        }
        ("EVALSHA" | "EVALSHA_RO", _) => {
            rewrite(&mut words, 1, |hash| scripts.translate(hash));
            After::Unchanged
        }
        ("SCRIPT", "LOAD") => {
            let mut hash = None;
            rewrite(&mut words, 2, |script| {
                let plain = scripts.learn(script);
                hash = plain.hash;
                plain.text
            });
            hash.map_or(After::Unchanged, After::Hash)
        }
        ("SCRIPT", "EXISTS") => {
            words.iter_mut().skip(2).for_each(|hash| *hash = scripts.translate(hash));
            After::Unchanged
        }
        ("SCRIPT", "FLUSH") => {
            scripts.forget();
            After::Unchanged
        }
        _ => After::Unchanged,
    };
    Ok(Prepared { words, kind, name, after })
}

impl Prepared {
    /// Whether it runs a script by its hash.
    pub(super) fn is_by_hash(&self) -> bool {
        matches!(self.name.as_str(), "EVALSHA" | "EVALSHA_RO")
    }

    /// Names a script that nobody has.
    pub(super) fn forget_script(&mut self) {
        rewrite(&mut self.words, 1, |_| Bytes::from_static(&[b'0'; 40]));
    }

    /// Whether it empties the database.
    pub(super) fn is_flush(&self) -> bool {
        matches!(self.name.as_str(), "FLUSHDB" | "FLUSHALL")
    }

    /// What the caller gets for what Redis said.
    pub(super) fn finish(&self, reply: Reply) -> Reply {
        if let Reply::Error(text) = &reply {
            // The redis-server is older than the service, or does not know its extensions.
            let is_unknown = text.starts_with(b"ERR unknown command");
            return if is_unknown { Reply::error(unknown_command(&self.name)) } else { reply };
        }
        match (&self.after, reply) {
            (After::Nothing, _) => Reply::Array(Some(Vec::new())),
            (After::Hash(hash), _) => Reply::Bulk(Some(hash.clone())),
            (After::SomeOfInfo, Reply::Bulk(Some(text))) => Reply::Bulk(Some(some_of_info(&text))),
            (After::Unchanged | After::SomeOfInfo, reply) => reply,
        }
    }
}

fn rewrite(words: &mut Words, index: usize, change: impl FnOnce(&Bytes) -> Bytes) {
    if let Some(word) = words.get_mut(index) {
        *word = change(word);
    }
}

fn unknown_command(name: &str) -> String {
    format!(
        "ERR Command is not available: '{name}'. \
         See https://upstash.com/docs/redis/overall/rediscompatibility for details"
    )
}

fn upper(mut text: String) -> String {
    if text.is_ascii() {
        text.make_ascii_uppercase();
        return text;
    }
    text.to_uppercase()
}

/// The start of a word, fit for an error text.
fn shown(word: &[u8]) -> String {
    let start = word.get(..128).unwrap_or(word);
    if start.iter().all(u8::is_ascii_graphic) {
        return String::from_utf8_lossy(start).into_owned();
    }
    String::from_utf8_lossy(start).chars().filter(|character| !character.is_control()).collect()
}

/// The lines of `INFO` that do not describe the machine behind.
fn some_of_info(text: &[u8]) -> Bytes {
    const KEPT: &[&str] = &[
        "redis_version",
        "redis_mode",
        "uptime_in_seconds",
        "connected_clients",
        "used_memory",
        "used_memory_human",
        "maxmemory",
        "total_connections_received",
        "total_commands_processed",
        "keyspace_hits",
        "keyspace_misses",
        "expired_keys",
        "evicted_keys",
        "db0",
    ];
    let text = String::from_utf8_lossy(text);
    let mut kept = String::new();
    let mut section = None;
    for line in text.lines() {
        let name = line.split_once(':').map_or("", |(name, _)| name);
        if line.starts_with('#') {
            section = Some(line);
        } else if KEPT.contains(&name) {
            for line in section.take().into_iter().chain([line]) {
                kept.push_str(line);
                kept.push_str("\r\n");
            }
        }
    }
    kept.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Words {
        text.split(' ').map(|word| Bytes::copy_from_slice(word.as_bytes())).collect()
    }

    fn refusal(text: &str, access: Access) -> Option<String> {
        prepare(words(text), access, &Scripts::default()).err()
    }

    #[test]
    fn what_needs_a_connection_of_its_own_is_not_for_rest() {
        for command in [
            "SUBSCRIBE c",
            "blpop k 0",
            "WATCH k",
            "multi",
            "SELECT 0",
            "XREAD block 0 STREAMS s 0",
        ] {
            let name = command.split(' ').next().unwrap().to_uppercase();
            assert_eq!(
                refusal(command, Access::Full).unwrap(),
                format!(
                    "ERR Command \"{name}\" is not allowed in REST or it has a special context path"
                ),
            );
        }
        assert_eq!(refusal("XREAD STREAMS BLOCK 0", Access::Full), None, "a stream of that name");
    }

    #[test]
    fn what_the_service_does_not_have_is_not_available() {
        for command in ["CONFIG GET *", "nope", "SSUBSCRIBE c", "MEMORY STATS", "OBJECT ENCODING k"]
        {
            let name = command.split(' ').next().unwrap();
            let text = refusal(command, Access::Full).unwrap();
            assert!(text.starts_with(&format!("ERR Command is not available: '{name}'. See ")));
        }
        assert_eq!(refusal("", Access::Full).unwrap(), "ERR empty command");
    }

    #[test]
    fn a_read_only_token_reads() {
        for command in ["GET k", "mget a b", "PING", "EVAL_RO s 0", "DBSIZE"] {
            assert_eq!(refusal(command, Access::ReadOnly), None, "{command}");
        }
        for command in ["SET k v", "del k", "SCAN 0", "KEYS *", "EVAL s 0", "PUBLISH c m"] {
            let name = command.split(' ').next().unwrap().to_lowercase();
            let text = refusal(command, Access::ReadOnly).unwrap();
            assert!(text.starts_with("NOPERM this user has no permissions to run the '"), "{text}");
            assert!(text.contains(&format!("'{name}' command or its subcommand")), "{text}");
            assert_eq!(refusal(command, Access::Full), None, "{command}");
        }
    }

    #[test]
    fn info_shows_a_part() {
        let text = "# Server\r\nredis_version:7\r\nos:Linux\r\n\r\n# CPU\r\nused_cpu_sys:1\r\n";
        assert_eq!(some_of_info(text.as_bytes()), "# Server\r\nredis_version:7\r\n");
    }
}
