//! An operator where members are.

use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::http::Method;
use employer_store::audit::{RequestOrigin, SecurityEvent};
use employer_store::operator::{Impersonated, find_impersonation};
use serde_json::json;
use session_store::SessionRecord;
use tenancy::{Actor, Authority, Permission, PermissionSet, Role};

use super::Platform;
use super::caller::digest_of;
use crate::audit::Sighting;
use crate::auth::{Principal, SignedIn, organization_of};
use crate::error::{ApiError, ErrorCode};
use crate::state::PortalState;

/// What operators have as themselves: their session, and the figures of the cache.
const OWN: [Permission; 3] =
    [Permission::SessionRead, Permission::SessionManage, Permission::CacheRead];

/// What they have as a member.
const READING: [Permission; 4] =
    [Permission::SessionRead, Permission::JobsRead, Permission::TeamRead, Permission::CacheRead];

/// Powers that would outlast the visit; no setting gives them.
const NEVER: [Permission; 3] =
    [Permission::SessionManage, Permission::TeamManage, Permission::ApiKeysManage];

/// Who an operator is in this request: themselves, or the member that they look as.
pub(crate) async fn principal_of(
    request: &HttpRequest,
    state: &PortalState,
    platform: &Platform,
    own: SignedIn,
) -> Result<Principal, ApiError> {
    let current = find_impersonation(&platform.db, digest_of(&own.session)).await?;
    // The session that began it is the operator's; a row of anybody else's would be damage.
    let current = current.filter(|current| current.operator == own.session.user);
    let Some(current) = current else {
        let actor = Actor::Operator { operator: own.session.user, member: None };
        // The role in the platform's organization makes no difference between its operators.
        let authority = Authority::of_person(Role::Admin, OWN.into_iter().collect());
        return Ok(Principal::guest(own, actor, authority));
    };
    let may_write = platform.impersonation_may_write;
    let member = Arc::new(record_of(&current, &own.session));
    let organization = organization_of(state, &member).await?.ok_or_else(ended)?;
    let actor = Actor::Operator { operator: current.operator, member: Some(current.user) };
    tell(request, state, &member, &actor, &current);
    if !is_safe(request.method()) && !may_write {
        let detail = "You look at the portal as a member does, and change nothing meanwhile.";
        return Err(ApiError::new(ErrorCode::Forbidden, detail));
    }
    let scopes: PermissionSet = if may_write {
        PermissionSet::all().iter().filter(|permission| !NEVER.contains(permission)).collect()
    } else {
        READING.into_iter().collect()
    };
    let authority = Authority::of_person(organization.role, scopes);
    let visit = SignedIn { session: member, organization, impersonation: Some(current) };
    Ok(Principal::guest(visit, actor, authority))
}

/// The operator's session as if the member had it, for as long as the visit lasts.
fn record_of(current: &Impersonated, own: &SessionRecord) -> SessionRecord {
    SessionRecord {
        user: current.user,
        tenant: current.tenant,
        org: current.org.clone(),
        subject: current.subject.clone(),
        name: current.name.clone(),
        email: current.email.clone(),
        absolute_expires_at: own.absolute_expires_at.min(current.ends_at),
        ..own.clone()
    }
}

/// Every request of a visit is a row in the trail of the tenant that is visited.
fn tell(
    request: &HttpRequest,
    state: &PortalState,
    member: &SessionRecord,
    actor: &Actor,
    current: &Impersonated,
) {
    let origin = RequestOrigin::current();
    let route = request.match_pattern().unwrap_or_default();
    state.audit.tell(Sighting {
        event: SecurityEvent::AuthzAdmin,
        tenant: Some(member.tenant),
        actor: actor.audit_name(),
        resource: format!("{} {route}", request.method()),
        result: "done",
        request_id: origin.map(|origin| origin.request_id),
        ip: origin.and_then(|origin| origin.ip),
        detail: json!({ "deed": "impersonated_request", "impersonation": current.id }),
    });
}

fn ended() -> ApiError {
    ApiError::new(ErrorCode::Forbidden, "The member does not belong to the organization any more.")
}

fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE)
}
