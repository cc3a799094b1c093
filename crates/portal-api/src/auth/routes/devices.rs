//! `/api/sessions`: where a person is signed in, and ending it.

use actix_web::{HttpRequest, HttpResponse, web};
use employer_store::sessions::{self, RevocationReason};
use serde::Serialize;
use tenancy::{Actor, TenantScope};
use time::{Duration, OffsetDateTime};
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::authorized::{Needs, SessionManage, SessionRead};
use super::super::principal::{Principal, SignedIn, unauthenticated};
use crate::error::{ApiError, Faults, Problem};
use crate::extract::{Pairs, refused_parameters};
use crate::state::PortalState;

/// Steps in which the time of the last use is told.
const LAST_SEEN_STEP: Duration = Duration::minutes(5);

/// Where the person is signed in.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DevicesAnswer {
    /// Newest first; 200 at most.
    sessions: Vec<DeviceAnswer>,
}

/// One browser.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeviceAnswer {
    /// What to end it by. It signs nobody in.
    handle: Uuid,
    /// Whether it is the one that asks.
    current: bool,
    /// When the person signed in there.
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    /// When it was last in use, in steps of five minutes.
    #[serde(with = "time::serde::rfc3339")]
    last_seen_at: OffsetDateTime,
    /// When it ends however busy it is.
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
    /// The family of the browser, where it is known.
    #[schema(example = "Firefox on Linux")]
    user_agent: Option<String>,
    /// The network that the person signed in from, where it is known.
    #[schema(example = "192.0.2.0/24")]
    address: Option<String>,
}

/// Lists where you are signed in
///
/// The browsers in which the person is signed in to this organization.
#[utoipa::path(
    get,
    path = "/api/sessions",
    tag = "session",
    operation_id = "listSessions",
    responses(
        (status = 200, description = "The sessions", body = DevicesAnswer),
    ),
)]
pub(crate) async fn list_devices(
    principal: Principal,
    state: web::Data<PortalState>,
) -> Result<web::Json<DevicesAnswer>, ApiError> {
    let caller = Caller::of::<SessionRead>(principal)?;
    let mut tx = state.db.begin_read(&caller.scope).await?;
    let user = caller.session.session.user;
    let idle = state.sessions.settings().idle;
    let devices = sessions::list_sessions(&mut tx, user, idle).await?;
    let current = caller.session.session.sid;
    let sessions = devices.into_iter().map(|device| DeviceAnswer {
        handle: device.handle,
        current: device.sid_hash == *current.as_bytes(),
        created_at: whole_seconds(device.created_at),
        last_seen_at: in_steps(device.touched_at).max(whole_seconds(device.created_at)),
        expires_at: whole_seconds(device.absolute_expires_at),
        user_agent: Some(device.agent).filter(|agent| !agent.is_empty()),
        address: Some(device.address).filter(|address| !address.is_empty()),
    });
    Ok(web::Json(DevicesAnswer { sessions: sessions.collect() }))
}

/// Signs out in one browser
///
/// Ends one of the person's sessions. One of somebody else is not found.
#[utoipa::path(
    delete,
    path = "/api/sessions/{handle}",
    tag = "session",
    operation_id = "endSession",
    params(("handle" = Uuid, Path, description = "The session's handle")),
    responses(
        (status = 204, description = "Signed out there"),
        (status = 404, description = "The person has no such session", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn end_device(
    principal: Principal,
    request: HttpRequest,
    state: web::Data<PortalState>,
) -> Result<HttpResponse, ApiError> {
    let caller = Caller::of::<SessionManage>(principal)?;
    // After the caller is known; text that is no handle names no session.
    let handle = request.match_info().get("handle").unwrap_or_default();
    let handle = Uuid::try_parse(handle).map_err(|_| ApiError::not_found())?;
    let user = caller.session.session.user;
    let mut tx = state.db.begin(&caller.scope, &caller.actor).await?;
    let reason = RevocationReason::DeviceEnded;
    if !sessions::revoke_session(&mut tx, user, handle, reason).await? {
        return Err(ApiError::not_found());
    }
    state.writes.commit(tx).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Signs out everywhere
///
/// Ends all of the person's sessions in this organization; with `others=true` all but the one that
/// asks.
#[utoipa::path(
    delete,
    path = "/api/sessions",
    tag = "session",
    operation_id = "endSessions",
    params(("others" = Option<bool>, Query, description = "`true` keeps the session that asks")),
    responses(
        (status = 204, description = "Signed out"),
        (status = 400, description = "A parameter is unknown or malformed", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn end_devices(
    principal: Principal,
    request: HttpRequest,
    state: web::Data<PortalState>,
) -> Result<HttpResponse, ApiError> {
    let caller = Caller::of::<SessionManage>(principal)?;
    let only_others = only_others(request.query_string())?;
    let session = &caller.session.session;
    let mut tx = state.db.begin(&caller.scope, &caller.actor).await?;
    if only_others {
        let (kept, reason) = (session.sid.as_bytes(), RevocationReason::OthersEnded);
        let ended = sessions::revoke_others(&mut tx, session.user, kept, reason).await?;
        ended.ok_or_else(unauthenticated)?;
    } else {
        let reason = RevocationReason::EverywhereEnded;
        sessions::revoke_all_of(&mut tx, session.user, reason).await?;
    }
    state.writes.commit(tx).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// A person with a session who may do something with their sessions.
struct Caller {
    scope: TenantScope,
    actor: Actor,
    session: SignedIn,
}

impl Caller {
    fn of<P: Needs>(principal: Principal) -> Result<Self, ApiError> {
        principal.require::<P>()?;
        let (scope, actor) = (principal.scope.clone(), principal.actor.clone());
        Ok(Self { scope, actor, session: principal.into_signed_in()? })
    }
}

fn only_others(query: &str) -> Result<bool, ApiError> {
    let pairs = Pairs::parse(query, &["others"])?;
    let mut faults = Faults::default();
    let answer = match pairs.single("others", &mut faults) {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => {
            faults.add("query:others".to_owned(), "malformed", "true or false");
            false
        }
    };
    if faults.is_empty() { Ok(answer) } else { Err(refused_parameters(faults)) }
}

fn whole_seconds(at: OffsetDateTime) -> OffsetDateTime {
    at.replace_nanosecond(0).unwrap_or(at)
}

fn in_steps(at: OffsetDateTime) -> OffsetDateTime {
    let over = at.unix_timestamp().rem_euclid(LAST_SEEN_STEP.whole_seconds());
    whole_seconds(at) - Duration::seconds(over)
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn the_last_use_is_told_in_steps() {
        let at = in_steps(datetime!(2026-11-20 12:34:56.789 UTC));
        assert_eq!(at, datetime!(2026-11-20 12:30 UTC));
    }

    #[test]
    fn nothing_but_others_is_understood() {
        assert_eq!(only_others("").ok(), Some(false));
        assert_eq!(only_others("others=true").ok(), Some(true));
        assert_eq!(only_others("others=false").ok(), Some(false));
        for query in ["others=1", "others=", "others=true&others=true", "other=true"] {
            assert!(only_others(query).is_err(), "{query}");
        }
    }
}
