//! A portal that sends webhooks quickly, and an owner who looks at what came of them.

use std::time::Duration;

use portal_tests::client::Browser;
use portal_tests::portal::{Portal, Redis};
use portal_tests::receiver::Receiver;
use portal_tests::tenant::{Tenant, World};
use portal_tests::waiting::eventually;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection};
use tenancy::Role;
use uuid::Uuid;

/// Where receivers listen; anywhere else on this machine is out of reach.
pub(crate) const OPEN: &str = "127.0.0.2";

/// Long enough for every attempt of a short schedule on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// The same for all tests: their portals share a database, and so each other's deliveries.
const SETTINGS: [(&str, &str); 5] = [
    ("PORTAL__WEBHOOKS__ALLOW_NETWORKS", "127.0.0.2/32"),
    ("PORTAL__WEBHOOKS__TIMEOUT_MS", "3000"),
    ("PORTAL__WEBHOOKS__RETRY_SECONDS", "1,1,1"),
    ("PORTAL__WEBHOOKS__REST_SECONDS", "1"),
    ("PORTAL__WEBHOOKS__INTERVAL_MS", "100"),
];

pub(crate) struct Setup {
    pub(crate) world: World,
    pub(crate) tenant: Tenant,
    pub(crate) portal: Portal,
    pub(crate) owner: Browser,
}

/// A webhook as its maker has it.
pub(crate) struct Hook {
    pub(crate) id: String,
    pub(crate) path: String,
    pub(crate) secret: String,
}

impl Setup {
    pub(crate) async fn start() -> Self {
        Self::start_for("webhooks").await
    }

    /// In a database where nobody else's portal delivers.
    pub(crate) async fn start_for(purpose: &str) -> Self {
        let world = World::for_purpose(purpose).await;
        let tenant = world.tenant().await;
        let portal = Self::spawns(&world).await;
        let owner = tenant.signs_in(&portal, Role::Owner).await;
        Self { world, tenant, portal, owner }
    }

    /// Another instance.
    pub(crate) async fn spawns(world: &World) -> Portal {
        Portal::spawn_with(&world.databases, Redis::Memory, &SETTINGS).await
    }

    pub(crate) async fn makes(&self, url: &str) -> Hook {
        let made = self.owner.post("/api/webhooks", &json!({ "url": url })).await.expect(201);
        let (path, made) = (made.header("location"), made.json());
        Hook {
            id: made["id"].as_str().unwrap().to_owned(),
            path,
            secret: made["secret"].as_str().unwrap().to_owned(),
        }
    }

    pub(crate) async fn hook_at(&self, receiver: &Receiver) -> Hook {
        self.makes(receiver.url()).await
    }

    pub(crate) async fn pings(&self, hook: &Hook) -> String {
        let queued = self.owner.post(&format!("{}/ping", hook.path), &json!({})).await.expect(202);
        queued.json()["id"].as_str().unwrap().to_owned()
    }

    /// Queues a message about a job, as an event of it does; answers the delivery.
    pub(crate) async fn tells(&self, hook: &Hook) -> String {
        let event = Uuid::now_v7();
        let queue = "INSERT INTO webhook_deliveries (tenant_id, endpoint_id, event_id, kind, body)
                     SELECT $1, $2, $3, 'job.created', webhook_body('job.created', $3, '{}', now())";
        let query = sqlx::query(queue).bind(self.tenant.id).bind(hook.id.parse::<Uuid>().unwrap());
        query.bind(event).execute(&mut self.superuser().await).await.unwrap();
        event.to_string()
    }

    pub(crate) async fn delivery(&self, hook: &Hook, id: &str) -> Value {
        self.owner.get(&format!("{}/deliveries/{id}", hook.path)).await.expect(200).json()
    }

    /// The delivery once it is in this state.
    pub(crate) async fn delivery_once(&self, hook: &Hook, id: &str, status: &str) -> Value {
        eventually(&format!("the delivery is {status}"), SOON, async || {
            let delivery = self.delivery(hook, id).await;
            (delivery["status"] == status).then_some(delivery)
        })
        .await
    }

    /// The delivery once it has been tried so often.
    pub(crate) async fn tried(&self, hook: &Hook, id: &str, attempts: usize) -> Value {
        eventually(&format!("{attempts} attempts"), SOON, async || {
            let delivery = self.delivery(hook, id).await;
            (delivery["log"].as_array().unwrap().len() >= attempts).then_some(delivery)
        })
        .await
    }

    pub(crate) async fn hook(&self, hook: &Hook) -> Value {
        self.owner.get(&hook.path).await.expect(200).json()
    }

    pub(crate) async fn sends(&self, method: Method, path: &str, body: &Value) -> u16 {
        let request = self.owner.request(method, path).header("If-Match", "*").json(body);
        self.owner.send(request).await.status.as_u16()
    }

    pub(crate) async fn superuser(&self) -> PgConnection {
        PgConnection::connect(&self.world.databases.superuser_url).await.unwrap()
    }
}

/// What came of the attempts of a delivery, in their order.
pub(crate) fn outcomes(delivery: &Value) -> Vec<&str> {
    delivery["log"].as_array().unwrap().iter().map(|one| one["outcome"].as_str().unwrap()).collect()
}
