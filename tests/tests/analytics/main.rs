//! Figures about jobs and applications: right in every zone, of the caller's jobs only, and newer
//! whenever they say so.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on fails where it stands"
)]

mod background;
mod export;
mod figures;
mod filters;
mod history;
mod live;
mod soundness;
mod walls;
mod ways;

use portal_tests::client::Browser;
use portal_tests::job;
use portal_tests::portal::{Portal, Redis};
use portal_tests::tenant::{Tenant, World};
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection};
use tenancy::Role;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

/// An employer with three published jobs.
pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) portal: Portal,
    pub(crate) tenant: Tenant,
    pub(crate) owner: Browser,
    pub(crate) jobs: Vec<Uuid>,
}

impl Scene {
    pub(crate) async fn open() -> Self {
        Self::open_with(&[]).await
    }

    pub(crate) async fn open_with(settings: &[(&str, &str)]) -> Self {
        Self::open_in(World::shared().await, settings).await
    }

    pub(crate) async fn open_in(world: World, settings: &[(&str, &str)]) -> Self {
        let tenant = world.tenant().await;
        let portal = Portal::spawn_with(&world.databases, Redis::Memory, settings).await;
        let owner = tenant.signs_in(&portal, Role::Owner).await;
        let mut jobs = Vec::new();
        for department in ["Care", "Kitchen", "=Transport"] {
            jobs.push(publishes(&owner, department).await);
        }
        Self { world, portal, tenant, owner, jobs }
    }

    pub(crate) fn superuser_url(&self) -> &str {
        &self.world.databases.superuser_url
    }

    pub(crate) async fn superuser(&self) -> PgConnection {
        PgConnection::connect(self.superuser_url()).await.unwrap()
    }
}

/// Makes a job in a department and publishes it.
pub(crate) async fn publishes(browser: &Browser, department: &str) -> Uuid {
    let mut draft = job::nurse();
    draft["department"] = json!(department);
    let created = browser.post("/api/jobs", &draft).await.expect(201);
    let publish = format!("{}/publish", created.header("location"));
    let _ = browser.post(&publish, &json!({})).await.expect(200);
    created.json()["id"].as_str().unwrap().parse().unwrap()
}

/// A report.
pub(crate) async fn report(browser: &Browser, path: &str) -> Value {
    browser.get(&format!("/api/analytics/{path}")).await.expect(200).json()
}

pub(crate) fn instant(text: &Value) -> OffsetDateTime {
    OffsetDateTime::parse(text.as_str().unwrap(), &Rfc3339).unwrap()
}
