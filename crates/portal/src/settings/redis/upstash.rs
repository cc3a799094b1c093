//! Upstash, spoken to over REST.

use std::time::Duration;

use redis_provider::UpstashSettings;
use url::Url;

use super::{Inside, RedisTuning, SERVERS, Service, pasted};
use crate::settings::faults::Faults;
use crate::settings::variables::Variables;
use crate::settings::{Environment, is_loopback};

/// The variables of the address; Vercel's integration sets the second one.
pub(super) const URLS: [&str; 2] = ["UPSTASH_REDIS_REST_URL", "KV_REST_API_URL"];
/// The variables of the token, in the same order.
const TOKENS: [&str; 2] = ["UPSTASH_REDIS_REST_TOKEN", "KV_REST_API_TOKEN"];

/// Which variables said what, for messages about it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UpstashOrigins {
    /// Says where the database is.
    pub(crate) address: &'static str,
    /// Holds the token.
    pub(crate) token: &'static str,
}

pub(super) fn read(
    variables: &Variables,
    environment: Environment,
    tuning: Option<&RedisTuning>,
    faults: &mut Faults,
) -> Option<Service> {
    // Address and token are of one database, so they are taken from one pair.
    let [(url, token), vercel] = [(URLS[0], TOKENS[0]), (URLS[1], TOKENS[1])];
    let (address, token) =
        if !variables.is_set(url) && variables.is_set(vercel.0) { vercel } else { (url, token) };
    let origins = UpstashOrigins { address, token };
    let url = pasted::find(variables, address, Inside::NoSpace, faults)
        .or_else(|| {
            let has_server = SERVERS.iter().any(|name| variables.is_set(name));
            let hint = if has_server {
                "; for the server that is set, REDIS_PROVIDER=elasticache"
            } else {
                ""
            };
            faults.missing(address, &format!("the REST address of the database, https://…{hint}"))
        })
        .and_then(|text| parse_url(address, &text, environment, faults));
    let token = pasted::find_secret(variables, token, Inside::NoSpace, faults)
        .or_else(|| faults.missing(token, "the REST token of the database"));
    let tuning = tuning?;
    let settings = UpstashSettings {
        url: url?,
        token: token?,
        connect_timeout: Duration::from_millis(tuning.connect_timeout_ms),
        command_timeout: Duration::from_millis(tuning.command_timeout_ms),
        batch_window: Duration::from_micros(tuning.batch_window_us),
        batch_commands: tuning.batch_commands,
        batch_bytes: tuning.batch_bytes,
        silence_limit: Duration::from_millis(tuning.upstash_silence_ms),
    };
    Some(Service::Upstash(settings, origins))
}

fn parse_url(name: &str, text: &str, environment: Environment, faults: &mut Faults) -> Option<Url> {
    let problem = match Url::parse(text) {
        Err(_) => "is not a URL; it is the REST address of the database: https://…",
        Ok(url) if url.scheme().starts_with("redis") => {
            "is a Redis address; take the REST address (https://…), or set REDIS_URL to this one \
             with REDIS_PROVIDER=elasticache"
        }
        Ok(url)
            if url.scheme() == "http" && !(environment.is_development() && is_loopback(&url)) =>
        {
            "must begin with https:// (plain http only in development, on loopback)"
        }
        Ok(url) if !matches!(url.scheme(), "http" | "https") => {
            "must begin with https://; it is the REST address of the database"
        }
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            "carries credentials; remove them, the token has a variable of its own"
        }
        Ok(url) if url.path() != "/" || url.query().is_some() || url.fragment().is_some() => {
            "has something after the host; keep scheme, host and port"
        }
        Ok(url) => return Some(url),
    };
    faults.add(name, problem);
    None
}
