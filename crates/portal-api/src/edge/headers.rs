//! The headers that all answers share.

use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderMap, HeaderName, HeaderValue, REFERRER_POLICY,
    STRICT_TRANSPORT_SECURITY, VARY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};

/// Data is never a document: nothing in it may run, load or be framed.
const API_POLICY: &str =
    "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// Nothing of the portal's uses what browsers offer of the device; nor may what it frames.
const DEVICE_POLICY: &str = "accelerometer=(), autoplay=(), camera=(), display-capture=(), \
    encrypted-media=(), fullscreen=(), geolocation=(), gyroscope=(), magnetometer=(), \
    microphone=(), midi=(), payment=(), picture-in-picture=(), publickey-credentials-get=(), \
    screen-wake-lock=(), sync-xhr=(), usb=(), web-share=(), xr-spatial-tracking=()";

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What the headers depend on.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CommonHeaders {
    /// Whether the public origin is https, so that browsers may be told to insist on it.
    pub(crate) insists_on_https: bool,
}

/// Whether answers under `path` are one person's own.
pub(super) fn is_private(path: &str) -> bool {
    path.starts_with("/api/") || path.starts_with("/auth/")
}

impl CommonHeaders {
    /// Adds what is missing; a handler's own choice stands.
    pub(super) fn apply(self, headers: &mut HeaderMap, is_private: bool, request_id: &str) {
        let mut default = |name: HeaderName, value: &'static str| {
            if !headers.contains_key(&name) {
                headers.insert(name, HeaderValue::from_static(value));
            }
        };
        default(CONTENT_SECURITY_POLICY, API_POLICY);
        default(X_CONTENT_TYPE_OPTIONS, "nosniff");
        default(X_FRAME_OPTIONS, "DENY");
        default(REFERRER_POLICY, "no-referrer");
        default(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
        default(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
        default(HeaderName::from_static("cross-origin-embedder-policy"), "require-corp");
        default(HeaderName::from_static("permissions-policy"), DEVICE_POLICY);
        default(HeaderName::from_static("x-permitted-cross-domain-policies"), "none");
        default(HeaderName::from_static("x-dns-prefetch-control"), "off");
        if self.insists_on_https {
            default(STRICT_TRANSPORT_SECURITY, "max-age=31536000; includeSubDomains");
        }
        if is_private {
            default(CACHE_CONTROL, "private, no-store");
            vary_by_person(headers);
        }
        if let Ok(value) = HeaderValue::from_str(request_id) {
            headers.insert(X_REQUEST_ID, value);
        }
    }
}

/// Private answers depend on who asks, whatever else they depend on.
fn vary_by_person(headers: &mut HeaderMap) {
    const WHO_ASKS: &str = "Cookie, Authorization";
    let mut all: Vec<&str> =
        headers.get_all(VARY).filter_map(|value| value.to_str().ok()).collect();
    all.push(WHO_ASKS);
    let all = HeaderValue::from_str(&all.join(", "));
    headers.insert(VARY, all.unwrap_or(HeaderValue::from_static(WHO_ASKS)));
}
