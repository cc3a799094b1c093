//! What measurements need of the inside: reads of jobs by a caller who is known beforehand, and
//! credentials that were verified already. Behind the feature `testing`, which no program turns on.

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::middleware::from_fn;
use actix_web::{App, Error, HttpRequest, HttpResponse, web};
use employer_store::api_keys::ResolvedApiKey;
use tenancy::{Actor, Authority, OrgId, TenantId, TenantScope, UserId};
use time::OffsetDateTime;

use crate::app::{SESSION_PATHS, assemble, refuse_path, refuse_while_starting, route};
use crate::auth::{Authorized, JobsRead, testing};
use crate::error::ApiError;
use crate::extract::{Gated, JobPath, NoQuery, ReadHeaders};
use crate::jobs::{item, list};
use crate::state::PortalState;

/// Somebody who may read jobs.
#[derive(Clone, Debug)]
pub struct Reader {
    access: Authorized<JobsRead>,
}

impl Reader {
    /// Whoever acts in `scope` with this authority.
    ///
    /// # Errors
    ///
    /// Where it does not include reading jobs.
    pub fn new(scope: TenantScope, actor: Actor, authority: Authority) -> Result<Self, ApiError> {
        Ok(Self { access: testing::reader(scope, actor, authority)? })
    }
}

/// The person behind an access token, and the end of the token.
#[derive(Clone, Debug)]
pub struct TokenHolder {
    /// The person as the identity provider names them.
    pub subject: String,
    /// The tenant.
    pub tenant: TenantId,
    /// The person.
    pub user: UserId,
    /// The tenant's organization.
    pub organization: OrgId,
    /// When the token ends.
    pub expires_at: OffsetDateTime,
}

/// A key that is held for the lease as if the database had just answered for it.
pub fn hold_api_key(state: &PortalState, found: ResolvedApiKey) -> String {
    testing::hold_api_key(state, found)
}

/// Holds `token` for the lease as if it had just been verified.
pub fn hold_access_token(state: &PortalState, token: &str, holder: TokenHolder) {
    testing::hold_access_token(state, token, holder);
}

/// The application whose `GET /api/jobs` and `GET /api/jobs/{id}` take every caller for `reader`:
/// no session is looked up, no membership, no permission, and nobody's requests are counted but
/// those of an address. The edge, the paths that are looked through, the handlers and their other
/// input are those of [`app`](crate::app()). Other routes answer 404.
pub fn app_without_checks(
    state: web::Data<PortalState>,
    reader: Reader,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<BoxBody>,
        Error = Error,
        InitError = (),
    >,
> {
    let routes = web::scope("")
        .app_data(web::Data::new(reader))
        .wrap(from_fn(refuse_while_starting))
        .configure(configure)
        .default_service(web::to(refuse_path));
    assemble(state, routes)
}

fn configure(config: &mut web::ServiceConfig) {
    for path in SESSION_PATHS {
        let resource = web::resource(*path);
        let resource = match *path {
            "/api/jobs" => resource.route(route("GET").to(list_jobs)),
            "/api/jobs/{id}" => resource.route(route("GET").to(get_job)),
            _ => resource,
        };
        config.service(resource.default_service(web::to(refuse_path)));
    }
}

async fn list_jobs(
    state: web::Data<PortalState>,
    reader: web::Data<Reader>,
    headers: ReadHeaders,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    list::list_jobs(state, Gated(reader.access.clone(), headers), request).await
}

async fn get_job(
    state: web::Data<PortalState>,
    reader: web::Data<Reader>,
    input: (JobPath, ReadHeaders, NoQuery),
) -> Result<HttpResponse, ApiError> {
    item::get_job(state, Gated(reader.access.clone(), input)).await
}
