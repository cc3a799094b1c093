//! One token for each rule, made wrong in exactly that.

use std::time::Duration;

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::logout_token::{Logout, LogoutTokenError, Rules, key_id, verify};
use super::tests_support::{KEY, OTHER_KEY};

const NOW: i64 = 1_700_000_000;
const HEADER: &str = r#"{"alg":"RS256","typ":"logout+jwt","kid":"k1"}"#;

fn claims() -> Value {
    json!({
        "iss": "https://login.example/", "aud": "portal", "sub": "auth0|ada", "sid": "idp-1",
        "iat": NOW, "exp": NOW + 120, "jti": "t-1",
        "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
        "trace_id": "x",
    })
}

fn checked(header: &str, claims: &Value) -> Result<Logout, LogoutTokenError> {
    let token = KEY.sign(header, &claims.to_string());
    key_id(&token)?;
    let rules = Rules {
        issuer: "https://login.example/",
        client_id: "portal",
        now: OffsetDateTime::from_unix_timestamp(NOW).unwrap(),
        skew: Duration::from_secs(30),
    };
    verify(&token, &KEY.verifying(), &rules)
}

fn broken(result: Result<Logout, LogoutTokenError>, what: &str) -> String {
    let Err(error) = result else { panic!("{what} was accepted") };
    format!("{error:?}").split(['(', ' ']).next().unwrap().to_owned()
}

#[test]
fn a_good_token_names_whom_it_is_about() {
    for typ in ["logout+jwt", "JWT", "jwt", "Logout+JWT"] {
        let header = HEADER.replace("logout+jwt", typ);
        let logout = checked(&header, &claims()).unwrap_or_else(|error| panic!("{typ}: {error}"));
        assert_eq!(logout.id, "t-1");
        assert_eq!(logout.idp_sid.as_deref(), Some("idp-1"));
        assert_eq!(logout.subject.as_deref(), Some("auth0|ada"));
    }
    let mut without = claims();
    without.as_object_mut().unwrap().remove("sub");
    without["aud"] = json!(["another", "portal"]);
    without.as_object_mut().unwrap().remove("exp");
    assert_eq!(checked(HEADER, &without).unwrap_or_else(|e| panic!("{e}")).subject, None);
}

#[test]
fn each_header_is_checked() {
    for (header, rule) in [
        (r#"{"alg":"HS256","typ":"JWT","kid":"k1"}"#, "Algorithm"),
        (r#"{"alg":"none","typ":"JWT","kid":"k1"}"#, "Algorithm"),
        (r#"{"alg":"RS256","typ":"at+jwt","kid":"k1"}"#, "Type"),
        (r#"{"alg":"RS256","kid":"k1"}"#, "Type"),
        (r#"{"alg":"RS256","typ":"JWT"}"#, "UnknownKey"),
        (r#"{"alg":"RS256","typ":"JWT","kid":"a b"}"#, "UnknownKey"),
        (r#"{"alg":"RS256","typ":"JWT","kid":"k1","crit":["x"]}"#, "Header"),
        (r#"{"alg":"RS256","typ":"JWT","kid":"k1","jku":null}"#, "Header"),
        ("[]", "Malformed"),
    ] {
        assert_eq!(broken(checked(header, &claims()), header), rule, "{header}");
    }
    for token in ["", "a.b", "a.b.c.d", &format!("{}.b.c", "a".repeat(9_000))] {
        assert_eq!(broken(key_id(token).map(|_| unreachable()), token), "Malformed");
    }
}

fn unreachable() -> Logout {
    panic!("the token must be refused")
}

#[test]
fn each_claim_is_checked() {
    let event = "http://schemas.openid.net/event/backchannel-logout";
    let table = [
        ("iss", None, "Claims"),
        ("iss", Some(json!("https://evil.example/")), "Issuer"),
        ("iss", Some(json!(["https://login.example/"])), "Claims"),
        ("aud", None, "Claims"),
        ("aud", Some(json!("another")), "Audience"),
        ("aud", Some(json!([])), "Audience"),
        ("iat", None, "Claims"),
        ("iat", Some(json!(NOW + 31)), "Times"),
        ("iat", Some(json!(NOW - 3_600)), "Times"),
        ("exp", Some(json!(NOW - 30)), "Times"),
        ("exp", Some(json!("soon")), "Claims"),
        ("nbf", Some(json!(NOW + 60)), "Times"),
        ("jti", None, "Id"),
        ("jti", Some(json!("")), "Id"),
        ("jti", Some(json!("x".repeat(300))), "Id"),
        ("events", None, "Events"),
        ("events", Some(json!({})), "Events"),
        ("events", Some(json!({ event: true })), "Events"),
        ("events", Some(json!([event])), "Claims"),
        ("nonce", Some(json!("n")), "Nonce"),
        ("nonce", Some(json!(null)), "Nonce"),
        ("sid", Some(json!("")), "Whom"),
        ("sub", Some(json!("a\u{0}b")), "Whom"),
    ];
    for (name, value, rule) in table {
        let mut altered = claims();
        match value.clone() {
            Some(value) => altered[name] = value,
            None => drop(altered.as_object_mut().unwrap().remove(name)),
        }
        assert_eq!(broken(checked(HEADER, &altered), name), rule, "{name}: {value:?}");
    }
    let mut nobody = claims();
    nobody.as_object_mut().unwrap().retain(|name, _| name != "sub" && name != "sid");
    assert_eq!(broken(checked(HEADER, &nobody), "nobody"), "Whom");
    let forged = OTHER_KEY.sign(HEADER, &claims().to_string());
    let rules = Rules {
        issuer: "https://login.example/",
        client_id: "portal",
        now: OffsetDateTime::from_unix_timestamp(NOW).unwrap(),
        skew: Duration::from_secs(30),
    };
    assert_eq!(broken(verify(&forged, &KEY.verifying(), &rules), "forged"), "Signature");
}
