//! What balancers and operators ask.

use portal_tests::portal::{Portal, Redis};
use portal_tests::tenant::World;

#[tokio::test]
async fn a_healthy_portal_says_so() {
    let world = World::shared().await;
    for redis in [Redis::Memory, Redis::Shared] {
        let portal = Portal::spawn(&world.databases, redis.clone()).await;
        let browser = portal.browser();
        for path in ["/live", "/ready", "/health"] {
            let _ = browser.get(path).await.expect(200);
        }
        assert_eq!(browser.get("/ready").await.json()["status"], "ready");
        let cache = browser.get("/health/cache").await.expect(200).json();
        assert_eq!(cache["status"], "healthy", "{cache}");
        assert_eq!(cache["backend"], redis.backend());
        for field in ["hits", "misses", "hit_rate_percent", "redis_available", "memory_cache_size"]
        {
            assert!(!cache["stats"][field].is_null(), "{field} is missing in {cache}");
        }
        assert!(cache["latency_ms"].is_number(), "{cache}");
    }
}

#[tokio::test]
async fn a_portal_that_is_told_to_stop_finishes_and_exits_cleanly() {
    let world = World::shared().await;
    let portal = Portal::spawn(&world.databases, Redis::Memory).await;
    assert_eq!(portal.stops().await, Some(0));
}

#[tokio::test]
async fn a_portal_refuses_a_database_role_that_walls_do_not_hold() {
    let world = World::shared().await;
    let mut databases = world.databases.clone();
    databases.app_url = databases.superuser_url.clone();
    let mut portal = Portal::start(&databases, Redis::Memory, &[]).await;
    assert_eq!(portal.exits().await, Some(1));
    let log = portal.log();
    assert!(log.contains("superuser"), "{log}");
}
