//! Who is told what, as which number, and how it is counted.

mod audience;
mod inbox;
mod log;
mod poison;
mod purge;
mod rollups;

use std::time::Duration;

use employer_store::feed::{self, FannedOut, Notification, TellingSettings};
use employer_store::testing::{self, TestTenant};
use serde_json::{Value, json};
use tenancy::{JobId, Role, UserId};
use uuid::Uuid;

use crate::support::Store;

pub(crate) const SETTINGS: TellingSettings = TellingSettings {
    batch: 100,
    mail_delay: Duration::from_secs(900),
    max_attempts: 3,
    alone: Duration::from_secs(20),
};

/// An event as the transaction of its cause writes it.
#[derive(Clone)]
struct Event {
    kind: &'static str,
    subject: Option<Uuid>,
    actor: Option<UserId>,
    payload: Value,
}

impl Event {
    /// Somebody from outside has applied.
    fn applied(job: JobId) -> Self {
        let application = Uuid::now_v7();
        Self {
            kind: "application.submitted",
            subject: Some(application),
            actor: None,
            payload: json!({
                "v": 1, "job": job, "application": application, "source": "board",
                "from": null, "to": "applied",
            }),
        }
    }

    /// `actor` has moved an application.
    fn moved(job: JobId, actor: UserId) -> Self {
        let application = Uuid::now_v7();
        Self {
            kind: "application.stage_changed",
            subject: Some(application),
            actor: Some(actor),
            payload: json!({
                "v": 1, "job": job, "application": application, "source": null,
                "from": "applied", "to": "screen",
            }),
        }
    }

    async fn written(&self, store: &Store, tenant: &TestTenant) -> Uuid {
        let mut tx = store.begin(tenant).await;
        let id = Uuid::now_v7();
        sqlx::query(
            "INSERT INTO outbox (tenant_id, event_id, kind, subject, actor, payload)
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(tenant.scope.tenant().as_uuid())
        .bind(id)
        .bind(self.kind)
        .bind(self.subject)
        .bind(self.actor.map(UserId::as_uuid))
        .bind(&self.payload)
        .execute(testing::connection(&mut tx))
        .await
        .unwrap();
        tx.commit().await.unwrap();
        id
    }
}

/// Tells everybody of everything.
async fn tell(store: &Store) -> FannedOut {
    feed::fan_out(&store.worker, &SETTINGS, None).await.unwrap()
}

fn user(tenant: &TestTenant, role: Role) -> UserId {
    tenant.member(role).unwrap().user
}

async fn inbox(store: &Store, tenant: &TestTenant, role: Role) -> Vec<Notification> {
    let mut tx = store.db.begin_read(&tenant.scope).await.unwrap();
    feed::since(&mut tx, user(tenant, role), 0, 1_000).await.unwrap()
}

async fn kinds(store: &Store, tenant: &TestTenant, role: Role) -> Vec<&'static str> {
    inbox(store, tenant, role).await.iter().map(|one| one.kind.as_str()).collect()
}
