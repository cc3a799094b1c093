//! Which web pages may do what: the portal's own, those on the list, and all others.

use std::str::FromStr;

use actix_web::HttpResponse;
use actix_web::dev::ServiceRequest;
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_METHOD, HeaderMap, HeaderName, HeaderValue, ORIGIN, REFERER, VARY,
};
use actix_web::http::{Method, StatusCode};
use url::Url;

/// What pages of other origins may send beside what browsers allow anybody.
const REQUEST_HEADERS: HeaderValue = HeaderValue::from_static(
    "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, X-CSRF-Token",
);

/// What they may read.
const ANSWER_HEADERS: HeaderValue = HeaderValue::from_static(
    "Age, ETag, Idempotency-Replayed, Link, Location, RateLimit, RateLimit-Policy, Retry-After, \
     X-Cache, X-Request-Id",
);

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE");

/// Seconds for which browsers may remember what they were told; a change of the list takes this
/// long to reach those who asked before.
const REMEMBERED_SECONDS: HeaderValue = HeaderValue::from_static("600");

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What answers vary by where there is a list.
const VARY_BY_ORIGIN: HeaderValue = HeaderValue::from_static("Origin");
const VARY_BY_PREFLIGHT: HeaderValue = HeaderValue::from_static(
    "Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
);

/// Origins whose pages may read the API with a person's session, such as
/// `https://app.example.com`; compared byte for byte.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowedOrigins(Vec<String>);

/// A part of the text is no origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "entry {position} is no https origin as browsers write it, such as https://app.example.com"
)]
pub struct InvalidOrigin {
    /// Which entry, from 1.
    pub position: usize,
}

impl FromStr for AllowedOrigins {
    type Err = InvalidOrigin;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let entries = text.split(',').map(str::trim).enumerate();
        entries
            .filter(|_| !text.trim().is_empty())
            .map(|(index, entry)| {
                is_origin(entry)
                    .then(|| entry.to_owned())
                    .ok_or(InvalidOrigin { position: index + 1 })
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

/// Plain http is for pages on this machine, which no network can change on their way.
fn is_origin(text: &str) -> bool {
    let Ok(url) = Url::parse(text) else { return false };
    let is_local = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    let is_safe = url.scheme() == "https" || (url.scheme() == "http" && is_local);
    // A parser of addresses takes a star for a part of a name.
    let is_plain =
        text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:/[]".contains(&byte));
    is_safe && is_plain && url.origin().ascii_serialization() == text
}

/// The portal's own origin and the others that it knows.
#[derive(Clone, Debug)]
pub(crate) struct Origins {
    own: String,
    allowed: AllowedOrigins,
}

/// A request that changes something came with a cookie and from somewhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FromElsewhere;

impl Origins {
    pub(crate) fn new(base_url: &Url, allowed: AllowedOrigins) -> Self {
        Self { own: base_url.origin().ascii_serialization(), allowed }
    }

    /// Refuses what did not come from a page of the portal or of the list.
    ///
    /// `Sec-Fetch-Site` decides where it is sent: no page can write it. `Origin` then may be
    /// missing, or hidden (`null`) by the page's referrer policy. Older browsers send `Origin`, or at
    /// least `Referer`; whoever sends none of the three is asked to name the portal's origin.
    pub(crate) fn check(&self, headers: &HeaderMap) -> Result<(), FromElsewhere> {
        let origin = headers.get(ORIGIN).map(HeaderValue::as_bytes);
        let is_own = |origin: &[u8]| origin == self.own.as_bytes();
        let is_known = |origin: &[u8]| is_own(origin) || self.is_allowed(origin);
        let is_accepted = match headers.get(SEC_FETCH_SITE).map(HeaderValue::as_bytes) {
            Some(b"same-origin" | b"none") => {
                origin.is_none_or(|origin| origin == b"null" || is_known(origin))
            }
            Some(_) => origin.is_some_and(|origin| self.is_allowed(origin)),
            None => match origin {
                Some(origin) => is_known(origin),
                None => referring_origin(headers).is_some_and(|origin| is_known(origin.as_bytes())),
            },
        };
        if is_accepted { Ok(()) } else { Err(FromElsewhere) }
    }

    fn is_allowed(&self, origin: &[u8]) -> bool {
        self.allowed.0.iter().any(|allowed| allowed.as_bytes() == origin)
    }

    /// The answer to a browser that asks whether a page of the list may send a request.
    pub(super) fn preflight(&self, request: &ServiceRequest) -> Option<HttpResponse> {
        let headers = request.headers();
        let is_preflight = request.method() == Method::OPTIONS
            && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        let origin = headers.get(ORIGIN).filter(|origin| self.is_allowed(origin.as_bytes()))?;
        is_preflight.then(|| {
            HttpResponse::build(StatusCode::NO_CONTENT)
                .insert_header((ACCESS_CONTROL_ALLOW_ORIGIN, origin))
                .insert_header((ACCESS_CONTROL_ALLOW_CREDENTIALS, "true"))
                .insert_header((ACCESS_CONTROL_ALLOW_METHODS, METHODS))
                .insert_header((ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS))
                .insert_header((ACCESS_CONTROL_MAX_AGE, REMEMBERED_SECONDS))
                .insert_header((VARY, VARY_BY_PREFLIGHT))
                .finish()
        })
    }

    /// What is said in answers to pages of the list; `None` where nothing is to be said.
    pub(super) fn sharing(&self, headers: &HeaderMap) -> Option<Sharing> {
        if self.allowed.0.is_empty() {
            return None;
        }
        let origin = headers.get(ORIGIN).filter(|origin| self.is_allowed(origin.as_bytes()));
        Some(Sharing { origin: origin.cloned() })
    }
}

/// With whom an answer is shared.
#[derive(Clone, Debug)]
pub(super) struct Sharing {
    origin: Option<HeaderValue>,
}

impl Sharing {
    /// Says it, unless it is said already. Caches learn in any case that the answer depends on who
    /// asked.
    pub(super) fn tell(&self, headers: &mut HeaderMap) {
        if headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
            return;
        }
        headers.append(VARY, VARY_BY_ORIGIN);
        if let Some(origin) = &self.origin {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, ANSWER_HEADERS);
        }
    }
}

fn referring_origin(headers: &HeaderMap) -> Option<String> {
    let referer = Url::parse(headers.get(REFERER)?.to_str().ok()?).ok()?;
    Some(referer.origin().ascii_serialization())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins() -> Origins {
        let own = "https://portal.example".parse().unwrap();
        Origins::new(&own, "https://app.example, http://localhost:3000".parse().unwrap())
    }

    #[test]
    fn only_known_pages_change_something() {
        let table: &[(&[(&str, &str)], bool)] = &[
            (&[("sec-fetch-site", "same-origin")], true),
            (&[("sec-fetch-site", "none")], true),
            (&[("sec-fetch-site", "same-site")], false),
            (&[("sec-fetch-site", "cross-site")], false),
            (&[("sec-fetch-site", "")], false),
            (&[("sec-fetch-site", "same-origin"), ("origin", "null")], true),
            (&[("sec-fetch-site", "cross-site"), ("origin", "null")], false),
            (&[("sec-fetch-site", "same-origin"), ("origin", "https://evil.example")], false),
            (&[("sec-fetch-site", "cross-site"), ("origin", "https://portal.example")], false),
            (&[("sec-fetch-site", "cross-site"), ("origin", "https://app.example")], true),
            (&[("sec-fetch-site", "same-site"), ("origin", "http://localhost:3000")], true),
            (&[("sec-fetch-site", "cross-site"), ("referer", "https://portal.example/")], false),
            (&[("origin", "https://portal.example")], true),
            (&[("origin", "https://app.example")], true),
            (&[("origin", "https://portal.example.evil.example")], false),
            (&[("origin", "http://portal.example")], false),
            (&[("origin", "https://portal.example:444")], false),
            (&[("origin", "https://PORTAL.example")], false),
            (&[("origin", "null")], false),
            (&[("origin", "")], false),
            (&[("origin", ""), ("referer", "https://portal.example/jobs")], false),
            (&[("referer", "https://portal.example/jobs?q=1")], true),
            (&[("referer", "https://portal.example.evil.example/")], false),
            (&[("referer", "https://evil.example/https://portal.example/")], false),
            (&[("referer", "portal.example")], false),
            (&[], false),
        ];
        for (sent, is_accepted) in table {
            let mut headers = HeaderMap::new();
            for (name, value) in *sent {
                headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
            }
            assert_eq!(origins().check(&headers).is_ok(), *is_accepted, "{sent:?}");
        }
    }

    #[test]
    fn a_list_has_exact_origins_only() {
        for text in [
            "*",
            "null",
            "https://*.example.com",
            "https://app.example/",
            "https://app.example:443",
            "https://App.example",
            "http://app.example",
            "app.example",
            "https://app.example,",
            "https://user@app.example",
        ] {
            assert!(text.parse::<AllowedOrigins>().is_err(), "{text}");
        }
        assert_eq!("".parse(), Ok(AllowedOrigins::default()));
        let two: AllowedOrigins = "https://a.example , https://b.example:8443".parse().unwrap();
        assert_eq!(two.0, ["https://a.example", "https://b.example:8443"]);
    }

    #[test]
    fn nothing_is_said_where_there_is_no_list() {
        let own = "https://portal.example".parse().unwrap();
        let origins = Origins::new(&own, AllowedOrigins::default());
        let mut headers = HeaderMap::new();
        headers.insert(ORIGIN, HeaderValue::from_static("https://app.example"));
        assert!(origins.sharing(&headers).is_none());
    }
}
