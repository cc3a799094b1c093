//! A portal in this process: no Postgres, Redis in memory, one person who is signed in.

use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Service as _;
use actix_web::error::ErrorInternalServerError;
use actix_web::http::header::SET_COOKIE;
use actix_web::test::{TestRequest, init_service};
use actix_web::web::{self, Data};
use actix_web::{App, HttpResponse};
use employer_store::api_keys::ResolvedApiKey;
use employer_store::identity::TenantStatus as StoredStatus;
use portal_api::PortalState;
use portal_api::auth::session_middleware;
use portal_api::testing::{Reader, TokenHolder, hold_access_token, hold_api_key};
use redis_provider::testing::RecordingRedis;
use redis_provider::{MemoryProvider, MemorySettings, RedisProvider};
use session_store::{Device, NewSession, OrganizationData, PortalSession, TenantStatus};
use tenancy::{Actor, ApiKeyId, Authority, Evidence, OrgId, Role, TenantId, TenantScope, UserId};
use uuid::Uuid;

use crate::ledger::now;
use crate::wiring::state;
use crate::{Outcome, jobs};

/// Longer than anything is measured: no lease ends meanwhile.
pub(crate) const LONG: Duration = Duration::from_secs(3600);
/// Where the person belongs, and what they are there.
const TENANT: TenantId =
    TenantId::from_uuid(Uuid::from_u128(0x0191_f1c0_0000_7000_8000_0000_0000_0001));
const USER: UserId = UserId::from_uuid(Uuid::from_u128(0x0191_f1c0_0000_7000_8000_0000_0000_0002));
const ROLE: Role = Role::Recruiter;
const SUBJECT: &str = "auth0|6723f0a4c1d2e3b4a5968778";
/// Bytes of an access token.
const TOKEN_BYTES: usize = 900;

/// A header with what proves its sender.
pub(crate) type Header = (&'static str, String);

/// What differs between portals that are measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    /// How long sessions and memberships are believed without a look into Redis.
    pub(crate) lease: Duration,
    /// Whether requests are counted.
    pub(crate) is_limited: bool,
}

impl Kind {
    pub(crate) const PLAIN: Self = Self { lease: LONG, is_limited: false };
    pub(crate) const LIMITED: Self = Self { lease: LONG, is_limited: true };
    pub(crate) const LEASE_OVER: Self = Self { lease: Duration::ZERO, is_limited: false };
}

/// A portal, and somebody who may read its jobs.
pub(crate) struct World {
    pub(crate) state: Data<PortalState>,
    pub(crate) redis: Arc<RecordingRedis>,
    /// Whoever the checks would find, known beforehand.
    pub(crate) reader: Reader,
    pub(crate) cookie: Header,
    pub(crate) token: Header,
    pub(crate) api_key: Header,
}

impl World {
    pub(crate) async fn new(kind: Kind) -> Outcome<Self> {
        let memory = MemoryProvider::new(MemorySettings::default());
        let redis = Arc::new(RecordingRedis::new(Arc::new(memory)));
        let state = Data::new(state(kind, Arc::clone(&redis) as Arc<dyn RedisProvider>)?);
        state.lifecycle.set_ready();
        let org: OrgId = "org_9f2cA1b3D4e5F6a7".parse()?;
        let scope = scope(org.clone());
        jobs::fill(&state.cache, &scope).await?;
        let cookie = sign_in(&state, &org).await?;
        let data = Arc::new(organization());
        let question = state.access.question();
        state.access.keep_organization(question, (USER, TENANT, &org), &data, now()).await;
        let actor = Actor::Member { user: USER, role: ROLE };
        Ok(Self {
            reader: Reader::new(scope, actor, Authority::of_role(ROLE))?,
            cookie: ("Cookie", cookie),
            token: ("Authorization", format!("Bearer {}", access_token(&state, &org))),
            api_key: ("X-Api-Key", api_key(&state, &org)),
            redis,
            state,
        })
    }
}

/// Signs somebody in through the middleware; answers what the browser would send.
async fn sign_in(state: &Data<PortalState>, org: &OrgId) -> Outcome<String> {
    let new = NewSession {
        user: USER,
        tenant: TENANT,
        org: org.clone(),
        subject: SUBJECT.to_owned(),
        issuer: "https://identity.example.com/".to_owned(),
        idp_sid: Some("Xq2fV0d8m1b7L3k9".to_owned()),
        name: "Ada Example".to_owned(),
        email: "ada.example@northwind.example".to_owned(),
        csrf_token: "dGhlLXNlc3Npb25zLXRva2VuLTMyLWJ5dGVzLWxvbmc".to_owned(),
        device: Device::default(),
        absolute_expires_at: now() + Duration::from_secs(72 * 3600),
        tokens: None,
    };
    let app = App::new()
        .app_data(Data::new(new))
        .wrap(session_middleware(state))
        .route("/", web::get().to(begin_session));
    let service = init_service(app).await;
    let response = service.call(TestRequest::default().to_request()).await;
    let response = response.map_err(|error| error.to_string())?;
    let header = response.headers().get(SET_COOKIE).ok_or("nobody was signed in")?;
    let cookie = header.to_str()?.split(';').next().unwrap_or_default();
    Ok(cookie.to_owned())
}

async fn begin_session(
    session: PortalSession,
    new: Data<NewSession>,
) -> actix_web::Result<HttpResponse> {
    session.sign_in(&new).map_err(ErrorInternalServerError)?;
    Ok(HttpResponse::Ok().finish())
}

fn organization() -> OrganizationData {
    OrganizationData {
        role: ROLE,
        role_version: 2,
        tenant_name: "Northwind Clinics".to_owned(),
        tenant_slug: "northwind".to_owned(),
        tenant_status: TenantStatus::Active,
        time_zone: "Europe/Berlin".to_owned(),
        locale: "de-DE".to_owned(),
        currency: "EUR".to_owned(),
    }
}

fn access_token(state: &PortalState, org: &OrgId) -> String {
    let token = "eyJhbGciOiJSUzI1NiJ9.".to_owned() + &"A".repeat(TOKEN_BYTES);
    let holder = TokenHolder {
        subject: SUBJECT.to_owned(),
        tenant: TENANT,
        user: USER,
        organization: org.clone(),
        expires_at: now() + LONG,
    };
    hold_access_token(state, &token, holder);
    token
}

fn api_key(state: &PortalState, org: &OrgId) -> String {
    let found = ResolvedApiKey {
        tenant: TENANT,
        org: org.clone(),
        tenant_status: StoredStatus::Active,
        id: ApiKeyId::from_uuid(Uuid::from_u128(3)),
        sha256: Vec::new(),
        scopes: vec!["jobs:read".to_owned(), "jobs:write".to_owned()],
        creator: USER,
        creator_role: ROLE,
        expires_at: None,
    };
    hold_api_key(state, found)
}

#[expect(clippy::disallowed_methods, reason = "measurements make a scope of a tenant of their own")]
fn scope(org: OrgId) -> TenantScope {
    TenantScope::from_verified(TENANT, org, Evidence::Session)
}
