//! Made-up key ids must neither make the portal flood its issuer nor harm anybody else.

use std::time::Duration;

use futures_util::future::join_all;
use portal_tests::issuer::{FORMS, Issuer, Key};
use portal_tests::portal::Redis;
use portal_tests::tenant::World;
use serde_json::json;
use tenancy::Role;
use tokio::time::Instant;

#[tokio::test]
async fn unknown_keys_cost_one_fetch_in_thirty_seconds_while_good_tokens_go_on() {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let issuer = Issuer::start();
    let portal = issuer.portal(&world.databases, Redis::Memory).await;
    let (subject, caller) = (tenant.subject(Role::Recruiter), portal.browser());
    let good = |form: &str| issuer.token(form, &subject, &tenant.org, "jobs:read");
    let _ = caller.with_token(&good("JWT")).get("/api/jobs").await.expect(200);
    assert_eq!(issuer.fetches(), 1);

    let stranger = Key::generate();
    let started = Instant::now();
    for round in 0..5 {
        let flood = (0..60).map(|number| {
            let header = json!({
                "alg": "RS256", "typ": FORMS[number % 2], "kid": format!("made-up-{round}-{number}"),
            });
            let claims = issuer.claims(FORMS[number % 2], &subject, &tenant.org, "jobs:read");
            let caller = caller.with_token(&stranger.sign(&header, &claims.to_string()));
            async move { caller.get("/api/jobs").await.status.as_u16() }
        });
        // Each of these has to be verified anew: no two tokens are the same.
        let unharmed = (0..20).map(|number| {
            let caller = caller.with_token(&good(FORMS[number % 2]));
            async move { caller.get("/api/jobs").await.status.as_u16() }
        });
        let (flood, unharmed) = futures_util::join!(join_all(flood), join_all(unharmed));
        assert!(flood.iter().all(|status| *status == 401), "{flood:?}");
        assert!(unharmed.iter().all(|status| *status == 200), "{unharmed:?}");
    }
    let took = started.elapsed();
    assert!(took < Duration::from_secs(25), "too slow to tell: {took:?}");
    assert_eq!(issuer.fetches(), 2, "300 made-up keys cost one fetch");
}

#[tokio::test]
async fn a_new_key_is_found_at_once_and_known_keys_outlive_the_issuer() {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let issuer = Issuer::start();
    let portal = issuer.portal(&world.databases, Redis::Memory).await;
    let (subject, caller) = (tenant.subject(Role::Recruiter), portal.browser());
    let good = || issuer.token("at+jwt", &subject, &tenant.org, "jobs:read");
    let _ = caller.with_token(&good()).get("/api/jobs").await.expect(200);

    let new = Key::generate();
    issuer.publishes(new.published("key-2"));
    let mut header = Issuer::header("JWT");
    header["kid"] = json!("key-2");
    let claims = issuer.claims("JWT", &subject, &tenant.org, "jobs:read").to_string();
    let _ = caller.with_token(&new.sign(&header, &claims)).get("/api/jobs").await.expect(200);

    issuer.is_away(true);
    let _ = caller.with_token(&good()).get("/api/jobs").await.expect(200);
}
