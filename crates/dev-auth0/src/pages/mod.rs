//! The pages: HTML without scripts and without anything from elsewhere.

pub(crate) mod sign_in;

use std::fmt::Write as _;

use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};
use url::Url;

use crate::parameters::Parameters;

const STYLE: &str = include_str!("style.css");

/// A page with headers that allow nothing but its own style and forms.
///
/// Browsers hold redirects after a form to the form's policy, so the callback's origin has to be
/// in it.
pub(crate) fn respond(status: StatusCode, page: &str, callback: Option<&str>) -> HttpResponse {
    let style = STANDARD.encode(Sha256::digest(STYLE.as_bytes()));
    let target = callback
        .and_then(|callback| Url::parse(callback).ok())
        .map(|url| url.origin().ascii_serialization())
        .unwrap_or_default();
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; img-src data:; \
         form-action 'self' {target}; base-uri 'none'; frame-ancestors 'none'"
    );
    HttpResponse::build(status)
        .insert_header((header::CONTENT_TYPE, "text/html; charset=utf-8"))
        .insert_header((header::CONTENT_SECURITY_POLICY, policy))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(page.to_owned())
}

/// A page that says one thing.
pub(crate) fn message(title: &str, text: &str) -> String {
    document(title, &format!("<h1>{}</h1><p class=\"lead\">{}</p>", escape(title), escape(text)))
}

/// The question that is asked when an application wants to sign a browser out, but does not know
/// whose session it is.
pub(crate) fn confirm_logout(sid: &str, parameters: &Parameters) -> String {
    let mut fields = hidden("logout_hint", sid);
    for name in ["client_id", "post_logout_redirect_uri", "state"] {
        if let Some(value) = parameters.get(name) {
            fields.push_str(&hidden(name, value));
        }
    }
    let form = format!(
        "<h1>Sign out?</h1><p class=\"lead\">You are about to be signed out of all applications.</p>\
         <form method=\"post\" action=\"/oidc/logout\">{fields}\
         <button class=\"plain\" type=\"submit\">Sign out</button></form>"
    );
    document("Sign out?", &form)
}

/// A whole document around the content of its main part.
fn document(title: &str, main: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{title} · dev-auth0</title><link rel=\"icon\" href=\"data:,\">\
         <style>{STYLE}</style></head><body><main>{main}</main>\
         <footer><strong>dev-auth0</strong> stands in for Auth0 in development and tests. \
         It asks for no password.</footer></body></html>",
        title = escape(title),
    )
}

fn hidden(name: &str, value: &str) -> String {
    format!("<input type=\"hidden\" name=\"{}\" value=\"{}\">", escape(name), escape(value))
}

/// Text that is safe between tags and within quoted attributes.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' | '\'' => {
                // Writing to a String does not fail.
                let _ = write!(escaped, "&#{};", u32::from(character));
            }
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_become_markup() {
        assert_eq!(escape("<b a=\"x\" c='y'>&"), "&lt;b a=&#34;x&#34; c=&#39;y&#39;&gt;&amp;");
        assert!(!message("<script>", "</main><script>").contains("<script>"));
    }

    #[test]
    fn the_style_is_the_one_that_the_policy_allows() {
        assert!(message("a", "b").contains(&format!("<style>{STYLE}</style>")));
        assert!(!STYLE.contains("url(") && !STYLE.contains("@import"));
    }
}
