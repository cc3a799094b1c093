//! Every rule of the verification, as a table: a token that breaks one rule and is refused for it,
//! in both forms that tokens come in.

use std::time::Duration;

use serde_json::{Value, json};
use tenancy::Permission::{JobsEdit, JobsRead, JobsWrite};
use tenancy::{Permission, PermissionSet};
use time::OffsetDateTime;
use time::macros::datetime;

use super::access_token::{AccessRules, AccessToken, Holder, verify as verify_token};
use super::jws::Unverified;
use super::tests_support::KEY;
use super::token_error::TokenError;

const NOW: OffsetDateTime = datetime!(2026-11-20 12:00 UTC);
const AUDIENCE: &str = "https://api.example";

/// The two forms, by the `typ` of their headers.
const FORMS: [&str; 2] = ["JWT", "at+jwt"];

fn now() -> i64 {
    NOW.unix_timestamp()
}

fn claims(form: &str) -> Value {
    let mut claims = json!({
        "iss": "https://login.example/",
        "aud": [AUDIENCE, "https://login.example/userinfo"],
        "sub": "auth0|ada",
        "iat": now() - 5,
        "exp": now() + 3_600,
        "org_id": "org_9f2cA1",
        "scope": "openid jobs:read jobs:write",
    });
    if form == "JWT" {
        claims["azp"] = json!("app");
    } else {
        claims["client_id"] = json!("app");
        claims["jti"] = json!("t-1");
    }
    claims
}

fn with(form: &str, changes: &[(&str, Option<Value>)]) -> String {
    let mut claims = claims(form);
    for (name, value) in changes {
        match value {
            Some(value) => claims[*name] = value.clone(),
            None => {
                claims.as_object_mut().unwrap().remove(*name);
            }
        }
    }
    claims.to_string()
}

fn verify(header: &Value, claims: &str) -> Result<AccessToken, TokenError> {
    let token = KEY.sign(&header.to_string(), claims);
    let rules = AccessRules {
        issuer: "https://login.example/",
        audience: AUDIENCE,
        longest: Duration::from_hours(24),
        now: NOW,
        skew: Duration::from_secs(30),
    };
    verify_token(&Unverified::parse(&token)?, &KEY.verifying(), &rules)
}

fn verify_claims(form: &str, claims: &str) -> Result<AccessToken, TokenError> {
    verify(&json!({"alg": "RS256", "typ": form, "kid": "k1"}), claims)
}

/// The name of the rule that a token broke.
fn broken(result: Result<AccessToken, TokenError>) -> String {
    let debug = format!("{:?}", result.expect_err("the token must be refused"));
    debug.split(['(', ' ']).next().unwrap().to_owned()
}

#[test]
fn a_token_that_breaks_no_rule_is_accepted_in_both_forms() {
    let expected = AccessToken {
        holder: Holder::Person("auth0|ada".to_owned()),
        organization: "org_9f2cA1".parse().unwrap(),
        permissions: [JobsRead, JobsWrite, JobsEdit].into_iter().collect(),
        expires_at: NOW + Duration::from_hours(1),
    };
    for form in FORMS {
        assert_eq!(verify_claims(form, &claims(form).to_string()).unwrap(), expected, "{form}");
    }
}

#[test]
fn each_claim_is_checked_in_both_forms() {
    let good_and_evil = json!(["https://login.example/", "https://evil.example/"]);
    let table = [
        ("iss", None, "Claims"),
        ("iss", Some(json!("https://login.example")), "Issuer"),
        ("iss", Some(good_and_evil), "Claims"),
        ("iss", Some(json!(7)), "Claims"),
        ("aud", None, "Claims"),
        ("aud", Some(json!(7)), "Claims"),
        ("aud", Some(json!([7, AUDIENCE])), "Claims"),
        ("aud", Some(json!({ "0": AUDIENCE })), "Claims"),
        ("aud", Some(json!("portal")), "Audience"),
        ("aud", Some(json!([])), "Audience"),
        ("sub", None, "Claims"),
        ("sub", Some(json!("")), "Subject"),
        ("sub", Some(json!("a\u{0}b")), "Subject"),
        ("exp", None, "Claims"),
        ("exp", Some(json!("soon")), "Claims"),
        ("exp", Some(json!(now() - 30)), "Expired"),
        ("exp", Some(json!(1_000_000_000_000_000_000_i64)), "Lifetime"),
        ("exp", Some(json!(1e18)), "Claims"),
        ("exp", Some(json!(now() + 86_400)), "Lifetime"),
        ("iat", None, "Claims"),
        ("iat", Some(json!(now() + 31)), "IssuedInFuture"),
        ("iat", Some(json!(i64::MIN)), "Lifetime"),
        ("nbf", Some(json!(now() + 31)), "NotYetValid"),
        ("nbf", Some(json!("now")), "Claims"),
        ("org_id", None, "Organization"),
        ("org_id", Some(json!("org_{x}")), "Organization"),
        ("org_id", Some(json!(["org_9f2cA1"])), "Claims"),
        ("scope", Some(json!(["jobs:read"])), "Claims"),
        ("permissions", Some(json!("jobs:read")), "Claims"),
        ("gty", Some(json!("client-credentials")), "AuthorizedParty"),
        ("sub", Some(json!("other@clients")), "AuthorizedParty"),
    ];
    for form in FORMS {
        for (name, value, rule) in &table {
            let text = with(form, &[(name, value.clone())]);
            assert_eq!(broken(verify_claims(form, &text)), *rule, "{form} {name}: {value:?}");
        }
        let twice = claims(form).to_string().replacen('{', r#"{"iss":"https://evil.example/","#, 1);
        assert_eq!(broken(verify_claims(form, &twice)), "Claims");
    }
    for name in ["client_id", "jti"] {
        let text = with("at+jwt", &[(name, None)]);
        assert_eq!(broken(verify_claims("at+jwt", &text)), "AuthorizedParty", "{name}");
    }
}

#[test]
fn only_access_tokens_are_access_tokens() {
    let text = claims("JWT").to_string();
    for typ in [json!("logout+jwt"), json!("id_token"), json!("application/at+jwt"), Value::Null] {
        let header = json!({"alg": "RS256", "typ": typ, "kid": "k1"});
        assert_eq!(broken(verify(&header, &text)), "Type", "{typ}");
    }
    assert_eq!(broken(verify(&json!({"alg": "RS256", "kid": "k1"}), &text)), "Type");
    assert!(
        verify(&json!({"alg": "RS256", "typ": "AT+JWT", "kid": "k1"}), &with("at+jwt", &[]))
            .is_ok()
    );
}

#[test]
fn machines_are_told_from_people() {
    let machine = |form: &str, changes: &[(&str, Option<Value>)]| {
        verify_claims(form, &with(form, changes)).map(|token| token.holder)
    };
    let app = Holder::Machine("app".parse().unwrap());
    for form in FORMS {
        let own = ("sub", Some(json!("app@clients")));
        assert_eq!(machine(form, std::slice::from_ref(&own)).unwrap(), app);
        assert_eq!(machine(form, &[("sub", Some(json!("app")))]).unwrap(), app);
        let says = ("gty", Some(json!("client-credentials")));
        assert_eq!(machine(form, &[own.clone(), says]).unwrap(), app);
        let refresh = ("gty", Some(json!("refresh_token")));
        assert_eq!(
            machine(form, std::slice::from_ref(&refresh)).unwrap(),
            Holder::Person("auth0|ada".to_owned())
        );
        // What the token says of itself and whom it names must agree.
        assert!(machine(form, &[own.clone(), refresh]).is_err());
        let others = [("azp", Some(json!("other"))), ("client_id", Some(json!("app"))), own];
        assert!(machine(form, &others).is_err());
    }
    assert!(machine("JWT", &[("azp", None), ("sub", Some(json!("app@clients")))]).is_err());
}

#[test]
fn a_token_is_good_for_its_scopes_within_the_permissions() {
    let permissions = |scope: Option<&str>, held: Option<Value>| -> Vec<Permission> {
        let changes = [("scope", scope.map(|scope| json!(scope))), ("permissions", held)];
        let token = verify_claims("JWT", &with("JWT", &changes)).unwrap();
        token.permissions.iter().collect()
    };
    let both = json!(["jobs:read", "jobs:write"]);
    assert_eq!(permissions(None, None), []);
    assert_eq!(permissions(Some("openid JOBS:READ jobs:readx"), None), []);
    assert_eq!(permissions(Some("jobs:read"), None), [JobsRead]);
    assert_eq!(permissions(Some("jobs:read"), Some(both.clone())), [JobsRead]);
    assert_eq!(permissions(Some("jobs:read"), Some(json!([]))), []);
    // They consented to what was asked for, and it was none of this.
    assert_eq!(permissions(Some("openid profile"), Some(json!(["jobs:read"]))), []);
    assert_eq!(permissions(None, Some(both.clone())), []);
    let machine = [
        ("sub", Some(json!("app@clients"))),
        ("azp", Some(json!("app"))),
        ("client_id", None),
        ("scope", None),
        ("permissions", Some(both)),
    ];
    let token = verify_claims("JWT", &with("JWT", &machine)).unwrap();
    assert_eq!(token.permissions.iter().collect::<Vec<_>>(), [JobsRead, JobsWrite, JobsEdit]);
    assert_eq!(PermissionSet::of_scope(""), PermissionSet::NONE);
}
