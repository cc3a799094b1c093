//! The command line of `cargo xtask up`.

use crate::failure::{Failure, Outcome};

/// Which Redis the portal gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum RedisMode {
    /// None: the provider in its own process.
    #[default]
    Memory,
    /// A private redis-server.
    Single,
    /// A private Redis Cluster with TLS and ACL users.
    Cluster,
    /// Upstash, or the local imitation of it.
    Upstash,
}

impl RedisMode {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "memory" => Some(Self::Memory),
            "single" => Some(Self::Single),
            "cluster" => Some(Self::Cluster),
            "upstash" => Some(Self::Upstash),
            _ => None,
        }
    }
}

/// What the command line asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Options {
    pub(super) reset: bool,
    pub(super) release: bool,
    pub(super) load: bool,
    pub(super) redis: RedisMode,
    pub(super) port: Option<u16>,
}

impl Options {
    pub(crate) fn parse(arguments: &[String]) -> Outcome<Self> {
        let mut options = Self::default();
        let mut arguments = arguments.iter().flat_map(|argument| argument.splitn(2, '='));
        while let Some(argument) = arguments.next() {
            match argument {
                "--reset" => options.reset = true,
                "--release" => options.release = true,
                "--load" => options.load = true,
                "--redis" => {
                    options.redis =
                        arguments.next().and_then(RedisMode::parse).ok_or_else(|| {
                            Failure::new("--redis is one of memory, single, cluster, upstash")
                        })?;
                }
                "--port" => {
                    let port = arguments.next().and_then(|port| port.parse().ok());
                    options.port =
                        Some(port.filter(|port| *port > 0).ok_or_else(|| {
                            Failure::new("--port needs a number from 1 to 65535")
                        })?);
                }
                other => {
                    return Err(Failure::new(format!("`up` does not know `{other}`"))
                        .advise("`cargo xtask help` lists what it knows"));
                }
            }
        }
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Outcome<Options> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Options::parse(&words)
    }

    #[test]
    fn options_are_understood_in_both_spellings() {
        assert_eq!(parse("").unwrap(), Options::default());
        let all = Options {
            reset: true,
            release: true,
            load: true,
            redis: RedisMode::Single,
            port: Some(9000),
        };
        assert_eq!(parse("--reset --release --load --redis single --port 9000").unwrap(), all);
        assert_eq!(parse("--load --release --port=9000 --redis=single --reset").unwrap(), all);
    }

    #[test]
    fn every_redis_has_its_word() {
        let modes = [
            ("memory", RedisMode::Memory),
            ("single", RedisMode::Single),
            ("cluster", RedisMode::Cluster),
            ("upstash", RedisMode::Upstash),
        ];
        for (word, redis) in modes {
            let expected = Options { redis, ..Options::default() };
            assert_eq!(parse(&format!("--redis {word}")).unwrap(), expected);
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for line in
            ["--port", "--port 0", "--port 70000", "--redis sentinel", "--redis", "--fast", "x"]
        {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
