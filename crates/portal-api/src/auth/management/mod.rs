//! The portal as a client of Auth0's Management API: who belongs to an organization there, as what,
//! and who is invited.
//!
//! Used by changes to a team, by sign-ins and events whose role differs from ours, and by nothing
//! that happens at every request: its limits are small. Calls are bounded in time, size and number
//! ([`ManagementClient::permit`]); a 429 makes all callers of this process wait until the time that
//! it names.

mod calls;
mod error;
mod invitations;
mod members;
mod roles;
#[cfg(test)]
mod tests;
mod token;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Client;
use secrecy::SecretString;
use tenancy::Clock;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;
use url::Url;

pub use error::ManagementError;
pub(crate) use invitations::Invite;
pub(crate) use members::Place;

use super::oidc::OidcError;
use super::oidc::http as provider_http;
use calls::Gate;
use roles::RoleIds;
use token::Tokens;

/// Changes that may ask the identity provider at the same time: each holds a connection to the
/// database meanwhile.
const CONCURRENT: usize = 2;

/// How long a caller waits for its turn.
const TURN: Duration = Duration::from_secs(4);

/// How the portal reaches the Management API.
#[derive(Clone, Debug)]
pub struct ManagementSettings {
    /// The identity provider.
    pub issuer: Url,
    /// Who asks.
    pub client_id: String,
    /// The proof of it.
    pub client_secret: SecretString,
    /// The application that invited people sign in to: the portal's own client.
    pub application: String,
    /// How long one request may take, its body included.
    pub request_timeout: Duration,
}

/// The client. Shared by all workers of the process.
pub struct ManagementClient {
    settings: ManagementSettings,
    http: Client,
    clock: Arc<dyn Clock>,
    tokens: Tokens,
    gate: Gate,
    role_ids: RoleIds,
    turns: Semaphore,
}

impl ManagementClient {
    /// A client; does no I/O.
    pub fn new(settings: ManagementSettings, clock: Arc<dyn Clock>) -> Result<Self, OidcError> {
        Ok(Self {
            http: provider_http::client_of(&settings.issuer, settings.request_timeout)?,
            settings,
            clock,
            tokens: Tokens::default(),
            gate: Gate::default(),
            role_ids: RoleIds::default(),
            turns: Semaphore::new(CONCURRENT),
        })
    }

    /// Waits for a turn to change something. To be taken before a transaction is begun, so that a
    /// slow identity provider cannot take all connections to the database.
    pub(crate) async fn permit(&self) -> Result<SemaphorePermit<'_>, ManagementError> {
        match timeout(TURN, self.turns.acquire()).await {
            Ok(Ok(permit)) => Ok(permit),
            // The semaphore is never closed.
            Ok(Err(_)) | Err(_) => Err(ManagementError::Busy),
        }
    }
}

/// Without the secret.
impl fmt::Debug for ManagementClient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ManagementClient")
            .field("issuer", &self.settings.issuer.as_str())
            .finish_non_exhaustive()
    }
}
