//! The life of one connection of the client library: begun, signed in again, ended.

use std::time::Duration;

use fred::clients::Client;
use fred::error::{Error, ErrorKind};
use fred::interfaces::ClientLike;
use fred::types::config::Server;
use fred::types::{ConnectHandle, CustomCommand, Value};
use secrecy::ExposeSecret;
use tokio_util::task::AbortOnDropHandle;

use super::settings::Plan;

/// The longest that saying goodbye may take.
const GOODBYE: Duration = Duration::from_millis(500);
/// How long to wait after credentials could not be renewed.
const RENEWAL_PAUSE: Duration = Duration::from_secs(5);

/// What runs a connection; it ends with this.
pub(super) type Running = AbortOnDropHandle<Result<(), Error>>;

/// A client, what runs it, and when its credentials want renewal.
pub(super) struct Connection<C> {
    pub(super) client: C,
    pub(super) running: Running,
    pub(super) renew_after: Option<Duration>,
}

/// Connects and signs in, within the connect timeout.
pub(super) async fn connect<C: ClientLike>(
    plan: &Plan,
    server: Server,
    new: impl FnOnce(fred::types::config::Config) -> C,
) -> Result<Connection<C>, Error> {
    let connecting = async {
        let login = plan.credentials.fetch().await;
        let login = login.map_err(|error| Error::new(ErrorKind::Auth, error.to_string()))?;
        let client = new(plan.config(server, login.as_ref()));
        let running = establish(&client).await?;
        let renew_after = login.and_then(|login| login.refresh_after);
        Ok(Connection { client, running, renew_after })
    };
    match tokio::time::timeout(plan.connect_timeout, connecting).await {
        Ok(connected) => connected,
        Err(_) => Err(Error::new(ErrorKind::Timeout, "connecting took too long")),
    }
}

/// A client for commands.
pub(super) async fn connect_client(
    plan: &Plan,
    server: Server,
) -> Result<Connection<Client>, Error> {
    let new = |config| Client::new(config, Some(plan.performance()), Some(plan.connection()), None);
    connect(plan, server, new).await
}

async fn establish<C: ClientLike>(client: &C) -> Result<Running, Error> {
    let handle: ConnectHandle = client.connect();
    let mut running = AbortOnDropHandle::new(handle);
    let connected = async {
        // The library's own wait can miss an event that comes while it begins to wait.
        while !client.is_connected() {
            let slice = Duration::from_millis(20);
            if let Ok(result) = tokio::time::timeout(slice, client.wait_for_connect()).await {
                return result;
            }
        }
        Ok(())
    };
    tokio::select! {
        connected = connected => connected?,
        ended = &mut running => match ended {
            Ok(Err(error)) => return Err(error),
            Ok(Ok(())) | Err(_) => return Err(Error::new(ErrorKind::IO, "closed")),
        },
    }
    Ok(running)
}

/// Signs in again whenever the credentials want it, for as long as it is polled. Where the server
/// refuses the new ones, the library ends the connection, and the next one asks anew.
pub(super) async fn renew<C: ClientLike>(client: &C, plan: &Plan, first: Option<Duration>) {
    let mut wait = first;
    loop {
        let Some(pause) = wait else { return std::future::pending().await };
        tokio::time::sleep(pause).await;
        wait = match sign_in(client, plan).await {
            Ok(next) => next,
            Err(reason) => {
                tracing::warn!(reason, "cannot renew the credentials of a Redis connection");
                Some(RENEWAL_PAUSE)
            }
        };
    }
}

async fn sign_in<C: ClientLike>(client: &C, plan: &Plan) -> Result<Option<Duration>, String> {
    let login = plan.credentials.fetch().await.map_err(|error| error.to_string())?;
    let Some(login) = login else { return Ok(None) };
    let arguments = vec![login.username.as_str(), login.password.expose_secret()];
    let command = CustomCommand::new_static("AUTH", None, false);
    let answer = client.custom::<Value, _>(command, arguments).await;
    answer.map_err(|error| error.to_string())?;
    Ok(login.refresh_after)
}

pub(super) async fn say_goodbye<C: ClientLike>(client: &C) {
    // The connection is dropped right afterwards, whatever the server says.
    let _said_or_not = tokio::time::timeout(GOODBYE, client.quit()).await;
}
