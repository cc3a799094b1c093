//! The application: its layers, its routes, its server.
//!
//! Layers, from the outside in; a request passes them in this order and its answer backwards:
//!
//! 1. `edge`: names the request, opens its span, finds the client's address, refuses addresses and
//!    origins that must not come in, gives the rest its time for Redis (session look-ups count),
//!    turns errors into problem bodies, sets the common headers, writes the one log line of
//!    an error.
//! 2. `refuse_while_starting`, around everything that needs a database or a session.
//! 3. `check_credentials`, so that no session is looked for where a token or a key came along, and
//!    cookies under replaced keys are read.
//! 4. the session middleware, around the routes that know people. Health and documents are
//!    answered without it, so that they need no session store. A request without the cookie costs
//!    it nothing.
//! 5. the resource; its handler's `Gated` checks credential, CSRF token and permission before it
//!    looks at what was sent.

use std::any::Any;
use std::io;
use std::net::TcpListener;
use std::time::Duration;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{HttpServiceFactory, Server, ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::header::LOCATION;
use actix_web::middleware::{Next, from_fn};
use actix_web::{App, Error, HttpResponse, HttpServer, Route, guard, web};
use tenancy::Permission;

use crate::analytics::{export, reports, soundness};
use crate::applications::{self, steps};
use crate::auth::api_keys::routes as api_keys;
use crate::auth::{check_credentials, routes as auth, session_middleware};
use crate::cache_admin::{invalidate, keys, status, warm};
use crate::edge::{CommonHeaders, EdgeSettings, Origins, edge};
use crate::error::{ApiError, ErrorCode};
use crate::extract::BodyLimits;
use crate::jobs::{figures, item, list, transitions, write};
use crate::operator::{impersonation, tenants};
use crate::state::{Phase, PortalState};
use crate::webhooks::{deliveries, endpoints};
use crate::{docs, exports, health, metrics, notifications, public, stream, team};

/// Who may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anybody.
    Public,
    /// Whoever is signed in.
    SignedIn,
    /// The identity provider, which proves itself in the request.
    IdentityProvider,
    /// Whoever has a link that we signed, for what the link is for.
    SignedLink,
    /// Whoever is signed in and has this permission, at least in part.
    Needs(Permission),
    /// Members of the platform's organization.
    Operator,
}

/// One route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteInfo {
    /// The method; `GET` routes answer `HEAD` as well.
    pub method: &'static str,
    /// The path, with `{name}` for its variables.
    pub path: &'static str,
    /// Who may call it.
    pub access: Access,
}

use Access::{IdentityProvider, Needs, Operator, Public, SignedIn, SignedLink};
use Permission::{
    AnalyticsExport, AnalyticsRead, ApiKeysManage, ApplicationsDecide, ApplicationsRead,
    ApplicationsWrite, CacheRead, CacheWrite, JobsArchive, JobsDelete, JobsEdit, JobsRead,
    JobsWrite, NotificationsManage, SessionManage, SessionRead, TeamManage, TeamRead,
    WebhooksManage,
};

/// Makes the table of routes and the routing from one text, so that neither can have what the
/// other lacks.
macro_rules! routes {
    (
        open { $($open_path:literal { $($open_method:ident => $open_handler:path;)+ })+ }
        sessions { $($path:literal { $($method:ident $access:expr => $handler:path;)+ })+ }
    ) => {
        /// Every route of the portal.
        pub const ROUTES: &[RouteInfo] = &[
            $($(RouteInfo {
                method: stringify!($open_method), path: $open_path, access: Public,
            },)+)+
            $($(RouteInfo {
                method: stringify!($method), path: $path, access: $access,
            },)+)+
        ];

        /// The paths behind the session middleware, in the order that they are looked through in.
        #[cfg(feature = "testing")]
        pub(crate) const SESSION_PATHS: &[&str] = &[$($path,)+];

        fn configure_open(config: &mut web::ServiceConfig) {
            $(
                let resource = web::resource($open_path);
                $(let resource = resource.route(route(stringify!($open_method)).to($open_handler));)+
                config.service(resource.default_service(web::to(async || refuse_method($open_path))));
            )+
        }

        fn configure_sessions(config: &mut web::ServiceConfig) {
            $(
                let resource = web::resource($path);
                $(let resource = resource.route(route(stringify!($method)).to($handler));)+
                config.service(resource.default_service(web::to(async || refuse_method($path))));
            )+
        }
    };
}

routes! {
    open {
        "/" { GET => root; }
        "/live" { GET => health::live; }
        "/ready" { GET => health::ready; }
        "/health" { GET => health::health; }
        "/health/cache" { GET => health::cache; }
        "/metrics" { GET => metrics::metrics; }
        "/api/openapi.json" { GET => docs::document; }
        "/api/docs" { GET => root; }
        "/api/docs/{file:.*}" { GET => docs::page; }
        "/public/boards/{slug}/jobs/{job_slug}/apply" { POST => public::apply::apply; }
        "/public/boards/{slug}/jobs/{job_slug}/view" { POST => public::view::count_view; }
    }
    sessions {
        "/auth/login" { GET Public => auth::login; }
        "/auth/callback" { GET Public => auth::callback; }
        "/auth/logout" { POST SignedIn => auth::logout; }
        "/auth/backchannel-logout" {
            POST IdentityProvider => crate::auth::backchannel::backchannel_logout;
        }
        "/auth/events" { POST IdentityProvider => crate::auth::events::receive_event; }
        "/public/mail/unsubscribe" {
            GET SignedLink => crate::mail::ask;
            POST SignedLink => crate::mail::unsubscribe;
        }
        "/api/team" { GET Needs(TeamRead) => team::members::list_members; }
        "/api/invitations" {
            GET Needs(TeamManage) => team::invitations::list_invitations;
            POST Needs(TeamManage) => team::invitations::create_invitation;
        }
        "/api/invitations/{id}" {
            DELETE Needs(TeamManage) => team::invitations::withdraw_invitation;
        }
        "/api/team/{user}" { DELETE SignedIn => team::removal::remove_member; }
        "/api/team/{user}/role" { PATCH Needs(TeamManage) => team::role::change_role; }
        "/api/session" { GET Needs(SessionRead) => auth::session; }
        "/api/sessions" {
            GET Needs(SessionRead) => auth::list_devices;
            DELETE Needs(SessionManage) => auth::end_devices;
        }
        "/api/sessions/{handle}" { DELETE Needs(SessionManage) => auth::end_device; }
        "/api/api-keys" {
            GET Needs(ApiKeysManage) => api_keys::list_api_keys;
            POST Needs(ApiKeysManage) => api_keys::create_api_key;
        }
        "/api/api-keys/{id}" { DELETE Needs(ApiKeysManage) => api_keys::revoke_api_key; }
        "/api/webhooks" {
            GET Needs(WebhooksManage) => endpoints::list_webhooks;
            POST Needs(WebhooksManage) => endpoints::create_webhook;
        }
        "/api/webhooks/{id}" {
            GET Needs(WebhooksManage) => endpoints::get_webhook;
            PATCH Needs(WebhooksManage) => endpoints::update_webhook;
            DELETE Needs(WebhooksManage) => endpoints::delete_webhook;
        }
        "/api/webhooks/{id}/rotate-secret" {
            POST Needs(WebhooksManage) => endpoints::rotate_secret;
        }
        "/api/webhooks/{id}/ping" { POST Needs(WebhooksManage) => deliveries::ping; }
        "/api/webhooks/{id}/deliveries" {
            GET Needs(WebhooksManage) => deliveries::list_deliveries;
        }
        "/api/webhooks/{id}/deliveries/{delivery}" {
            GET Needs(WebhooksManage) => deliveries::get_delivery;
        }
        "/api/webhooks/{id}/deliveries/{delivery}/redeliver" {
            POST Needs(WebhooksManage) => deliveries::redeliver;
        }
        "/api/events/stream" { GET Needs(SessionRead) => stream::stream_events; }
        "/api/notifications/list" {
            GET Needs(NotificationsManage) => notifications::list::list_notifications;
        }
        "/api/notifications/unread-count" {
            GET Needs(NotificationsManage) => notifications::list::count_unread;
        }
        "/api/notifications/preferences" {
            GET Needs(NotificationsManage) => notifications::preferences::get_preferences;
            PUT Needs(NotificationsManage) => notifications::preferences::put_preferences;
        }
        "/api/notifications/seen-up-to" {
            PUT Needs(NotificationsManage) => notifications::marks::seen_up_to;
        }
        "/api/notifications/read-up-to" {
            PUT Needs(NotificationsManage) => notifications::marks::read_up_to;
        }
        "/api/notifications/mark-all-read" {
            PUT Needs(NotificationsManage) => notifications::marks::read_all;
        }
        "/api/notifications/{seq}/read" {
            PUT Needs(NotificationsManage) => notifications::marks::read_one;
        }
        "/api/notifications/{seq}/archive" {
            POST Needs(NotificationsManage) => notifications::marks::archive_one;
        }
        "/api/cache/status" { GET Needs(CacheRead) => status::get_status; }
        "/api/cache/keys" { GET Needs(CacheRead) => keys::list_keys; }
        "/api/cache/invalidate" { DELETE Needs(CacheWrite) => invalidate::invalidate_cache; }
        "/api/cache/warm" { POST Needs(CacheWrite) => warm::warm_cache; }
        "/api/platform/tenants" { GET Operator => tenants::list; }
        "/api/platform/tenants/{id}/suspend" { POST Operator => tenants::suspend; }
        "/api/platform/tenants/{id}/resume" { POST Operator => tenants::resume; }
        "/api/platform/tenants/{id}/impersonate" { POST Operator => impersonation::start; }
        "/api/platform/impersonation" { DELETE Operator => impersonation::end; }
        "/api/jobs" {
            GET Needs(JobsRead) => list::list_jobs;
            POST Needs(JobsWrite) => write::create_job;
        }
        "/api/jobs/facets" { GET Needs(JobsRead) => figures::get_facets; }
        "/api/jobs/stats/overview" { GET Needs(JobsRead) => figures::get_overview; }
        "/api/jobs/{id}" {
            GET Needs(JobsRead) => item::get_job;
            PATCH Needs(JobsEdit) => write::update_job;
            PUT Needs(JobsEdit) => write::put_job;
            DELETE Needs(JobsDelete) => write::delete_job;
        }
        "/api/jobs/{id}/applications" {
            GET Needs(ApplicationsRead) => applications::list::list_applications_of_job;
        }
        "/api/applications" { GET Needs(ApplicationsRead) => applications::list::list_applications; }
        "/api/applications/{id}" {
            GET Needs(ApplicationsRead) => applications::item::get_application;
        }
        "/api/applications/{id}/files/{file}" {
            GET Needs(ApplicationsRead) => applications::files::download_file;
        }
        "/api/applications/{id}/move" {
            POST Needs(ApplicationsWrite) => steps::move_application;
        }
        "/api/applications/{id}/reject" {
            POST Needs(ApplicationsDecide) => steps::reject_application;
        }
        "/api/applications/{id}/unreject" {
            POST Needs(ApplicationsDecide) => steps::unreject_application;
        }
        "/api/applications/{id}/hire" { POST Needs(ApplicationsDecide) => steps::hire_applicant; }
        "/api/applications/{id}/withdraw" {
            POST Needs(ApplicationsDecide) => steps::withdraw_application;
        }
        "/api/analytics/overview" { GET Needs(AnalyticsRead) => reports::get_overview; }
        "/api/analytics/timeseries" { GET Needs(AnalyticsRead) => reports::get_time_series; }
        "/api/analytics/funnel" { GET Needs(AnalyticsRead) => reports::get_funnel; }
        "/api/analytics/breakdown" { GET Needs(AnalyticsRead) => reports::get_breakdown; }
        "/api/analytics/sources" { GET Needs(AnalyticsRead) => reports::get_sources; }
        "/api/analytics/time-in-stage" { GET Needs(AnalyticsRead) => reports::get_time_in_stage; }
        "/api/analytics/time-to-hire" { GET Needs(AnalyticsRead) => reports::get_time_to_hire; }
        "/api/analytics/export.csv" { GET Needs(AnalyticsExport) => export::export_figures; }
        "/api/analytics/exports" {
            GET Needs(AnalyticsExport) => exports::routes::list_exports;
            POST Needs(AnalyticsExport) => exports::routes::ask_for_export;
        }
        "/api/analytics/exports/{id}" {
            GET Needs(AnalyticsExport) => exports::routes::get_export;
            DELETE Needs(AnalyticsExport) => exports::routes::delete_export;
        }
        "/api/analytics/exports/{id}/file" {
            GET Needs(AnalyticsExport) => exports::file::download_export;
        }
        "/api/analytics/drift" { GET Needs(AnalyticsExport) => soundness::get_drift; }
        "/api/jobs/{id}/publish" { POST Needs(JobsWrite) => transitions::publish_job; }
        "/api/jobs/{id}/pause" { POST Needs(JobsWrite) => transitions::pause_job; }
        "/api/jobs/{id}/close" { POST Needs(JobsWrite) => transitions::close_job; }
        "/api/jobs/{id}/reopen" { POST Needs(JobsWrite) => transitions::reopen_job; }
        "/api/jobs/{id}/archive" { POST Needs(JobsArchive) => transitions::archive_job; }
        "/api/jobs/{id}/duplicate" { POST Needs(JobsWrite) => transitions::duplicate_job; }
        "/api/jobs/{id}/toggle" { POST Needs(JobsWrite) => transitions::toggle_job; }
    }
}

/// The whole application over `state`.
pub fn app(
    state: web::Data<PortalState>,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<BoxBody>,
        Error = Error,
        InitError = (),
    >,
> {
    let sessions = web::scope("")
        .wrap(session_middleware(&state))
        .wrap(from_fn(check_credentials))
        .wrap(from_fn(refuse_while_starting))
        .configure(configure_sessions)
        .default_service(web::to(refuse_path));
    assemble(state, sessions)
}

/// The edge, the routes without sessions, and `sessions`.
pub(crate) fn assemble(
    state: web::Data<PortalState>,
    sessions: impl HttpServiceFactory + 'static,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<BoxBody>,
        Error = Error,
        InitError = (),
    >,
> {
    let settings = &state.settings;
    let edge_settings = EdgeSettings {
        headers: CommonHeaders { insists_on_https: settings.base_url.scheme() == "https" },
        redis_budget: settings.redis_budget,
        shows_timing: settings.environment_is_development,
        origins: Some(Origins::new(&settings.base_url, settings.reach.allowed_origins.clone())),
        proxies: settings.reach.trusted_proxies.clone(),
        admitted: settings.reach.admitted.clone(),
        limits: Some(state.rate_limits.clone()),
        audit: Some(state.audit.clone()),
    };
    let body_limits =
        BodyLimits { bytes: settings.limits.json_bytes, timeout: settings.http.body_timeout };
    App::new()
        .app_data(web::Data::new(edge_settings))
        .app_data(web::Data::new(body_limits))
        .app_data(web::Data::new(state.metrics.http().clone()))
        .app_data(state)
        .configure(configure_open)
        .service(sessions)
        .default_service(web::to(refuse_path))
        .wrap(from_fn(edge))
}

/// Starts serving on `listener`. The server ends when its handle is told to stop; signals are the
/// caller's business.
///
/// # Errors
///
/// Where the listener cannot be used.
pub fn server(state: web::Data<PortalState>, listener: TcpListener) -> io::Result<Server> {
    let http = state.settings.http.clone();
    let server = HttpServer::new(move || app(state.clone()))
        .workers(http.workers)
        .keep_alive(http.keep_alive)
        .client_request_timeout(http.client_request_timeout)
        .client_disconnect_timeout(http.client_request_timeout)
        .max_connections(http.max_connections)
        // Events are small and must not wait for the acknowledgement of the ones before.
        .tcp_nodelay(true)
        // Otherwise a tab that was closed is noticed only when its second event cannot be written.
        .h1_allow_half_closed(false)
        .on_connect(move |connection, _| limit_unread(connection, http.unread_timeout))
        .shutdown_timeout(http.shutdown_timeout.as_secs())
        .disable_signals()
        .listen(listener)?
        .run();
    Ok(server)
}

/// Has the kernel cut a connection whose client does not take what was sent to it: an endless answer
/// has no other end while nothing of it can be written.
fn limit_unread(connection: &dyn Any, longest: Duration) {
    #[cfg(target_os = "linux")]
    if let Some(stream) = connection.downcast_ref::<actix_web::rt::net::TcpStream>()
        && let Err(error) = socket2::SockRef::from(stream).set_tcp_user_timeout(Some(longest))
    {
        tracing::debug!(%error, "a connection has no limit for what is unread");
    }
    #[cfg(not(target_os = "linux"))]
    let _no_such_limit = (connection, longest);
}

/// Refuses until the database role and the tables have been checked: before, nobody knows whether
/// the walls between tenants stand.
pub(crate) async fn refuse_while_starting(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let state = request.app_data::<web::Data<PortalState>>();
    if state.is_some_and(|state| state.lifecycle.phase() == Phase::Starting) {
        return Err(ApiError::unavailable("the database has not been checked yet").into());
    }
    next.call(request).await
}

pub(crate) fn route(method: &str) -> Route {
    match method {
        "POST" => web::post(),
        "PUT" => web::put(),
        "PATCH" => web::patch(),
        "DELETE" => web::delete(),
        // What may be read may be asked about: HEAD has the same headers and no body.
        _ => web::route().guard(guard::Any(guard::Get()).or(guard::Head())),
    }
}

async fn root() -> HttpResponse {
    HttpResponse::SeeOther().insert_header((LOCATION, "/api/docs/")).finish()
}

pub(crate) async fn refuse_path() -> Result<HttpResponse, ApiError> {
    Err(ApiError::not_found())
}

fn refuse_method(path: &'static str) -> Result<HttpResponse, ApiError> {
    let allowed = allowed_methods(path);
    let detail = format!("This resource knows {allowed}.");
    Err(ApiError::new(ErrorCode::MethodNotAllowed, detail).with_allow(allowed))
}

fn allowed_methods(path: &str) -> String {
    let mut methods: Vec<&str> = Vec::new();
    for route in ROUTES.iter().filter(|route| route.path == path) {
        methods.push(route.method);
        if route.method == "GET" {
            methods.push("HEAD");
        }
    }
    methods.join(", ")
}

#[cfg(test)]
mod tests;
