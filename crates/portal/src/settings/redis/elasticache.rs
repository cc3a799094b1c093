//! A server or a cluster that speaks Redis: its address, its encryption, who we are there.

use std::path::PathBuf;
use std::time::Duration;

use redis_provider::{ClusterMode, ElastiCacheSettings, Messages, TlsSettings};

use super::address::{self, Address, DEFAULT_PORT, is_loopback};
use super::credentials::{self, Login};
use super::{Inside, RedisTuning, Service, pasted, upstash};
use crate::settings::Environment;
use crate::settings::faults::Faults;
use crate::settings::tuning::MessageKind;
use crate::settings::variables::Variables;

const TLS: &str = "REDIS_TLS";
const CLUSTER: &str = "REDIS_CLUSTER";
const AUTHORITY: &str = "REDIS_TLS_CA_FILE";

/// Which variables said what, for messages about it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ElastiCacheOrigins {
    /// Says where the server is.
    pub(crate) address: &'static str,
    /// Says whether the connection is encrypted.
    pub(crate) encryption: &'static str,
    /// Says whether it is a cluster.
    pub(crate) cluster: &'static str,
    /// Says who we are.
    pub(crate) login: Login,
    /// Whether [`AUTHORITY`] is set.
    pub(crate) has_authority: bool,
}

/// An address, and the variables that gave it.
struct Found {
    address: Address,
    source: &'static str,
    encryption: &'static str,
}

pub(super) fn read(
    variables: &Variables,
    environment: Environment,
    tuning: Option<&RedisTuning>,
    faults: &mut Faults,
) -> Option<Service> {
    let mode = read_mode(variables, faults);
    let authorities = read_authorities(variables, faults);
    let Found { mut address, source, encryption } = find_address(variables, faults)?;
    let from_url = (address.username.take(), address.password.take());
    let login = credentials::read(variables, source, from_url, faults);
    let is_on_loopback = address.seeds.iter().all(|(host, _)| is_loopback(host));
    let may_be_plain = environment.is_development() && is_on_loopback;
    if !address.is_encrypted && !may_be_plain {
        let remedy = if encryption == TLS { "set it to true" } else { "write rediss://" };
        faults.add(
            encryption,
            format!("must ask for TLS: {remedy} (plain text only in development, on loopback)"),
        );
    }
    let mode = match (mode?, address.is_cluster) {
        (ClusterMode::Single, true) => {
            faults.add(CLUSTER, format!("is false, and {source} says cluster; remove one of them"));
            return None;
        }
        (ClusterMode::Detect, true) => ClusterMode::Cluster,
        (mode, _) => mode,
    };
    let (credentials, login) = login?;
    if login == Login::Iam && !address.is_encrypted {
        faults.add(encryption, "must ask for TLS: IAM tokens are only taken over TLS");
        return None;
    }
    let origins = ElastiCacheOrigins {
        address: source,
        encryption,
        cluster: if address.is_cluster { source } else { CLUSTER },
        login,
        has_authority: authorities.is_some(),
    };
    let tuning = tuning?;
    let settings = ElastiCacheSettings {
        seeds: address.seeds,
        mode,
        credentials,
        tls: address.is_encrypted.then_some(TlsSettings { authorities }),
        connections: tuning.connections,
        scan_replicas: tuning.scan_replicas,
        messages: match tuning.messages {
            MessageKind::Classic => Messages::Classic,
            MessageKind::Sharded => Messages::Sharded,
        },
        connect_timeout: Duration::from_millis(tuning.connect_timeout_ms),
        command_timeout: Duration::from_millis(tuning.command_timeout_ms),
    };
    Some(Service::ElastiCache(settings, origins))
}

fn find_address(variables: &Variables, faults: &mut Faults) -> Option<Found> {
    let wants_tls = read_switch(variables, TLS, faults);
    let url = ["REDIS_URL", "REDIS_PRIVATE_URL"].into_iter().find(|name| variables.is_set(name));
    let Some(source) = url else {
        let address = address_of_parts(variables, wants_tls?, faults)?;
        return Some(Found { address, source: "REDIS_HOST", encryption: TLS });
    };
    let text = pasted::find(variables, source, Inside::NoSpace, faults)?;
    let address = address::parse(source, &text, faults)?;
    match (wants_tls?, address.is_encrypted) {
        (Some(true), false) => {
            faults.add(source, "begins with redis://, and REDIS_TLS is true; write rediss://");
            None
        }
        (Some(false), true) => {
            faults.add(TLS, format!("is false, and {source} begins with rediss://; remove it"));
            None
        }
        _ => Some(Found { address, source, encryption: source }),
    }
}

fn address_of_parts(
    variables: &Variables,
    wants_tls: Option<bool>,
    faults: &mut Faults,
) -> Option<Address> {
    const NAME: &str = "REDIS_HOST";
    let host = pasted::find(variables, NAME, Inside::NoSpace, faults).or_else(|| {
        let has_upstash = upstash::URLS.iter().any(|name| variables.is_set(name));
        let hint =
            if has_upstash { "; for the Upstash that is set, REDIS_PROVIDER=upstash" } else { "" };
        let meaning =
            format!("the server's host name; or set REDIS_URL=rediss://user:password@host{hint}");
        faults.missing(NAME, &meaning)
    });
    let port = match pasted::find(variables, "REDIS_PORT", Inside::NoSpace, faults) {
        None => Some(DEFAULT_PORT),
        Some(text) => match text.parse() {
            Ok(port) if port > 0 => Some(port),
            _ => {
                faults.add("REDIS_PORT", "is not a port number, such as 6379");
                None
            }
        },
    };
    let host = host?;
    if host.contains("://") {
        faults.add(NAME, "is a URL; set REDIS_URL to it, or only the host's name here");
        return None;
    }
    let is_name = |c: char| c.is_ascii_alphanumeric() || "-._:".contains(c);
    if !host.chars().all(is_name)
        || (host.contains(':') && host.parse::<std::net::Ipv6Addr>().is_err())
    {
        faults.add(NAME, "is not a host name alone; the port goes into REDIS_PORT");
        return None;
    }
    Some(Address {
        seeds: vec![(host, port?)],
        is_encrypted: wants_tls.unwrap_or(false),
        is_cluster: false,
        username: None,
        password: None,
    })
}

fn read_mode(variables: &Variables, faults: &mut Faults) -> Option<ClusterMode> {
    if variables.find(CLUSTER) == Some("auto") {
        return Some(ClusterMode::Detect);
    }
    match switch(variables, CLUSTER) {
        Ok(None) => Some(ClusterMode::Detect),
        Ok(Some(true)) => Some(ClusterMode::Cluster),
        Ok(Some(false)) => Some(ClusterMode::Single),
        Err(()) => {
            faults.add(CLUSTER, "is not one of auto, true, false; set it to one or remove it");
            None
        }
    }
}

/// A file that cannot be read is noticed here, where its variable's name is known.
fn read_authorities(variables: &Variables, faults: &mut Faults) -> Option<PathBuf> {
    let path = PathBuf::from(pasted::find(variables, AUTHORITY, Inside::Anything, faults)?);
    match std::fs::read(&path) {
        Ok(text) if text.windows(10).any(|part| part == b"-----BEGIN") => Some(path),
        Ok(_) => {
            faults.add(AUTHORITY, "names a file without certificates in PEM");
            None
        }
        Err(error) => {
            faults.add(AUTHORITY, format!("names a file that cannot be read: {error}"));
            None
        }
    }
}

/// A switch that may be absent; `None` where it is faulty.
#[expect(clippy::option_option, reason = "faulty, absent, on or off")]
pub(super) fn read_switch(
    variables: &Variables,
    name: &str,
    faults: &mut Faults,
) -> Option<Option<bool>> {
    switch(variables, name)
        .map_err(|()| faults.add(name, "is neither true nor false; set it to one or remove it"))
        .ok()
}

fn switch(variables: &Variables, name: &str) -> Result<Option<bool>, ()> {
    match variables.find(name).map(str::to_ascii_lowercase).as_deref() {
        None => Ok(None),
        Some("true" | "1" | "yes") => Ok(Some(true)),
        Some("false" | "0" | "no") => Ok(Some(false)),
        Some(_) => Err(()),
    }
}
