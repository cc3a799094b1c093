//! What is looked at before anybody looks for a session: that there are not two credentials, and
//! cookies under keys that are replaced: the newest makes them, any older one is still accepted.
//!
//! The session middleware knows one key. So cookies that an older one has made are made anew before
//! it sees them, and the browser is given the session's under the newest key as well. Where there
//! is one key only, nothing is looked at.

use actix_web::body::MessageBody;
use actix_web::cookie::time::Duration as CookieDuration;
use actix_web::cookie::{Cookie, CookieJar, Key, SameSite};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{COOKIE, HeaderMap, HeaderValue, SET_COOKIE};
use actix_web::middleware::Next;
use actix_web::{Error, web};

use super::credential::Credential;
use super::sessions::SESSION_COOKIE;
use crate::error::ApiError;
use crate::state::PortalState;

/// The layer, as `actix_web::middleware::from_fn` takes it; around the session middleware.
pub(crate) async fn check_credentials<B: MessageBody>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    Credential::of(request.request())?;
    let Some(state) = request.app_data::<web::Data<PortalState>>().cloned() else {
        return next.call(request).await;
    };
    let settings = &state.settings;
    if settings.older_cookie_keys.is_empty() {
        return next.call(request).await;
    }
    let renewed = renew(request.headers_mut(), &settings.cookie_key, &settings.older_cookie_keys);
    let mut response = next.call(request).await?;
    if let Some(value) = renewed
        && !sets_the_session(response.headers())
    {
        let longest = state.sessions.settings().absolute;
        let cookie = Cookie::build(SESSION_COOKIE, value)
            .path("/")
            .secure(true)
            .http_only(true)
            .same_site(SameSite::Lax)
            .max_age(CookieDuration::try_from(longest).unwrap_or(CookieDuration::MAX))
            .finish();
        response.response_mut().add_cookie(&cookie).map_err(ApiError::internal)?;
    }
    Ok(response)
}

/// Makes the portal's cookies anew that an older key has made; answers the session's new value
/// where it is among them.
fn renew(headers: &mut HeaderMap, newest: &Key, older: &[Key]) -> Option<String> {
    let sent: Vec<String> = headers
        .get_all(COOKIE)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .map(|pair| pair.trim().to_owned())
        .collect();
    let mut renewed = None;
    let mut has_changed = false;
    let pairs: Vec<String> = sent
        .into_iter()
        .map(|pair| {
            let Some(cookie) = made_by_older(&pair, newest, older) else { return pair };
            has_changed = true;
            if cookie.name() == SESSION_COOKIE {
                renewed = Some(cookie.value().to_owned());
            }
            cookie.stripped().encoded().to_string()
        })
        .collect();
    if has_changed {
        let value = HeaderValue::from_str(&pairs.join("; ")).ok()?;
        headers.insert(COOKIE, value);
    }
    renewed
}

/// The cookie under the newest key, where an older one has made it.
fn made_by_older(pair: &str, newest: &Key, older: &[Key]) -> Option<Cookie<'static>> {
    if !pair.starts_with(SESSION_COOKIE) {
        return None;
    }
    let sent = Cookie::parse_encoded(pair.to_owned()).ok()?;
    let name = sent.name().to_owned();
    let mut jar = CookieJar::new();
    jar.add_original(sent);
    if jar.private(newest).get(&name).is_some() {
        return None;
    }
    let plain = older.iter().find_map(|key| jar.private(key).get(&name))?;
    jar.private_mut(newest).add(Cookie::new(name.clone(), plain.value().to_owned()));
    jar.get(&name).cloned()
}

fn sets_the_session(headers: &HeaderMap) -> bool {
    let is_session = |value: &HeaderValue| {
        let name = value.as_bytes().split(|byte| *byte == b'=').next();
        name == Some(SESSION_COOKIE.as_bytes())
    };
    headers.get_all(SET_COOKIE).any(is_session)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(name: &str, key: &Key) -> String {
        let mut jar = CookieJar::new();
        jar.private_mut(key).add(Cookie::new(name.to_owned(), "a value +/=;\""));
        jar.get(name).unwrap().stripped().encoded().to_string()
    }

    fn opened(headers: &HeaderMap, name: &str, key: &Key) -> Option<String> {
        let text = headers.get(COOKIE).unwrap().to_str().unwrap().to_owned();
        let mut jar = CookieJar::new();
        for pair in text.split("; ") {
            jar.add_original(Cookie::parse_encoded(pair.to_owned()).unwrap());
        }
        jar.private(key).get(name).map(|cookie| cookie.value().to_owned())
    }

    #[test]
    fn cookies_of_older_keys_are_made_anew() {
        let (newest, old, older) = (Key::from(&[1; 64]), Key::from(&[2; 64]), Key::from(&[3; 64]));
        let keys = [old.clone(), older.clone()];
        for (key, is_renewed) in [(&newest, false), (&old, true), (&older, true)] {
            let mut headers = HeaderMap::new();
            let text = format!(
                "theme=dark; {}; {}",
                sealed(SESSION_COOKIE, key),
                sealed("__Host-portal_tx_12345678", key)
            );
            headers.insert(COOKIE, HeaderValue::from_str(&text).unwrap());
            assert_eq!(renew(&mut headers, &newest, &keys).is_some(), is_renewed);
            for name in [SESSION_COOKIE, "__Host-portal_tx_12345678"] {
                assert_eq!(opened(&headers, name, &newest).as_deref(), Some("a value +/=;\""));
            }
            assert!(headers.get(COOKIE).unwrap().to_str().unwrap().starts_with("theme=dark; "));
        }
        let mut headers = HeaderMap::new();
        let foreign = sealed(SESSION_COOKIE, &Key::from(&[4; 64]));
        headers.insert(COOKIE, HeaderValue::from_str(&foreign).unwrap());
        assert_eq!(renew(&mut headers, &newest, &keys), None);
        assert_eq!(headers.get(COOKIE).unwrap().to_str().unwrap(), foreign, "left as it was");
    }
}
