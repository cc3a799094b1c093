//! Two portals over one Redis and one database, and people who are signed in to both.

use std::time::Duration;

use portal_tests::client::Browser;
use portal_tests::portal::{Portal, Redis};
use portal_tests::tenant::{Tenant, World};
use portal_tests::waiting::eventually;
use tenancy::Role;

/// How long an instance may believe what it has read.
pub(crate) const LEASE: Duration = Duration::from_secs(1);

/// Longest time for an end to be known everywhere, with some for the test's own requests.
pub(crate) const SOON: Duration = Duration::from_secs(3);

pub(crate) struct Pair {
    pub(crate) portals: [Portal; 2],
    pub(crate) world: World,
    pub(crate) tenant: Tenant,
}

impl Pair {
    pub(crate) async fn over(redis: Redis, settings: &[(&str, &str)]) -> Self {
        Self::on(World::shared().await, redis, settings).await
    }

    pub(crate) async fn on(world: World, redis: Redis, settings: &[(&str, &str)]) -> Self {
        let tenant = world.tenant().await;
        let one = Portal::spawn_with(&world.databases, redis.clone(), settings).await;
        let two = Portal::spawn_with(&world.databases, redis, settings).await;
        Self { portals: [one, two], world, tenant }
    }

    /// Signs in at the first portal; the same browser at each.
    pub(crate) async fn signs_in(&self, role: Role) -> [Browser; 2] {
        let at_one = self.tenant.signs_in(&self.portals[0], role).await;
        let at_two = at_one.at(self.portals[1].base_url());
        [at_one, at_two]
    }

    /// The same person in another browser.
    pub(crate) async fn signs_in_again(&self, role: Role) -> Browser {
        self.tenant.signs_in(&self.portals[1], role).await
    }
}

pub(crate) async fn status(browser: &Browser) -> u16 {
    browser.get("/api/session").await.status.as_u16()
}

/// Waits until the browser is signed out, and checks that it was never told anything else.
pub(crate) async fn is_signed_out_soon(browser: &Browser, what: &str) {
    eventually(what, SOON, async || {
        let status = status(browser).await;
        assert!(matches!(status, 200 | 401), "{what}: {status}");
        (status == 401).then_some(())
    })
    .await;
}
