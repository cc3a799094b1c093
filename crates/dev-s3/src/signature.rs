//! Signatures of version 4, made once more from what came and compared.
//!
//! After AWS's description of how a request is signed with its header:
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html>

use std::collections::BTreeMap;
use std::fmt::Write as _;

use aws_lc_rs::{digest, hmac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use time::{Date, Month, OffsetDateTime, Time};

use crate::http::Request;

/// What stays as it is in a canonical name: letters, digits and these.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// How far the clocks may be apart, in seconds.
const SKEW: i64 = 15 * 60;

/// Who may sign.
#[derive(Debug)]
pub(crate) struct Signer {
    key_id: String,
    secret: String,
    region: String,
}

/// Why a request is not believed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: &'static str,
    /// Elements of the answer that repeat what was sent.
    pub(crate) details: String,
}

fn refused(code: &'static str) -> Refusal {
    Refusal { code, details: String::new() }
}

impl Signer {
    pub(crate) fn new(key_id: &str, secret: &str, region: &str) -> Self {
        let (key_id, secret) = (key_id.to_owned(), secret.to_owned());
        Self { key_id, secret, region: region.to_owned() }
    }

    /// Believes a request or says why not.
    pub(crate) fn check(&self, request: &Request, now: OffsetDateTime) -> Result<(), Refusal> {
        let given = request.header("authorization").ok_or_else(|| refused("AccessDenied"))?;
        let fields = fields(given).ok_or_else(|| refused("AuthorizationHeaderMalformed"))?;
        let field = |name: &str| fields.get(name).copied().unwrap_or_default();
        let mut scope = field("Credential").splitn(2, '/');
        let (key_id, scope) = (scope.next().unwrap_or_default(), scope.next().unwrap_or_default());
        if key_id != self.key_id {
            let mut refusal = refused("InvalidAccessKeyId");
            refusal.details = format!("<AWSAccessKeyId>{key_id}</AWSAccessKeyId>");
            return Err(refusal);
        }
        let stamp = request.header("x-amz-date").ok_or_else(|| refused("AccessDenied"))?;
        let at = moment(stamp).ok_or_else(|| refused("AccessDenied"))?;
        if (now - at).whole_seconds().abs() > SKEW {
            return Err(refused("RequestTimeTooSkewed"));
        }
        let day = stamp.get(..8).unwrap_or_default();
        if scope != format!("{day}/{}/s3/aws4_request", self.region) {
            return Err(refused("AuthorizationHeaderMalformed"));
        }
        let signed: Vec<&str> = field("SignedHeaders").split(';').collect();
        let must_be_signed =
            |name: &str| name == "host" || name == "content-md5" || name.starts_with("x-amz-");
        let mut all = request.headers.iter().map(|(name, _)| name.as_str());
        if !signed.contains(&"host")
            || all.any(|name| must_be_signed(name) && !signed.contains(&name))
        {
            return Err(refused("AccessDenied"));
        }
        let content = request.header("x-amz-content-sha256").unwrap_or_default();
        if content != sha256(&request.body) {
            return Err(refused("XAmzContentSHA256Mismatch"));
        }
        let canonical = canonical(request, &signed, content);
        let to_sign =
            format!("AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{}", sha256(canonical.as_bytes()));
        if self.sign(&to_sign, day) == field("Signature") {
            return Ok(());
        }
        let token = request.header("x-amz-security-token").unwrap_or_default();
        Err(Refusal {
            code: "SignatureDoesNotMatch",
            details: format!(
                "<AWSAccessKeyId>{key_id}</AWSAccessKeyId><StringToSign>{to_sign}</StringToSign>\
                 <CanonicalRequest>{}</CanonicalRequest><SignatureProvided>{}</SignatureProvided>\
                 <Token-0>{token}</Token-0>",
                canonical.replace('&', "&amp;"),
                field("Signature"),
            ),
        })
    }

    fn sign(&self, text: &str, day: &str) -> String {
        let mut key = format!("AWS4{}", self.secret).into_bytes();
        for part in [day, self.region.as_str(), "s3", "aws4_request"] {
            key = keyed(&key, part.as_bytes());
        }
        hex(&keyed(&key, text.as_bytes()))
    }
}

/// `AWS4-HMAC-SHA256 Name=value, Name=value, …`.
fn fields(header: &str) -> Option<BTreeMap<&str, &str>> {
    let fields = header.strip_prefix("AWS4-HMAC-SHA256 ")?.split(',');
    fields.map(|field| field.trim().split_once('=')).collect()
}

/// `20130524T000000Z`.
fn moment(text: &str) -> Option<OffsetDateTime> {
    let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<u8>().ok();
    let year = text.get(..4)?.parse().ok()?;
    let month = Month::try_from(number(4..6)?).ok()?;
    let date = Date::from_calendar_date(year, month, number(6..8)?).ok()?;
    let time = Time::from_hms(number(9..11)?, number(11..13)?, number(13..15)?).ok()?;
    Some(date.with_time(time).assume_utc())
}

fn canonical(request: &Request, signed: &[&str], content: &str) -> String {
    let path: Vec<String> = request.path.split('/').map(escaped).collect();
    let mut query: Vec<String> = request
        .query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            format!("{}={}", escaped(name), escaped(value))
        })
        .collect();
    query.sort();
    let mut headers = String::new();
    for name in signed {
        let _ = writeln!(headers, "{name}:{}", request.header(name).unwrap_or_default());
    }
    format!(
        "{}\n{}\n{}\n{headers}\n{}\n{content}",
        request.method,
        path.join("/"),
        query.join("&"),
        signed.join(";"),
    )
}

/// The canonical spelling of what may have been escaped in any.
fn escaped(text: &str) -> String {
    let plain: Vec<u8> = percent_decode_str(text).collect();
    let plain = String::from_utf8_lossy(&plain);
    utf8_percent_encode(&plain, ESCAPED).to_string()
}

fn keyed(key: &[u8], text: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text).as_ref().to_vec()
}

/// SHA-256 in hexadecimal digits.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    let mut digits = String::new();
    for byte in bytes {
        let _ = write!(digits, "{byte:02x}");
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of AWS's own description, signature included.
    fn example() -> Request {
        let empty = sha256(b"");
        let headers = [
            ("host", "examplebucket.s3.amazonaws.com"),
            ("range", "bytes=0-9"),
            ("x-amz-content-sha256", empty.as_str()),
            ("x-amz-date", "20130524T000000Z"),
            (
                "authorization",
                "AWS4-HMAC-SHA256 \
                 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,\
                 SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,\
                 Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
            ),
        ];
        Request {
            method: "GET".to_owned(),
            path: "/test.txt".to_owned(),
            query: String::new(),
            headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
            body: Vec::new(),
        }
    }

    #[test]
    fn the_published_example_is_believed_and_nothing_near_it() {
        let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
        let signer = Signer::new("AKIAIOSFODNN7EXAMPLE", secret, "us-east-1");
        let now = moment("20130524T000500Z").unwrap();
        assert_eq!(signer.check(&example(), now), Ok(()));
        let code = |request: &Request| signer.check(request, now).unwrap_err().code;
        let other_path = Request { path: "/test2.txt".to_owned(), ..example() };
        assert_eq!(code(&other_path), "SignatureDoesNotMatch");
        let other_method = Request { method: "DELETE".to_owned(), ..example() };
        assert_eq!(code(&other_method), "SignatureDoesNotMatch");
        let other_query = Request { query: "uploads=".to_owned(), ..example() };
        assert_eq!(code(&other_query), "SignatureDoesNotMatch");
        let with_body = Request { body: b"x".to_vec(), ..example() };
        assert_eq!(code(&with_body), "XAmzContentSHA256Mismatch");
        let mut unsigned = example();
        unsigned.headers.push(("x-amz-acl".to_owned(), "public-read".to_owned()));
        assert_eq!(code(&unsigned), "AccessDenied");
        let late = moment("20130524T002000Z").unwrap();
        assert_eq!(signer.check(&example(), late).unwrap_err().code, "RequestTimeTooSkewed");
        let other = Signer::new("AKIAIOSFODNN7EXAMPLE", "another", "us-east-1");
        assert_eq!(other.check(&example(), now).unwrap_err().code, "SignatureDoesNotMatch");
    }
}
