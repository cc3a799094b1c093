//! Calls that leave a row in the audit trail, whatever becomes of them.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::{FromRequest, HttpRequest, HttpResponse, web};
use employer_store::{StoreError, TenantTx, audit, feed};
use serde_json::{Value, json};
use tenancy::{Actor, TenantScope};
use uuid::Uuid;

use crate::audit::carried;
use crate::auth::{Authorized, Needs, Principal};
use crate::edge::Client;
use crate::error::ApiError;
use crate::limits::{Rule, Verdict, too_many};
use crate::state::PortalState;

/// Longest wait for a call; a warm-up takes longest.
const DEADLINE: Duration = Duration::from_secs(30);

/// Longest text of a header that the trail keeps.
const MAX_HEADER_BYTES: usize = 200;

/// A call by somebody who is signed in: whether they may, what they sent, and from where.
///
/// Unlike [`crate::extract::Gated`] it passes refusals on instead of raising them, so that the
/// trail can tell of them. What was sent is not read where the caller may not call.
pub(crate) struct Call<P: Needs, T> {
    scope: TenantScope,
    actor: Actor,
    origin: Origin,
    admitted: Result<(Authorized<P>, Result<T, ApiError>), ApiError>,
}

/// Where a call comes from.
#[derive(Debug)]
struct Origin {
    ip: Option<IpAddr>,
    /// What the call itself says of it, which a proxy may have written, or anybody.
    forwarded_for: Option<String>,
}

impl Origin {
    fn of(request: &HttpRequest) -> Self {
        let client = Client::of(request);
        let told = request.headers().get("x-forwarded-for");
        let told = told.and_then(|value| value.to_str().ok());
        Self {
            ip: client.and_then(|client| client.address),
            forwarded_for: told.map(|text| text.chars().take(MAX_HEADER_BYTES).collect()),
        }
    }
}

impl<P: Needs, T> FromRequest for Call<P, T>
where
    T: FromRequest<Error = ApiError> + 'static,
{
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, mut payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let principal = Principal::from_request(&request, &mut Payload::None).await?;
            let (scope, actor) = (principal.scope.clone(), principal.actor.clone());
            let admitted = match Authorized::<P>::check(principal) {
                Ok(access) => Ok((access, T::from_request(&request, &mut payload).await)),
                Err(refusal) => Err(refusal),
            };
            Ok(Self { scope, actor, origin: Origin::of(&request), admitted })
        })
    }
}

/// What a call counts as.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// It looks.
    Read,
    /// It drops or fills.
    Write,
}

/// What a call is, for the limits and the trail.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deed {
    /// What the trail calls it.
    pub(super) action: &'static str,
    /// Whether it looks, or drops and fills.
    pub(super) kind: Kind,
    /// Whether it is better not done than not in the trail.
    pub(super) must_be_told: bool,
}

/// What a call has done.
#[derive(Debug)]
pub(super) struct Done {
    /// What it was done to, as the trail names it.
    pub(super) resource: String,
    /// What else the trail keeps of it.
    pub(super) detail: Value,
    /// The answer; the id of the audit row is added.
    pub(super) body: Value,
    /// What colleagues are told of, where it concerns them.
    pub(super) tells: Option<Dropped>,
}

/// A part of the cache that was dropped.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dropped {
    /// `hard` or `soft`.
    pub(super) mode: &'static str,
    /// How many groups.
    pub(super) groups: usize,
}

impl<P: Needs + Send, T: Send + 'static> Call<P, T> {
    /// The address that it comes from.
    pub(super) fn address(&self) -> Option<IpAddr> {
        self.origin.ip
    }

    /// Does `work` if the caller may, and leaves a row of what became of it.
    ///
    /// It goes on when the caller hangs up: what was done must not go without its row.
    pub(super) async fn run<F, Fut>(
        self,
        state: web::Data<PortalState>,
        deed: Deed,
        work: F,
    ) -> Result<HttpResponse, ApiError>
    where
        F: FnOnce(web::Data<PortalState>, Authorized<P>, T) -> Fut + Send + 'static,
        Fut: Future<Output = Result<Done, ApiError>> + Send + 'static,
    {
        let Self { scope, actor, origin, admitted } = self;
        let trail = Trail { state: state.clone(), scope, actor, origin, deed };
        let whole = async move {
            let excess = trail.excess(admitted.is_ok()).await;
            match (excess, admitted) {
                (Some(verdict), _) => Err(trail.tells_of_excess(verdict).await),
                (None, Err(refusal) | Ok((_, Err(refusal)))) => Err(trail.tells_of(refusal).await),
                (None, Ok((access, Ok(input)))) => {
                    let state = trail.state.clone();
                    trail.follows(|| work(state, access, input)).await
                }
            }
        };
        let body = state.writes.see_through(DEADLINE, carried(Box::pin(whole))).await??;
        Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(body))
    }
}

/// The trail of one call.
struct Trail {
    state: web::Data<PortalState>,
    scope: TenantScope,
    actor: Actor,
    origin: Origin,
    deed: Deed,
}

impl Trail {
    /// Does the work and writes the row; answers what the caller gets.
    async fn follows<F, Fut>(&self, work: F) -> Result<Value, ApiError>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<Done, ApiError>>,
    {
        // Where the row must not be missing, a database that is away is noticed before the deed.
        let ready = if self.deed.must_be_told {
            Some(self.state.db.begin(&self.scope, &self.actor).await?)
        } else {
            None
        };
        let done = match work().await {
            Ok(done) => done,
            Err(error) => return Err(self.tells_of(error).await),
        };
        let detail = with(done.detail, json!({ "result": "done" }));
        let told = self.write(ready, &done.resource, detail, done.tells).await;
        match told {
            Ok(id) => Ok(with(done.body, json!({ "audit_id": id }))),
            Err(error) if self.deed.must_be_told => Err(error.into()),
            Err(error) => {
                self.cannot_tell(&error);
                Ok(done.body)
            }
        }
    }

    /// Tells of a call that came to nothing; answers why it did.
    async fn tells_of(&self, error: ApiError) -> ApiError {
        let is_fault_of_ours = error.code().status().is_server_error();
        let faults: Vec<Value> = error
            .errors()
            .iter()
            .map(|fault| json!({ "pointer": fault.pointer, "code": fault.code }))
            .collect();
        let detail = json!({
            "result": if is_fault_of_ours { "failed" } else { "refused" },
            "code": error.code().as_str(),
            "errors": faults,
        });
        if let Err(error) = self.write(None, "cache", detail, None).await {
            self.cannot_tell(&error);
        }
        error
    }

    /// What the limits say, if it is that the call is one too many. Members without the permission
    /// do not use up the admins' calls.
    async fn excess(&self, is_admitted: bool) -> Option<Verdict> {
        let (limits, tenant) = (&self.state.rate_limits, self.scope.tenant().as_uuid().as_u128());
        let verdict = match self.deed.kind {
            _ if !is_admitted => limits.admit(Rule::CacheRefused, tenant),
            Kind::Read => limits.admit(Rule::CacheReads, tenant),
            Kind::Write => limits.admit_exactly(Rule::CacheWrites, tenant).await,
        };
        verdict.filter(|verdict| verdict.refusal.is_some())
    }

    /// A flood of calls must not become one of rows, so the first of them stands for all.
    async fn tells_of_excess(&self, verdict: Verdict) -> ApiError {
        let error = too_many(verdict);
        let is_first = verdict.refusal.is_some_and(|refusal| refusal.is_first);
        if is_first { self.tells_of(error).await } else { error }
    }

    async fn write(
        &self,
        ready: Option<TenantTx>,
        resource: &str,
        detail: Value,
        tells: Option<Dropped>,
    ) -> Result<Uuid, StoreError> {
        let mut tx = match ready {
            Some(tx) => tx,
            None => self.state.db.begin(&self.scope, &self.actor).await?,
        };
        let detail = match &self.origin.forwarded_for {
            Some(told) => with(detail, json!({ "forwarded_for": told })),
            None => detail,
        };
        let id = audit::record(&mut tx, self.deed.action, resource, detail, self.origin.ip).await?;
        if let Some(Dropped { mode, groups }) = tells {
            feed::tell_cache_invalidated(&mut tx, mode, groups).await?;
        }
        let events = tx.commit().await?;
        self.state.writes.finish(&self.scope, events).await;
        Ok(id)
    }

    fn cannot_tell(&self, error: &StoreError) {
        let error = error as &dyn std::error::Error;
        tracing::error!(
            error,
            tenant.id = %self.scope.tenant(),
            audit.actor = self.actor.audit_name(),
            audit.action = self.deed.action,
            "the audit row of a call could not be written"
        );
    }
}

/// An object with further fields.
fn with(mut object: Value, further: Value) -> Value {
    if let (Value::Object(object), Value::Object(further)) = (&mut object, further) {
        object.extend(further);
    }
    object
}
