//! AWS Signature Version 4 of one kind: a GET without a body, its signature in the query.

use std::fmt::Write;
use std::time::Duration;

use aws_lc_rs::{digest, hmac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};
use time::OffsetDateTime;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// RFC 3986's unreserved characters are the only ones that stay as they are.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Who signs.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    pub(super) access_key_id: String,
    pub(super) secret_access_key: SecretString,
    pub(super) session_token: Option<SecretString>,
}

/// What is signed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request<'a> {
    pub(super) host: &'a str,
    /// Encoded already.
    pub(super) path: &'a str,
    pub(super) query: &'a [(&'a str, &'a str)],
    pub(super) region: &'a str,
    pub(super) service: &'a str,
    /// What the service expects in the place of the body's hash.
    pub(super) payload: &'a str,
    pub(super) at: OffsetDateTime,
    pub(super) expires: Duration,
}

impl Request<'_> {
    /// The request's URL without its scheme, signed.
    pub(super) fn presign(&self, keys: &Keys) -> String {
        let parameters = self.parameters(keys);
        let signature = self.signature(keys, &self.text_to_sign(&parameters));
        let query = joined(&parameters);
        format!("{}{}?{query}&X-Amz-Signature={signature}", self.host, self.path)
    }

    /// The query with everything but the signature, each part encoded, in the order of sending.
    fn parameters(&self, keys: &Keys) -> Vec<(String, String)> {
        let credential = format!("{}/{}", keys.access_key_id, self.scope());
        let (moment, expires) = (self.moment(), self.expires.as_secs().to_string());
        let mut parameters = self.query.to_vec();
        parameters.extend([
            ("X-Amz-Algorithm", ALGORITHM),
            ("X-Amz-Credential", &credential),
            ("X-Amz-Date", &moment),
            ("X-Amz-Expires", &expires),
            ("X-Amz-SignedHeaders", "host"),
        ]);
        if let Some(token) = &keys.session_token {
            parameters.push(("X-Amz-Security-Token", token.expose_secret()));
        }
        parameters.into_iter().map(|(name, value)| (encoded(name), encoded(value))).collect()
    }

    fn canonical(&self, parameters: &[(String, String)]) -> String {
        let mut sorted = parameters.to_vec();
        sorted.sort_unstable();
        let query = joined(&sorted);
        format!("GET\n{}\n{query}\nhost:{}\n\nhost\n{}", self.path, self.host, self.payload)
    }

    fn text_to_sign(&self, parameters: &[(String, String)]) -> String {
        let hash = digest::digest(&digest::SHA256, self.canonical(parameters).as_bytes());
        let (moment, scope) = (self.moment(), self.scope());
        format!("{ALGORITHM}\n{moment}\n{scope}\n{}", hexadecimal(hash.as_ref()))
    }

    fn signature(&self, keys: &Keys, text: &str) -> String {
        let key = signing_key(&keys.secret_access_key, &self.day(), self.region, self.service);
        hexadecimal(hmac::sign(&key, text.as_bytes()).as_ref())
    }

    fn scope(&self) -> String {
        format!("{}/{}/{}/aws4_request", self.day(), self.region, self.service)
    }

    fn day(&self) -> String {
        let (year, month, day) = self.at.to_utc().date().to_calendar_date();
        format!("{year:04}{:02}{day:02}", u8::from(month))
    }

    fn moment(&self) -> String {
        let (hour, minute, second) = self.at.to_utc().as_hms();
        format!("{}T{hour:02}{minute:02}{second:02}Z", self.day())
    }
}

/// Good for one day, region and service.
fn signing_key(secret: &SecretString, day: &str, region: &str, service: &str) -> hmac::Key {
    let first = SecretString::from(format!("AWS4{}", secret.expose_secret()));
    let first = hmac::Key::new(hmac::HMAC_SHA256, first.expose_secret().as_bytes());
    [day, region, service, "aws4_request"].into_iter().fold(first, |key, part| {
        hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&key, part.as_bytes()).as_ref())
    })
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

fn joined(parameters: &[(String, String)]) -> String {
    let parts: Vec<_> = parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
    parts.join("&")
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod vectors;
