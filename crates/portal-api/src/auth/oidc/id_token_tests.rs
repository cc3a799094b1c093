//! Every rule of the verification, as a table: a token that breaks one rule and is refused for it.

use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tenancy::OrgId;
use time::OffsetDateTime;
use time::macros::datetime;

use super::id_token::{Identity, Rules, verify as verify_token};
use super::jws::{MAX_TOKEN_BYTES, Unverified};
use super::tests_support::{KEY, OTHER_KEY, message};
use super::token_error::TokenError;

const NOW: OffsetDateTime = datetime!(2026-11-20 12:00 UTC);
const HEADER: &str = r#"{"alg":"RS256","typ":"JWT","kid":"k1"}"#;

fn now() -> i64 {
    NOW.unix_timestamp()
}

fn rules(organization: Option<&OrgId>) -> Rules<'_> {
    Rules {
        issuer: "https://login.example/",
        client_id: "portal",
        nonce: "the-nonce",
        organization,
        now: NOW,
        skew: Duration::from_secs(30),
    }
}

fn claims() -> Value {
    json!({
        "iss": "https://login.example/",
        "aud": "portal",
        "sub": "auth0|ada",
        "iat": now() - 5,
        "exp": now() + 36_000,
        "nonce": "the-nonce",
        "sid": "idp-1",
        "org_id": "org_9f2cA1",
        "name": "Ada Example",
        "email": "ada@example.com",
        "email_verified": true,
    })
}

/// The claims with one of them replaced, or removed where the value is `None`.
fn with(name: &str, value: Option<Value>) -> String {
    let mut claims = claims();
    match value {
        Some(value) => claims[name] = value,
        None => {
            claims.as_object_mut().unwrap().remove(name);
        }
    }
    claims.to_string()
}

fn verify_for(token: &str, organization: Option<&str>) -> Result<Identity, TokenError> {
    let organization = organization.map(|org| org.parse().unwrap());
    verify_token(&Unverified::parse(token)?, &KEY.verifying(), &rules(organization.as_ref()))
}

fn verify(token: &str) -> Result<Identity, TokenError> {
    verify_for(token, Some("org_9f2cA1"))
}

fn verify_claims(claims: &str) -> Result<Identity, TokenError> {
    verify(&KEY.sign(HEADER, claims))
}

fn verify_header(header: &str) -> Result<Identity, TokenError> {
    verify(&KEY.sign(header, &claims().to_string()))
}

/// The name of the rule that a token broke.
fn broken(result: Result<Identity, TokenError>) -> String {
    let debug = format!("{:?}", result.expect_err("the token must be refused"));
    debug.split(['(', ' ']).next().unwrap().to_owned()
}

#[test]
fn a_token_that_breaks_no_rule_is_accepted() {
    let identity = verify_claims(&claims().to_string()).unwrap();
    let expected = Identity {
        subject: "auth0|ada".to_owned(),
        organization: Some("org_9f2cA1".parse().unwrap()),
        name: Some("Ada Example".to_owned()),
        email: Some("ada@example.com".to_owned()),
        is_email_unverified: false,
        roles: None,
        idp_sid: Some("idp-1".to_owned()),
        session_expiry: None,
    };
    assert!(identity == expected, "{identity:?}");
    for unverified in [None, Some(json!(false))] {
        let identity = verify_claims(&with("email_verified", unverified)).unwrap();
        assert!(identity.is_email_unverified, "nobody says that it is theirs");
    }
}

#[test]
fn each_claim_is_checked() {
    let table = [
        ("iss", None, "Claims"),
        ("iss", Some(json!("https://login.example")), "Issuer"),
        ("iss", Some(json!("https://evil.example/")), "Issuer"),
        ("iss", Some(json!(["https://login.example/", "https://evil.example/"])), "Claims"),
        ("iss", Some(json!(7)), "Claims"),
        ("aud", None, "Claims"),
        ("aud", Some(json!(7)), "Claims"),
        ("aud", Some(json!("another")), "Audience"),
        ("aud", Some(json!([])), "Audience"),
        ("aud", Some(json!(["another", "third"])), "Audience"),
        ("aud", Some(json!(["portal", "another"])), "AuthorizedParty"),
        ("azp", Some(json!("another")), "AuthorizedParty"),
        ("azp", Some(json!(7)), "Claims"),
        ("sub", None, "Claims"),
        ("sub", Some(json!("")), "Subject"),
        ("sub", Some(json!("a\nb")), "Subject"),
        ("sub", Some(json!("s".repeat(256))), "Subject"),
        ("exp", None, "Claims"),
        ("exp", Some(json!("soon")), "Claims"),
        ("exp", Some(json!(now() - 30)), "Expired"),
        ("exp", Some(json!(1_000_000_000_000_000_000_i64)), "Lifetime"),
        ("exp", Some(json!(i64::MAX)), "Lifetime"),
        ("exp", Some(json!(1e18)), "Claims"),
        ("exp", Some(json!(-1)), "Expired"),
        ("iat", None, "Claims"),
        ("iat", Some(json!(now() + 3_600)), "IssuedInFuture"),
        ("iat", Some(json!(now() + 31)), "IssuedInFuture"),
        ("iat", Some(json!(i64::MIN)), "Lifetime"),
        ("nbf", Some(json!(now() + 3_600)), "NotYetValid"),
        ("nbf", Some(json!("now")), "Claims"),
        ("nonce", None, "Nonce"),
        ("nonce", Some(json!("another")), "Nonce"),
        ("nonce", Some(json!("")), "Nonce"),
        ("nonce", Some(json!(["the-nonce"])), "Claims"),
        ("org_id", None, "Organization"),
        ("org_id", Some(json!("org_other")), "Organization"),
        ("org_id", Some(json!("ORG_9f2cA1")), "Organization"),
        ("org_id", Some(json!("org_a:b")), "Organization"),
        ("org_id", Some(json!({"id": "org_9f2cA1"})), "Claims"),
    ];
    for (name, value, rule) in table {
        let text = with(name, value.clone());
        assert_eq!(broken(verify_claims(&text)), rule, "{name}: {value:?}");
    }
}

#[test]
fn clocks_may_differ_a_little() {
    for (name, value) in [("iat", now() + 30), ("nbf", now() + 30)] {
        assert!(verify_claims(&with(name, Some(json!(value)))).is_ok(), "{name}");
    }
    let mut over = claims();
    over["iat"] = json!(now() - 629);
    over["exp"] = json!(now() - 29);
    assert!(verify_claims(&over.to_string()).is_ok());
}

#[test]
fn several_audiences_need_the_authorized_party() {
    let mut several = claims();
    several["aud"] = json!(["portal", "https://api.example"]);
    several["azp"] = json!("portal");
    assert!(verify_claims(&several.to_string()).is_ok());
    assert!(verify_claims(&with("aud", Some(json!(["portal"])))).is_ok());
}

#[test]
fn a_claim_that_is_there_twice_is_refused() {
    let text = claims().to_string();
    let twice = text.replacen('{', r#"{"iss":"https://evil.example/","#, 1);
    assert_eq!(broken(verify_claims(&twice)), "Claims");
}

#[test]
fn each_header_is_checked() {
    let table = [
        (r#"{"alg":"none","typ":"JWT","kid":"k1"}"#, "Algorithm"),
        (r#"{"alg":"HS256","typ":"JWT","kid":"k1"}"#, "Algorithm"),
        (r#"{"alg":"RS512","typ":"JWT","kid":"k1"}"#, "Algorithm"),
        (r#"{"alg":"rs256","typ":"JWT","kid":"k1"}"#, "Algorithm"),
        (r#"{"alg":["RS256"],"kid":"k1"}"#, "Malformed"),
        (r#"{"typ":"JWT","kid":"k1"}"#, "Malformed"),
        (r#"{"alg":"RS256","alg":"RS256","kid":"k1"}"#, "Malformed"),
        (r#"{"alg":"RS256","typ":"logout+jwt","kid":"k1"}"#, "Type"),
        (r#"{"alg":"RS256","typ":"at+jwt","kid":"k1"}"#, "Type"),
        (r#"{"alg":"RS256","typ":"JWT"}"#, "UnknownKey"),
        (r#"{"alg":"RS256","typ":"JWT","kid":""}"#, "UnknownKey"),
        (r#"{"alg":"RS256","typ":"JWT","kid":"a b"}"#, "UnknownKey"),
        (r#"{"alg":"RS256","typ":"JWT","kid":"k1","crit":["x"]}"#, "Header"),
        (r#"{"alg":"RS256","typ":"JWT","kid":"k1","crit":null}"#, "Header"),
        (r#"{"alg":"RS256","typ":"JWT","kid":"k1","b64":false,"crit":["b64"]}"#, "Header"),
        (r#"{"alg":"RS256","kid":"k1","jku":"https://evil.example/keys"}"#, "Header"),
        (r#"{"alg":"RS256","kid":"k1","x5u":"https://evil.example/cert"}"#, "Header"),
        (r#"{"alg":"RS256","kid":"k1","x5c":["AAAA"]}"#, "Header"),
        (r#"{"alg":"RS256","kid":"k1","jwk":{"kty":"RSA","n":"AQ","e":"AQAB"}}"#, "Header"),
        (r#"{"alg":"RS256","kid":"k1","zip":"DEF"}"#, "Header"),
        ("[]", "Malformed"),
    ];
    for (header, rule) in table {
        assert_eq!(broken(verify_header(header)), rule, "{header}");
    }
    assert!(verify_header(r#"{"alg":"RS256","kid":"k1"}"#).is_ok(), "the type may be left out");
    assert!(verify_header(r#"{"alg":"RS256","typ":"jwt","kid":"k1","x5t":"AAAA"}"#).is_ok());
}

#[test]
fn the_signature_is_checked() {
    let claims = claims().to_string();
    assert_eq!(broken(verify(&OTHER_KEY.sign(HEADER, &claims))), "Signature");

    let good = KEY.sign(HEADER, &claims);
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let other_claims = message(HEADER, &with("sub", Some(json!("auth0|eve"))));
    assert_eq!(broken(verify(&format!("{other_claims}.{signature}"))), "Signature");
    assert_eq!(broken(verify(&format!("{signed}."))), "Algorithm");
    assert_eq!(broken(verify(&format!("{signed}.AAAA"))), "Signature");
}

#[test]
fn the_public_key_is_no_hmac_secret() {
    let key = hmac::Key::new(hmac::HMAC_SHA256, KEY.public_der());
    for alg in ["HS256", "RS256"] {
        let header = HEADER.replace("RS256", alg);
        let message = message(&header, &claims().to_string());
        let tag = URL_SAFE_NO_PAD.encode(hmac::sign(&key, message.as_bytes()));
        let rule = broken(verify(&format!("{message}.{tag}")));
        assert!(rule == "Algorithm" || rule == "Signature", "{alg}: {rule}");
    }
}

#[test]
fn what_is_no_token_is_refused_before_it_is_decoded() {
    for text in ["", ".", "..", "a.b", "a.b.c.d", "!.!.!", "e30.e30.e30", "\u{0}.\u{0}.\u{0}"] {
        assert!(verify(text).is_err(), "{text:?}");
    }
    let long = with("name", Some(json!("n".repeat(MAX_TOKEN_BYTES))));
    assert_eq!(broken(verify_claims(&long)), "TooLong");
}

#[test]
fn an_organization_is_taken_as_it_comes_where_none_was_asked_for() {
    let token = KEY.sign(HEADER, &claims().to_string());
    let identity = verify_for(&token, None).unwrap();
    assert_eq!(identity.organization, Some("org_9f2cA1".parse().unwrap()));
    let token = KEY.sign(HEADER, &with("org_id", None));
    assert_eq!(verify_for(&token, None).unwrap().organization, None);
    let token = KEY.sign(HEADER, &with("org_id", Some(json!("org_{x}"))));
    assert_eq!(broken(verify_for(&token, None)), "Organization");
}

#[test]
fn what_is_taken_over_about_a_person_is_bounded() {
    let named = |name: Value| verify_claims(&with("name", Some(name))).unwrap().name;
    assert_eq!(named(json!("  Ada\u{7}\r\n Example ")), Some("Ada Example".to_owned()));
    assert_eq!(named(json!("\u{0}")), None);
    assert_eq!(named(json!("ä".repeat(500))), Some("ä".repeat(200)));
    let long = format!("{}@example.com", "a".repeat(320));
    assert_eq!(verify_claims(&with("email", Some(json!(long)))).unwrap().email, None);
    let expiry = verify_claims(&with("session_expiry", Some(json!(now() + 60)))).unwrap();
    assert_eq!(expiry.session_expiry, Some(NOW + Duration::from_mins(1)));
    let debug = format!("{:?}", verify_claims(&claims().to_string()).unwrap());
    assert!(!debug.contains("ada") && !debug.contains("idp-1"), "{debug}");
}
