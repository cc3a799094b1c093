//! People apply, and those who hire see it, decide, and find everybody again.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    reason = "a test that cannot go on fails where it stands"
)]

mod applying;
mod files;
mod hiring;
mod limits;
mod storage;
mod views;

use portal_tests::client::Browser;
use portal_tests::job;
use portal_tests::portal::{Portal, Redis};
use portal_tests::tenant::{Tenant, World};
use serde_json::json;
use tenancy::Role;

/// An employer with a published job, and the recruiter who looks after it.
pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) portal: Portal,
    pub(crate) tenant: Tenant,
    pub(crate) recruiter: Browser,
    pub(crate) job: String,
    pub(crate) slug: String,
}

impl Scene {
    pub(crate) async fn open() -> Self {
        Self::open_with(&[]).await
    }

    pub(crate) async fn open_with(settings: &[(&str, &str)]) -> Self {
        let world = World::shared().await;
        let tenant = world.tenant().await;
        let portal = Portal::spawn_with(&world.databases, Redis::Memory, settings).await;
        let recruiter = tenant.signs_in(&portal, Role::Recruiter).await;
        let (job, slug) = publishes(&recruiter).await;
        Self { world, portal, tenant, recruiter, job, slug }
    }

    pub(crate) fn anybody(&self) -> Browser {
        self.portal.browser()
    }

    /// The ids of the applications that a caller is shown, the newest first.
    pub(crate) async fn shown(&self, to: &Browser, path: &str) -> Vec<String> {
        let page = to.get(path).await.expect(200).json();
        page["data"].as_array().unwrap().iter().map(|one| one["id"].to_string()).collect()
    }
}

/// Makes a job and publishes it; answers its id and its name on the board.
pub(crate) async fn publishes(recruiter: &Browser) -> (String, String) {
    let created = recruiter.post("/api/jobs", &job::nurse()).await.expect(201);
    let publish = format!("{}/publish", created.header("location"));
    let _ = recruiter.post(&publish, &json!({})).await.expect(200);
    let job = created.json();
    (job["id"].as_str().unwrap().to_owned(), job["slug"].as_str().unwrap().to_owned())
}
