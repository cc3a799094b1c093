//! Where clients may come from, and whose word about it counts.

use portal_tests::client::Answer;
use portal_tests::portal::{Portal, Redis};
use portal_tests::tenant::World;
use reqwest::Method;
use tenancy::Role;

/// `GET path` that claims to come from `told`.
async fn from(portal: &Portal, path: &str, told: &str) -> Answer {
    let browser = portal.browser();
    browser.send(browser.request(Method::GET, path).header("X-Forwarded-For", told)).await
}

#[tokio::test]
async fn only_networks_of_the_list_come_in() {
    let world = World::shared().await;
    let settings = [
        ("PORTAL__HTTP__ALLOW_FROM", "198.51.100.0/24, 2001:db8::/32"),
        ("PORTAL__HTTP__TRUSTED_PROXIES", "127.0.0.0/8, 10.0.0.0/8"),
    ];
    let portal = Portal::spawn_with(&world.databases, Redis::Memory, &settings).await;
    for (told, is_in) in [
        ("198.51.100.7", true),
        ("2001:db8::1", true),
        ("203.0.113.9, 198.51.100.7, 10.1.2.3", true),
        ("198.51.100.7, 203.0.113.9", false),
        ("203.0.113.9", false),
        ("127.0.0.1", false),
    ] {
        let answer = from(&portal, "/health", told).await;
        if is_in {
            assert_eq!(answer.status, 200, "{told}");
        } else {
            answer.expect_problem(403, "forbidden");
        }
        // Whoever watches over the instance may ask all the same.
        for path in ["/live", "/ready"] {
            assert_eq!(from(&portal, path, told).await.status, 200, "{told} {path}");
        }
    }
}

#[tokio::test]
async fn strangers_do_not_choose_their_address() {
    let world = World::shared().await;
    let settings = [("PORTAL__HTTP__ALLOW_FROM", "198.51.100.0/24")];
    let portal = Portal::spawn_with(&world.databases, Redis::Memory, &settings).await;
    from(&portal, "/health", "198.51.100.7").await.expect_problem(403, "forbidden");
}

#[tokio::test]
async fn keys_are_listed_for_networks_of_their_list() {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let settings = [
        ("PORTAL__CACHE__KEYS_ALLOW_FROM", "198.51.100.0/24"),
        ("PORTAL__HTTP__TRUSTED_PROXIES", "127.0.0.1"),
    ];
    let portal = Portal::spawn_with(&world.databases, Redis::Memory, &settings).await;
    let admin = tenant.signs_in(&portal, Role::Admin).await;
    let path = "/api/cache/keys";
    admin.get(path).await.expect_problem(403, "forbidden");
    let from_office = |address: &str| {
        admin.send(admin.request(Method::GET, path).header("X-Forwarded-For", address))
    };
    let _ = from_office("198.51.100.7").await.expect(200);
    let _ = admin.get("/api/cache/status").await.expect(200);
    let trail = tenant.audit_trail("cache_keys").await;
    let told: Vec<(&str, &str)> = trail
        .iter()
        .map(|(_, _, ip, detail)| (ip.as_deref().unwrap(), detail["result"].as_str().unwrap()))
        .collect();
    assert_eq!(told, [("127.0.0.1", "refused"), ("198.51.100.7", "done")]);
}
