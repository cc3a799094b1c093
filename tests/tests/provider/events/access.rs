//! Streams of those whose access ends or changes, at another instance where there is one.

use std::time::Duration;

use portal_tests::client::Browser;
use portal_tests::events::EventStream;
use portal_tests::portal::{Portal, Redis};
use portal_tests::tenant::{Tenant, World};
use portal_tests::waiting::eventually;
use reqwest::Method;
use tenancy::Role;
use uuid::Uuid;

use super::{EAGER, SOON, instances};

/// Within this time a stream ends whose session has ended.
const ENDS: Duration = Duration::from_secs(2);

/// The relay repeats what nobody did from rows of this age; tests that change access behind the
/// portals wait for it.
const RELAYED: Duration = Duration::from_secs(2);

/// The first instance and the last one.
pub(crate) struct Pair {
    portals: Vec<Portal>,
    pub(crate) tenant: Tenant,
    addresses: [String; 2],
}

impl Pair {
    pub(crate) async fn new(purpose: &str) -> Self {
        let world = World::for_purpose(purpose).await;
        let tenant = world.tenant().await;
        let mut portals = Vec::new();
        for _ in 0..instances() {
            portals.push(Portal::spawn_with(&world.databases, Redis::Shared, &EAGER).await);
        }
        let addresses = [0, portals.len() - 1].map(|at| portals[at].base_url().to_owned());
        Self { portals, tenant, addresses }
    }

    pub(crate) async fn signs_in(&self, role: Role) -> [Browser; 2] {
        let at_one = self.tenant.signs_in(&self.portals[0], role).await;
        let at_two = at_one.at(&self.addresses[1]);
        [at_one, at_two]
    }
}

pub(crate) async fn opened(browser: &Browser) -> EventStream {
    let mut stream = EventStream::open(browser, "", None).await;
    stream.wait_for("hello", SOON).await;
    stream
}

#[tokio::test]
async fn whoever_signs_out_at_one_is_shown_nothing_more_at_the_other() {
    let pair = Pair::new("pairleaves").await;
    let [at_one, at_two] = pair.signs_in(Role::Recruiter).await;
    let mut stream = opened(&at_two).await;
    let mut colleague = opened(&pair.signs_in(Role::Admin).await[1]).await;
    let ended = at_one.send(at_one.request(Method::DELETE, "/api/sessions")).await;
    assert!(ended.status.is_success(), "{}", ended.text);
    let rest = stream.reads_to_its_end(ENDS).await;
    assert_eq!(rest.last().unwrap().json()["why"], "revoked");
    assert_eq!(at_two.get("/api/events/stream").await.status, 401);
    pair.tenant.hears_of_applications(Uuid::now_v7(), 1).await;
    assert_eq!(colleague.notifications(1, SOON).await.len(), 1, "others look on");
}

#[tokio::test]
async fn removal_and_suspension_end_the_streams_they_concern() {
    let pair = Pair::new("pairremoved").await;
    let mut removed = opened(&pair.signs_in(Role::Recruiter).await[1]).await;
    let mut colleague = opened(&pair.signs_in(Role::Admin).await[0]).await;
    pair.tenant.removes_behind_the_portal(Role::Recruiter).await;
    let rest = removed.reads_to_its_end(RELAYED + ENDS).await;
    assert_eq!(rest.last().unwrap().json()["why"], "revoked");
    pair.tenant.hears_of_applications(Uuid::now_v7(), 1).await;
    assert_eq!(colleague.notifications(1, SOON).await.len(), 1);
    pair.tenant.is_suspended_behind_the_portal(true).await;
    let rest = colleague.reads_to_its_end(RELAYED + ENDS).await;
    assert_eq!(rest.last().unwrap().json()["why"], "revoked");
}

#[tokio::test]
async fn a_changed_role_changes_what_is_told_and_ends_nothing() {
    let pair = Pair::new("pairrole").await;
    let browsers = pair.signs_in(Role::Recruiter).await;
    let mut stream = opened(&browsers[1]).await;
    pair.tenant.hears_of_applications(Uuid::now_v7(), 2).await;
    assert_eq!(stream.notifications(2, SOON).await.len(), 2);
    pair.tenant.demotes_behind_the_portal(Role::Recruiter, Role::Viewer).await;
    for browser in &browsers {
        eventually("the role is the new one", SOON, async || {
            let session = browser.get("/api/session").await.expect(200).json();
            (session["role"] == "viewer").then_some(())
        })
        .await;
    }
    let changed = stream.notifications(1, SOON).await;
    assert_eq!(changed[0].json()["kind"], "role_changed");
    pair.tenant.hears_of_applications(Uuid::now_v7(), 3).await;
    let none = stream.notifications(1, Duration::from_secs(3)).await;
    assert!(none.is_empty() && !stream.has_ended(), "{none:?}");
    // What was told before is not repeated to whoever may not see it any more.
    let mut again = EventStream::open(&browsers[0], "?since=0.0", None).await;
    let head = again.wait_for("reset", SOON).await.json()["head"].as_str().unwrap().to_owned();
    let (epoch, _) = head.split_once('.').unwrap();
    let mut again = EventStream::open(&browsers[0], "", Some(&format!("{epoch}.0"))).await;
    let told = again.notifications(1, SOON).await;
    assert_eq!(told[0].json()["kind"], "role_changed");
    assert!(again.notifications(1, Duration::from_secs(1)).await.is_empty());
}
