//! Addresses of servers that speak Redis, as a URL or in parts.

use percent_encoding::percent_decode_str;
use secrecy::SecretString;
use url::Url;

use crate::settings::faults::Faults;

/// The port where none is given.
pub(super) const DEFAULT_PORT: u16 = 6379;

const FORM: &str = "is not of the form rediss://user:password@host:port; characters such as / # ? % \
                    in a password are written percent-encoded";

/// What the text of a URL says.
#[derive(Debug)]
pub(super) struct Address {
    /// The host and port, and those of `?node=`.
    pub(super) seeds: Vec<(String, u16)>,
    pub(super) is_encrypted: bool,
    /// Whether the scheme says that it is a cluster.
    pub(super) is_cluster: bool,
    pub(super) username: Option<String>,
    pub(super) password: Option<SecretString>,
}

/// Reads the URL in the variable `name`.
pub(super) fn parse(name: &str, text: &str, faults: &mut Faults) -> Option<Address> {
    match read(text) {
        Ok(address) => Some(address),
        Err(problem) => {
            faults.add(name, problem);
            None
        }
    }
}

fn read(text: &str) -> Result<Address, &'static str> {
    let url = Url::parse(text).map_err(|_| FORM)?;
    let (is_encrypted, is_cluster) = match url.scheme() {
        "redis" => (false, false),
        "rediss" => (true, false),
        "redis-cluster" => (false, true),
        "rediss-cluster" => (true, true),
        "http" | "https" => {
            return Err("is a REST address; set UPSTASH_REDIS_REST_URL to it, with the token in \
                        UPSTASH_REDIS_REST_TOKEN, and REDIS_PROVIDER=upstash");
        }
        _ => return Err(FORM),
    };
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or(FORM)?;
    match url.path() {
        "" | "/" | "/0" => {}
        path if path.strip_prefix('/').is_some_and(|rest| rest.parse::<u32>().is_ok()) => {
            return Err("names a numbered database; remove the number, clusters have only 0");
        }
        _ => return Err(FORM),
    }
    if url.fragment().is_some() {
        return Err(FORM);
    }
    let port = url.port().unwrap_or(DEFAULT_PORT);
    if port == 0 {
        return Err(FORM);
    }
    let mut seeds = vec![(bare(host), port)];
    for (parameter, value) in url.query_pairs() {
        if parameter != "node" {
            return Err("has a parameter that is not node=host:port; remove it");
        }
        seeds.push(seed(&value).ok_or("has a node that is not host:port; write ?node=host:port")?);
    }
    Ok(Address {
        seeds,
        is_encrypted,
        is_cluster,
        username: Some(decoded(url.username())?).filter(|name| !name.is_empty()),
        password: url.password().map(decoded).transpose()?.map(SecretString::from),
    })
}

fn decoded(part: &str) -> Result<String, &'static str> {
    percent_decode_str(part).decode_utf8().map(Into::into).map_err(|_| FORM)
}

/// `host:port`; IPv6 addresses in brackets.
fn seed(text: &str) -> Option<(String, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let is_host = !host.is_empty() && (!host.contains(':') || host.starts_with('['));
    Some((bare(host), port.parse().ok().filter(|port| *port > 0)?)).filter(|_| is_host)
}

/// A host without the brackets that a URL puts around an IPv6 address.
fn bare(host: &str) -> String {
    host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host).to_owned()
}

/// Whether a host is this machine.
pub(super) fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host.ends_with(".localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn every_scheme_says_what_it_is() {
        for (text, is_encrypted, is_cluster) in [
            ("redis://cache", false, false),
            ("rediss://cache/", true, false),
            ("redis-cluster://cache/0", false, true),
            ("rediss-cluster://cache:6379", true, true),
        ] {
            let address = read(text).unwrap();
            assert_eq!((address.is_encrypted, address.is_cluster), (is_encrypted, is_cluster));
            assert_eq!(address.seeds, [("cache".to_owned(), 6379)], "{text}");
        }
    }

    #[test]
    fn credentials_are_decoded_and_seeds_are_added() {
        let address = read("rediss://app:p%40ss@a:7000?node=b:7001&node=[::1]:7002").unwrap();
        assert_eq!(address.username.as_deref(), Some("app"));
        assert_eq!(address.password.unwrap().expose_secret(), "p@ss");
        let seeds = [("a", 7000), ("b", 7001), ("::1", 7002)];
        assert_eq!(address.seeds, seeds.map(|(host, port)| (host.to_owned(), port)));
        let without_user = read("rediss://:token@cache").unwrap();
        assert_eq!((without_user.username, without_user.password.is_some()), (None, true));
        assert_eq!(read("redis://[::1]:1").unwrap().seeds, [("::1".to_owned(), 1)]);
    }

    #[test]
    fn what_is_no_address_says_what_to_do() {
        for (text, remedy) in [
            ("cache:6379", "rediss://"),
            ("cache", "rediss://"),
            ("rediss://", "rediss://"),
            ("rediss://user:pa/ss@cache", "percent-encoded"),
            ("rediss://cache:99999", "rediss://"),
            ("rediss://cache/name", "rediss://"),
            ("rediss://cache/2", "remove the number"),
            ("rediss://cache#1", "percent-encoded"),
            ("rediss://cache?db=1", "remove it"),
            ("rediss://cache?node=b", "?node=host:port"),
            ("rediss://cache?node=::1:7002", "?node=host:port"),
            ("rediss://cache?node=b:0", "?node=host:port"),
            ("https://eu1-x.upstash.io", "UPSTASH_REDIS_REST_URL"),
        ] {
            let problem = read(text).unwrap_err();
            assert!(problem.contains(remedy), "{text}: {problem}");
        }
    }

    #[test]
    fn this_machine_is_known_by_all_its_names() {
        for host in ["localhost", "redis.localhost", "127.0.0.1", "127.1.2.3", "::1"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["localhost.example.com", "10.0.0.1", "::2", "cache"] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
