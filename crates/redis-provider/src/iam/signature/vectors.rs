//! The signer against what AWS and others published. No expected value here comes from our code.

use std::fs;
use std::path::Path;

use percent_encoding::percent_decode_str;
use serde_json::Value;
use time::format_description::well_known::Rfc3339;
use time::macros::datetime;

use super::*;

const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn keys(access_key_id: &str, secret: &str, session_token: Option<&str>) -> Keys {
    Keys {
        access_key_id: access_key_id.to_owned(),
        secret_access_key: secret.into(),
        session_token: session_token.map(SecretString::from),
    }
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8().unwrap().into_owned()
}

#[test]
fn cases_of_the_signing_test_suite_come_out_as_published() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/aws-signing-test-suite");
    let mut cases = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let case = entry.unwrap().path();
        if case.is_dir() {
            signs_as_published(&case);
            cases += 1;
        }
    }
    assert_eq!(cases, 8);
}

fn signs_as_published(case: &Path) {
    let read = |name: &str| fs::read_to_string(case.join(name)).unwrap();
    let context: Value = serde_json::from_str(&read("context.json")).unwrap();
    let text = |name: &str| context[name].as_str().unwrap();
    let credential = |name: &str| context["credentials"][name].as_str();
    let keys = keys(
        credential("access_key_id").unwrap(),
        credential("secret_access_key").unwrap(),
        credential("token"),
    );

    let request = read("request.txt");
    let mut lines = request.lines();
    let target = lines.next().unwrap().split(' ').nth(1).unwrap();
    let host = lines.next().unwrap().strip_prefix("Host:").unwrap();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let query: Vec<(String, String)> = query
        .split_terminator('&')
        .map(|pair| pair.split_once('=').unwrap())
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect();
    let query: Vec<_> = query.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();

    let request = Request {
        host,
        path,
        query: &query,
        region: text("region"),
        service: text("service"),
        payload: EMPTY,
        at: OffsetDateTime::parse(text("timestamp"), &Rfc3339).unwrap(),
        expires: Duration::from_secs(context["expiration_in_seconds"].as_u64().unwrap()),
    };
    let parameters = request.parameters(&keys);
    let to_sign = request.text_to_sign(&parameters);
    let name = case.display();
    assert_eq!(request.canonical(&parameters), read("query-canonical-request.txt"), "{name}");
    assert_eq!(to_sign, read("query-string-to-sign.txt"), "{name}");
    assert_eq!(request.signature(&keys, &to_sign), read("query-signature.txt"), "{name}");
}

/// Amazon S3 API Reference, "Authenticating Requests: Using Query Parameters", its example.
#[test]
fn the_documented_presigned_url_comes_out_as_published() {
    let request = Request {
        host: "examplebucket.s3.amazonaws.com",
        path: "/test.txt",
        query: &[],
        region: "us-east-1",
        service: "s3",
        payload: "UNSIGNED-PAYLOAD",
        at: datetime!(2013-05-24 00:00 UTC),
        expires: Duration::from_secs(86400),
    };
    let keys = keys("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", None);
    assert_eq!(
        request.presign(&keys),
        "examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256\
         &X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request\
         &X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host\
         &X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404",
    );
}

/// AWS General Reference, "Examples of how to derive a signing key for Signature Version 4":
/// what HMAC of the empty text under the published key is tells the key, which cannot be read.
#[test]
fn the_documented_signing_key_comes_out_as_published() {
    let published = "f4780e2d9f65fa895f9c67b32ce1baf0b0d8a43505a000a1a9e090d414db404d";
    let published: Vec<u8> = (0..published.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&published[at..at + 2], 16).unwrap())
        .collect();
    let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into();
    let ours = signing_key(&secret, "20120215", "us-east-1", "iam");
    let theirs = hmac::Key::new(hmac::HMAC_SHA256, &published);
    assert_eq!(hmac::sign(&ours, b"").as_ref(), hmac::sign(&theirs, b"").as_ref());
}

/// An ElastiCache token of another implementation: Envoy's Redis proxy,
/// `test/extensions/filters/network/common/redis/aws_iam_authenticator_test.cc` (Apache-2.0).
#[test]
fn the_signature_of_envoys_token_is_ours() {
    let request = Request {
        host: "cachename",
        path: "/",
        query: &[("Action", "connect"), ("User", "test")],
        region: "region",
        service: "elasticache",
        payload: EMPTY,
        at: datetime!(2018-01-02 03:04:05 UTC),
        expires: Duration::from_secs(60),
    };
    let token = request.presign(&keys("akid", "secret", Some("token")));
    let signature = "3bf9d8841acb6db28373efcab8b9ccf1076a7a9ab39faf489002fa0555a1f89c";
    assert!(token.ends_with(&format!("&X-Amz-Signature={signature}")), "{token}");
}
