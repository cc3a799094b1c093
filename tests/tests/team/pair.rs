//! Two instances over one Redis.

use std::time::Duration;

use portal_tests::client::Browser;
use portal_tests::console::Console;
use portal_tests::portal::{Portal, Redis};
use portal_tests::servers::OwnRedis;
use portal_tests::tenant::{Tenant, World};
use portal_tests::waiting::eventually;
use tenancy::Role;

/// How long a change may take to hold everywhere.
pub(crate) const SOON: Duration = Duration::from_secs(1);

/// Two instances.
pub(crate) struct Pair {
    pub(crate) one: Portal,
    pub(crate) two: Portal,
    pub(crate) tenant: Tenant,
    pub(crate) console: Console,
    redis: OwnRedis,
}

impl Pair {
    pub(crate) async fn start(settings: &[(&str, &str)]) -> Self {
        let world = World::shared().await;
        let tenant = world.tenant().await;
        let redis = OwnRedis::start_new().await;
        let at = || Redis::At(redis.url());
        let one = Portal::spawn_with(&world.databases, at(), settings).await;
        let two = Portal::spawn_with(&world.databases, at(), settings).await;
        let console = Console::of(tenant.provider()).await;
        Self { one, two, tenant, console, redis }
    }

    /// Nothing is published and nothing heard from now on; everything else works.
    pub(crate) async fn loses_messages(&self) {
        self.redis.does("ACL SETUSER default resetchannels").await;
    }

    /// A member who is signed in at the first instance, and the same session at the second.
    pub(crate) async fn signs_in(&self, role: Role) -> (Browser, Browser) {
        let at_one = self.tenant.signs_in(&self.one, role).await;
        let at_two = at_one.at(self.two.base_url());
        let _ = at_two.get("/api/session").await.expect(200);
        (at_one, at_two)
    }
}

/// Waits until `browser` acts in `role`.
pub(crate) async fn is_soon(browser: &Browser, role: &str, within: Duration) {
    eventually(&format!("the role is {role}"), within, async || {
        let session = browser.get("/api/session").await;
        (session.status == 200 && session.json()["role"] == role).then_some(())
    })
    .await;
}

/// Waits until `browser` is signed in no more.
pub(crate) async fn is_soon_out(browser: &Browser, within: Duration) {
    eventually("the session is over", within, async || {
        (browser.get("/api/session").await.status == 401).then_some(())
    })
    .await;
}
