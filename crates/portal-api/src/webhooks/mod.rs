//! `/api/webhooks`: where a tenant's own systems hear of its events.
//!
//! For owners and admins. A secret is in the answer that makes it and nowhere else; addresses are
//! checked here as far as that can be done without asking anybody, and again whenever something is
//! sent.

mod body;
pub(crate) mod deliveries;
pub(crate) mod endpoints;
mod view;

use std::time::Duration;

use actix_web::HttpRequest;
use employer_store::TenantTx;
use employer_store::webhooks::{self as store, Endpoint};
use event_notifier::webhooks::{AddressRules, Secret, WebhookHandle, WebhookVault};
use serde_json::{Map, Value};
use tenancy::{TenantScope, WebhookId};
use uuid::Uuid;

use crate::auth::{Authorized, WebhooksManage};
use crate::error::{ApiError, ErrorCode, Faults};
use crate::extract::IdempotencyKey;
use crate::jobs::fields::Fields;
use crate::writes::Attempt;

/// What the routes of webhooks work with.
#[derive(Clone, Debug)]
pub struct Webhooks {
    /// Wakes the worker that sends, and knows what it did.
    pub worker: WebhookHandle,
    /// Seals secrets.
    pub vault: WebhookVault,
    /// Which addresses may be endpoints.
    pub rules: AddressRules,
    /// Most endpoints of one tenant.
    pub per_tenant: u32,
    /// How long messages are signed with a replaced secret as well.
    pub overlap: Duration,
}

impl Webhooks {
    /// A new secret, and the same sealed for its endpoint.
    fn make_secret(
        &self,
        scope: &TenantScope,
        id: WebhookId,
    ) -> Result<(Secret, Vec<u8>), ApiError> {
        let secret = Secret::generate()
            .ok_or_else(|| ApiError::unavailable("the operating system has no randomness"))?;
        let sealed = self.vault.seal(scope.tenant(), id, &secret).map_err(ApiError::internal)?;
        Ok((secret, sealed))
    }
}

/// A change that is not repeated for an `Idempotency-Key`: its answer may hold a secret, and what
/// is asked for twice is a ping or an attempt too many.
fn attempt<'a>(access: &'a Authorized<WebhooksManage>, request: &HttpRequest) -> Attempt<'a> {
    Attempt {
        scope: &access.scope,
        actor: &access.actor,
        route: format!("{} {}", request.method(), request.path()),
        key: const { &IdempotencyKey(None) },
        digest: [0; 32],
    }
}

async fn endpoint(tx: &mut TenantTx, id: WebhookId) -> Result<Endpoint, ApiError> {
    store::find(tx, id).await?.ok_or_else(ApiError::not_found)
}

/// The delivery that the path names; text that is no id names none.
fn event_of_path(request: &HttpRequest) -> Result<Uuid, ApiError> {
    let text = request.match_info().get("delivery").unwrap_or_default();
    let id = Uuid::try_parse(text).ok().filter(|id| id.hyphenated().to_string() == text);
    id.ok_or_else(ApiError::not_found)
}

/// Refuses a body that says anything.
fn no_fields(body: &Map<String, Value>) -> Result<(), ApiError> {
    let mut faults = Faults::default();
    Fields::of_body(body).refuse_others(&[], &[], &mut faults);
    if faults.is_empty() { Ok(()) } else { Err(body::refused(faults)) }
}

fn endpoint_off() -> ApiError {
    ApiError::new(ErrorCode::Conflict, "The webhook is not enabled. Enable it first.")
}
