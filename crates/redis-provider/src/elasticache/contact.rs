//! The first word with a server: whether it is one of a cluster, and what the cluster looks like.

use std::net::SocketAddr;
use std::time::Duration;

use fred::clients::Client;
use fred::error::{Error, ErrorKind};
use fred::interfaces::ClientLike;
use fred::types::config::Server;
use fred::types::{CustomCommand, InfoKind, Value};
use futures_util::{StreamExt, stream};
use rand::seq::SliceRandom;

use super::connection::{connect_client, say_goodbye};
use super::diagnosis::{self, Trouble};
use super::errors::is_reply;
use super::settings::{Address, ClusterMode, Plan};
use super::topology::Topology;
use super::values::optional_bytes;
use crate::misconfiguration::Misconfiguration;

/// Servers that are asked at once.
const AT_ONCE: usize = 4;
/// Most addresses that names may stand for.
const MOST_ADDRESSES: usize = 32;

/// What a server turned out to be.
pub(super) enum Found {
    Single(Address),
    Cluster(Topology),
}

/// Asks the seeds, whose names are resolved anew, until one gives a good answer. With
/// `is_start`, time is taken to find out what is wrong with one that does not.
pub(super) async fn discover(plan: &Plan, is_start: bool) -> Result<Found, Trouble> {
    let mut trouble = Trouble::Away("the names of the servers cannot be resolved".to_owned());
    let attempts = resolve(plan).await.into_iter();
    let attempts = attempts.map(|(at, seed)| attempt(plan, at, seed, is_start));
    let mut attempts = stream::iter(attempts).buffer_unordered(AT_ONCE);
    while let Some(result) = attempts.next().await {
        match result {
            Ok(found) => return Ok(found),
            Err(wrong @ Trouble::Wrong(_)) => trouble = wrong,
            Err(away) if matches!(trouble, Trouble::Away(_)) => trouble = away,
            Err(_) => {}
        }
    }
    Err(trouble)
}

/// A configuration endpoint stands for all nodes; asking them in any order spreads the load, and
/// does not begin with the same dead one each time.
async fn resolve(plan: &Plan) -> Vec<(SocketAddr, Address)> {
    let mut addresses = Vec::new();
    for seed in &plan.seeds {
        let looking = tokio::net::lookup_host((&*seed.host, seed.port));
        match tokio::time::timeout(plan.connect_timeout, looking).await {
            Ok(Ok(found)) => addresses.extend(found.map(|at| (at, seed.clone()))),
            Ok(Err(error)) => tracing::debug!(%seed, %error, "cannot resolve"),
            Err(_) => tracing::debug!(%seed, "resolving took too long"),
        }
    }
    addresses.shuffle(&mut rand::rng());
    addresses.truncate(MOST_ADDRESSES);
    addresses
}

async fn attempt(
    plan: &Plan,
    at: SocketAddr,
    seed: Address,
    is_start: bool,
) -> Result<Found, Trouble> {
    let looking = look(plan, at, seed);
    if !is_start {
        return looking.await.map_err(LookError::into_trouble);
    }
    let mut looking = std::pin::pin!(looking);
    // A server that waits for the rest of what it takes for a line never answers: do not wait for
    // it with the whole time that there is.
    let patience = plan.connect_timeout / 4;
    let probe = |found| async move {
        match tokio::time::timeout(patience, diagnosis::probe(plan, at)).await {
            Ok(Some(wrong)) => Some(Trouble::Wrong(wrong)),
            Ok(None) | Err(_) => found,
        }
    };
    let looked = tokio::time::timeout(patience, &mut looking).await;
    let looked = match looked {
        Ok(looked) => looked,
        Err(_) => match probe(None).await {
            Some(wrong) => return Err(wrong),
            None => looking.await,
        },
    };
    match looked {
        Ok(found) => Ok(found),
        Err(error) => match error.into_trouble() {
            wrong @ Trouble::Wrong(_) => Err(wrong),
            away @ Trouble::Away(_) => Err(probe(None).await.unwrap_or(away)),
        },
    }
}

/// Why there is no answer that can be used.
enum LookError {
    Client(Error),
    Wrong(Misconfiguration),
    Nonsense(String),
}

impl LookError {
    fn into_trouble(self) -> Trouble {
        match self {
            Self::Client(error) => diagnosis::trouble(&error),
            Self::Wrong(wrong) => Trouble::Wrong(wrong),
            Self::Nonsense(text) => Trouble::Away(text),
        }
    }
}

async fn look(plan: &Plan, at: SocketAddr, seed: Address) -> Result<Found, LookError> {
    // By its address, and by its name for its certificate.
    let name = plan.tls.is_some().then(|| seed.host.to_string());
    let server = Server::new_with_tls(at.ip().to_string(), at.port(), name);
    let connection = connect_client(plan, server).await.map_err(LookError::Client)?;
    let limit = plan.connect_timeout;
    let found = match tokio::time::timeout(limit, ask(&connection.client, plan, seed)).await {
        Ok(found) => found,
        Err(_) => Err(LookError::Client(Error::new(ErrorKind::Timeout, "no answer in time"))),
    };
    if found.is_ok() {
        say_goodbye(&connection.client).await;
    }
    found
}

/// The question for the map of the cluster.
pub(super) fn cluster_slots() -> (CustomCommand, Vec<&'static str>) {
    (CustomCommand::new_static("CLUSTER", None, false), vec!["SLOTS"])
}

async fn ask(client: &Client, plan: &Plan, seed: Address) -> Result<Found, LookError> {
    let (command, arguments) = cluster_slots();
    let answer = client.custom::<Value, _>(command, arguments).await;
    let is_single = match answer {
        Ok(answer) if plan.mode != ClusterMode::Single => {
            let topology = Topology::parse(answer, &seed);
            let topology = topology.map_err(|error| LookError::Nonsense(error.to_string()))?;
            return Ok(Found::Cluster(topology));
        }
        Ok(_) => false,
        Err(error) if error.details().contains("cluster support disabled") => true,
        Err(error) if is_reply(&error) => is_single_by_info(client, plan, &error).await?,
        Err(error) => return Err(LookError::Client(error)),
    };
    match (is_single, plan.mode) {
        (true, ClusterMode::Cluster) => Err(LookError::Wrong(Misconfiguration::NotACluster)),
        (true, _) => Ok(Found::Single(seed)),
        (false, ClusterMode::Single) => Err(LookError::Wrong(Misconfiguration::UnexpectedCluster)),
        (false, _) => Err(LookError::Wrong(diagnosis::missing_right("CLUSTER SLOTS"))),
    }
}

/// A user that may not ask for the map may still be allowed to ask whether there is one.
async fn is_single_by_info(
    client: &Client,
    plan: &Plan,
    refusal: &Error,
) -> Result<bool, LookError> {
    let answer = match client.info::<Value>(Some(InfoKind::Cluster)).await {
        Err(error) if !is_reply(&error) => return Err(LookError::Client(error)),
        Err(_) => None,
        Ok(answer) => optional_bytes(answer, "INFO").ok().flatten(),
    };
    let text = String::from_utf8_lossy(answer.as_deref().unwrap_or_default()).into_owned();
    if text.contains("cluster_enabled:1") {
        return Ok(false);
    }
    if text.contains("cluster_enabled:0") || plan.mode == ClusterMode::Single {
        return Ok(true);
    }
    match diagnosis::trouble(refusal) {
        Trouble::Wrong(wrong) => Err(LookError::Wrong(wrong)),
        Trouble::Away(text) => Err(LookError::Nonsense(text)),
    }
}

/// How long a node may take to tell the map.
pub(super) fn map_limit(plan: &Plan) -> Duration {
    plan.command_timeout.max(Duration::from_millis(250)).min(plan.connect_timeout)
}
