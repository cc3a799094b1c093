//! The session middleware and its cookie.

use actix_session::SessionMiddleware;
use actix_session::config::{CookieContentSecurity, PersistentSession, TtlExtensionPolicy};
use actix_web::cookie::SameSite;
use actix_web::cookie::time::Duration as CookieDuration;
use session_store::PortalSessionStore;

use crate::state::PortalState;

/// The cookie that carries the session. `__Host-` makes browsers refuse it from a subdomain, for a
/// subdomain, for a path and over http to any host but localhost.
pub const SESSION_COOKIE: &str = "__Host-portal";

/// The middleware that loads and stores sessions.
///
/// The cookie lives as long as the longest session, and is encrypted, so that not even the opaque
/// value is read out of a log. Its own idle time would have to be renewed by a `Set-Cookie` on
/// every answer; instead the store keeps the idle time and writes it down at most every five
/// minutes, which is why the middleware extends nothing by itself (`OnStateChanges`).
///
/// `Lax`, since the identity provider's redirect to the callback is a navigation from another
/// site, and the session of before must be known there to be ended.
pub fn session_middleware(state: &PortalState) -> SessionMiddleware<PortalSessionStore> {
    let longest = state.sessions.settings().absolute;
    let lifecycle = PersistentSession::default()
        .session_ttl(CookieDuration::try_from(longest).unwrap_or(CookieDuration::MAX))
        .session_ttl_extension_policy(TtlExtensionPolicy::OnStateChanges);
    SessionMiddleware::builder(state.sessions.clone(), state.settings.cookie_key.clone())
        .cookie_name(SESSION_COOKIE.to_owned())
        .cookie_secure(true)
        .cookie_http_only(true)
        .cookie_same_site(SameSite::Lax)
        .cookie_path("/".to_owned())
        .cookie_domain(None)
        .cookie_content_security(CookieContentSecurity::Private)
        .session_lifecycle(lifecycle)
        .build()
}
