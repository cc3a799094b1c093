//! Every way in which a token must not be accepted, in both forms, by the running portal.

use portal_tests::client::Browser;
use portal_tests::issuer::{AUDIENCE, FORMS, Issuer, KEY_ID, Key, message, now, sign_with_secret};
use portal_tests::portal::Redis;
use portal_tests::tenant::World;
use serde_json::{Value, json};
use tenancy::Role;

const READ: &str = "openid jobs:read";

/// What the table varies: one part of a good token.
struct Good<'a> {
    issuer: &'a Issuer,
    form: &'a str,
    subject: String,
    org: String,
}

impl Good<'_> {
    fn claims(&self) -> Value {
        self.issuer.claims(self.form, &self.subject, &self.org, READ)
    }

    fn with_claim(&self, name: &str, value: Option<Value>) -> String {
        let mut claims = self.claims();
        match value {
            Some(value) => claims[name] = value,
            None => drop(claims.as_object_mut().unwrap().remove(name)),
        }
        self.issuer.key().sign(&Issuer::header(self.form), &claims.to_string())
    }

    fn with_header(&self, name: &str, value: Value) -> String {
        let mut header = Issuer::header(self.form);
        header[name] = value;
        self.issuer.key().sign(&header, &self.claims().to_string())
    }

    /// The claims that are wrong, each by itself.
    fn bad_claims(&self) -> Vec<(String, String)> {
        let issuer = self.issuer.url();
        let mut rows = Vec::new();
        for name in ["iss", "aud", "sub", "exp", "iat", "org_id"] {
            rows.push((format!("no {name}"), self.with_claim(name, None)));
        }
        let wrong = [
            ("iss", json!(7)),
            ("iss", json!([issuer, "https://evil.example/"])),
            ("iss", json!(issuer.trim_end_matches('/'))),
            ("iss", json!("https://evil.example/")),
            ("aud", json!(7)),
            ("aud", json!("https://another.example")),
            ("aud", json!(["https://another.example", format!("{issuer}userinfo")])),
            ("nbf", json!(now() + 3_600)),
            ("nbf", json!("tomorrow")),
            ("iat", json!(now() + 3_600)),
            ("exp", json!(1_000_000_000_000_000_000_i64)),
            ("exp", json!(1e18)),
            ("exp", json!(now() + 30 * 86_400)),
            ("exp", json!(now() - 60)),
            ("org_id", json!("org_{x}")),
            ("org_id", json!("org_nobodyknowsthisone")),
            ("sub", json!("auth0|nobody")),
            ("sub", json!("an-other@clients")),
            ("gty", json!("client-credentials")),
        ];
        for (name, value) in wrong {
            rows.push((format!("{name} {value}"), self.with_claim(name, Some(value))));
        }
        let twice =
            self.claims().to_string().replacen('{', r#"{"iss":"https://evil.example/","#, 1);
        rows.push((
            "two iss".to_owned(),
            self.issuer.key().sign(&Issuer::header(self.form), &twice),
        ));
        let mut id_token = self.claims();
        id_token["aud"] = json!("portal-dev");
        id_token["nonce"] = json!("n");
        rows.push((
            "an id token".to_owned(),
            self.issuer.key().sign(&Issuer::header("JWT"), &id_token.to_string()),
        ));
        rows
    }

    /// The headers and signatures that are wrong, each by itself.
    fn bad_headers(&self) -> Vec<(String, String)> {
        let claims = self.claims().to_string();
        let key = self.issuer.key();
        let jwk = Key::generate().published("own");
        let wrong = [
            ("crit", json!(["x"])),
            ("crit", Value::Null),
            ("b64", json!(false)),
            ("typ", json!("logout+jwt")),
            ("typ", Value::Null),
            ("jku", json!("https://evil.example/keys")),
            ("x5u", json!("https://evil.example/certificate")),
            ("jwk", jwk),
            ("kid", json!("a b")),
            ("kid", json!("k".repeat(129))),
            ("kid", Value::Null),
            ("kid", json!("nobodys")),
        ];
        let mut rows: Vec<(String, String)> = wrong
            .into_iter()
            .map(|(name, value)| (format!("{name} {value}"), self.with_header(name, value)))
            .collect();
        let header = |alg: &str, kid: &str| json!({ "alg": alg, "typ": self.form, "kid": kid });
        let good = key.sign(&Issuer::header(self.form), &claims);
        let (signed, signature) = good.rsplit_once('.').unwrap();
        let owner = self.claims().to_string().replace(&self.subject, "auth0|somebody-else");
        let other = message(&Issuer::header(self.form), &owner);
        let long = self.with_claim("name", Some(json!("n".repeat(8_192))));
        let hs256 = header("HS256", KEY_ID);
        rows.extend(
            [
                ("alg none", format!("{}.", message(&header("none", KEY_ID), &claims))),
                ("alg none, signed", key.sign(&header("none", KEY_ID), &claims)),
                ("HS256 with the public key", key.sign_with_public_pem(&hs256, &claims)),
                ("RS256 over an HMAC", key.sign_with_public_pem(&header("RS256", KEY_ID), &claims)),
                (
                    "HS256 with a published secret",
                    sign_with_secret(b"secret", &header("HS256", "oct"), &claims),
                ),
                (
                    "RS256 with a published secret",
                    sign_with_secret(b"secret", &header("RS256", "oct"), &claims),
                ),
                ("RS512", key.sign(&header("RS512", KEY_ID), &claims)),
                ("no signature", format!("{signed}.")),
                (
                    "another key's signature",
                    Key::generate().sign(&Issuer::header(self.form), &claims),
                ),
                ("a signature over other claims", format!("{other}.{signature}")),
                ("more than 8 KiB", long),
                ("two parts", signed.to_owned()),
                ("four parts", format!("{good}.x")),
                ("no token", "x".to_owned()),
            ]
            .map(|(name, token)| (name.to_owned(), token)),
        );
        rows
    }
}

async fn is_refused(caller: &Browser, form: &str, name: &str, token: &str) {
    let answer = caller.with_token(token).get("/api/jobs").await;
    assert_eq!(answer.status, 401, "{form}: {name}: {}", answer.text);
    drop(answer.expect_problem(401, "unauthenticated"));
    let challenge = answer.header("www-authenticate");
    assert!(
        challenge.starts_with("Bearer ") && challenge.contains("error=\"invalid_token\""),
        "{form}: {name}: {challenge}"
    );
    assert!(!answer.headers.contains_key("set-cookie"), "{form}: {name}");
}

#[tokio::test]
async fn every_row_of_the_table_is_refused_in_both_forms() {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let issuer = Issuer::start();
    issuer.publishes(json!({
        "kty": "oct", "use": "sig", "alg": "RS256", "kid": "oct", "k": "c2VjcmV0",
    }));
    let portal = issuer.portal(&world.databases, Redis::Memory).await;
    let caller = portal.browser();
    for form in FORMS {
        let (subject, org) = (tenant.subject(Role::Recruiter), tenant.org.clone());
        let good = Good { issuer: &issuer, form, subject, org };
        let token = good.with_claim("aud", Some(json!(AUDIENCE)));
        let _ = caller.with_token(&token).get("/api/jobs").await.expect(200);
        for (name, token) in good.bad_claims().into_iter().chain(good.bad_headers()) {
            is_refused(&caller, form, &name, &token).await;
        }
        // What only one form has is asked for in that form.
        for name in ["client_id", "jti"] {
            if form == "at+jwt" {
                let token = good.with_claim(name, None);
                is_refused(&caller, form, &format!("no {name}"), &token).await;
            }
        }
        let _ = caller.with_token(&token).get("/api/jobs").await.expect(200);
    }
    assert!(issuer.fetches() <= 3, "unknown keys cost {} fetches", issuer.fetches());
}

#[tokio::test]
async fn a_portal_without_an_audience_takes_no_tokens() {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let issuer = Issuer::start();
    let settings = [("AUTH0_AUDIENCE", "")];
    let portal = issuer.portal_with(&world.databases, Redis::Memory, &settings).await;
    let token = issuer.token("JWT", &tenant.subject(Role::Owner), &tenant.org, READ);
    is_refused(&portal.browser(), "JWT", "no audience", &token).await;
}

#[tokio::test]
async fn an_issuer_that_is_away_is_no_refusal() {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let issuer = Issuer::start();
    issuer.is_away(true);
    let portal = issuer.portal(&world.databases, Redis::Memory).await;
    let token = issuer.token("at+jwt", &tenant.subject(Role::Owner), &tenant.org, READ);
    let answer = portal.browser().with_token(&token).get("/api/jobs").await;
    drop(answer.expect_problem(503, "unavailable"));
    assert!(!answer.header("retry-after").is_empty());
}
