//! Another role for somebody.

use std::time::Duration;

use portal_tests::client::Browser;
use portal_tests::console::{Console, FOLLOWS};
use portal_tests::portal::{Portal, Redis};
use portal_tests::tenant::World;
use portal_tests::waiting::eventually;
use serde_json::json;
use sqlx::Connection as _;
use tenancy::Role;

use crate::support::{changes_role, team};

/// Shorter than what a change of the team may wait for.
const LONG: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_demoted_person_who_signs_in_again_is_still_demoted() {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    // The identity provider still says that they are an admin: nobody listens to it.
    let portal = Portal::spawn(&world.databases, Redis::Memory).await;
    let owner = tenant.signs_in(&portal, Role::Owner).await;
    let admin = tenant.signs_in(&portal, Role::Admin).await;
    let user = tenant.user(Role::Admin).await;
    let _ = changes_role(&owner, user, "viewer").await.expect(200);
    let _ = admin.post("/auth/logout", &json!({})).await.expect(200);
    let again = tenant.signs_in(&portal, Role::Admin).await;
    assert_eq!(again.get("/api/session").await.expect(200).json()["role"], "viewer");
}

#[tokio::test]
async fn where_the_identity_provider_decides_it_is_told_first() {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let portal = Portal::spawn_with(&world.databases, Redis::Memory, &FOLLOWS).await;
    let console = Console::of(tenant.provider()).await;
    let owner = tenant.signs_in(&portal, Role::Owner).await;
    let (user, subject) = (tenant.user(Role::Admin).await, tenant.subject(Role::Admin));
    let _ = changes_role(&owner, user, "viewer").await.expect(200);
    assert_eq!(console.roles_of(&tenant.org, &subject).await.unwrap(), ["viewer"]);
    let demoted = tenant.signs_in(&portal, Role::Admin).await;
    assert_eq!(demoted.get("/api/session").await.expect(200).json()["role"], "viewer");

    // What cannot be written there is not written here.
    for faults in [
        json!({ "management_status": 500 }),
        json!({ "management_status": 429, "rate_limit_reset_seconds": 2 }),
        json!({ "management_delay_ms": 7_000 }),
    ] {
        console.fails(&subject, faults.clone()).await;
        let refused = changes_role(&owner, user, "recruiter").await;
        refused.expect_problem(503, "unavailable");
        assert!(!refused.header("retry-after").is_empty(), "{faults}");
        console.is_mended(&subject).await;
        assert_eq!(role_of(&owner, user).await, "viewer", "{faults}");
        assert_eq!(console.roles_of(&tenant.org, &subject).await.unwrap(), ["viewer"]);
        tokio::time::sleep(std::time::Duration::from_millis(2_100)).await;
    }
    let _ = changes_role(&owner, user, "recruiter").await.expect(200);
}

async fn role_of(browser: &Browser, user: uuid::Uuid) -> String {
    let members = team(browser).await;
    let user = user.to_string();
    let member = members.iter().find(|member| member["user"] == user.as_str()).unwrap();
    member["role"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_sign_in_brings_the_row_into_line_where_the_identity_provider_decides() {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let portal = Portal::spawn_with(&world.databases, Redis::Memory, &FOLLOWS).await;
    let console = Console::of(tenant.provider()).await;
    let (org, subject) = (tenant.org.as_str(), tenant.subject(Role::Recruiter));
    console.assigns(org, &subject, "admin").await;
    let promoted = tenant.signs_in(&portal, Role::Recruiter).await;
    assert_eq!(promoted.get("/api/session").await.expect(200).json()["role"], "admin");
    for role in ["admin", "recruiter"] {
        console.withdraws(org, &subject, role).await;
    }
    let stripped = tenant.signs_in(&portal, Role::Recruiter).await;
    assert_eq!(stripped.get("/api/session").await.expect(200).json()["role"], "viewer");

    // A token that disagrees is not believed by itself, and nobody signs in on a guess.
    console.assigns(org, &subject, "owner").await;
    console.fails(&subject, json!({ "management_status": 500 })).await;
    let mut browser = portal.browser();
    let refused = browser.goes_through_login(tenant.provider(), &subject, org).await;
    refused.expect_problem(503, "unavailable");
    console.is_mended(&subject).await;
    let owner = tenant.signs_in(&portal, Role::Recruiter).await;
    assert_eq!(owner.get("/api/session").await.expect(200).json()["role"], "owner");
}

#[tokio::test]
async fn a_change_that_waited_while_its_maker_was_demoted_is_refused() {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let portal = Portal::spawn(&world.databases, Redis::Memory).await;
    let owner = tenant.signs_in(&portal, Role::Owner).await;
    let admin = tenant.signs_in(&portal, Role::Admin).await;
    let viewer = tenant.user(Role::Viewer).await;
    let turn = tenant.holds_up_the_team().await;
    let demotion = async {
        eventually("the change waits", LONG, async || {
            (tenant.waiting_for_the_team().await == 1).then_some(())
        })
        .await;
        tenant.changes_role_behind_everybody(Role::Admin, Role::Recruiter).await;
        turn.close().await.unwrap();
    };
    let (answer, ()) = tokio::join!(changes_role(&admin, viewer, "recruiter"), demotion);
    answer.expect_problem(403, "forbidden");
    assert_eq!(role_of(&owner, viewer).await, "viewer");
}

#[tokio::test]
async fn nobody_reaches_above_themselves_beside_themselves_or_out_of_their_tenant() {
    let world = World::shared().await;
    let (ours, theirs) = (world.tenant().await, world.tenant().await);
    let portal = Portal::spawn(&world.databases, Redis::Memory).await;
    let admin = ours.signs_in(&portal, Role::Admin).await;
    let (owner, viewer) = (ours.user(Role::Owner).await, ours.user(Role::Viewer).await);
    changes_role(&admin, owner, "viewer").await.expect_problem(403, "forbidden");
    changes_role(&admin, viewer, "owner").await.expect_problem(403, "forbidden");
    let own = ours.user(Role::Admin).await;
    changes_role(&admin, own, "recruiter").await.expect_problem(403, "forbidden");
    let foreign = changes_role(&admin, theirs.user(Role::Viewer).await, "recruiter").await;
    foreign.expect_problem(404, "not_found");
    let absent = changes_role(&admin, uuid::Uuid::now_v7(), "recruiter").await;
    absent.expect_problem(404, "not_found");
    changes_role(&admin, viewer, "king").await.expect_problem(422, "validation_failed");
    for role in [Role::Recruiter, Role::HiringManager, Role::Viewer] {
        let weak = ours.signs_in(&portal, role).await;
        changes_role(&weak, viewer, "recruiter").await.expect_problem(403, "forbidden");
        // Everybody sees whom they work with.
        assert_eq!(team(&weak).await.len(), Role::ALL.len());
    }
    let _ = changes_role(&admin, viewer, "admin").await.expect(200);
    let page = admin.get("/api/team?limit=3").await.expect(200).json();
    let cursor = page["page"]["next_cursor"].as_str().unwrap();
    let rest = admin.get(&format!("/api/team?limit=3&cursor={cursor}")).await.expect(200).json();
    assert_eq!(
        (page["data"].as_array().unwrap().len(), &rest["page"]["has_more"]),
        (3, &json!(false))
    );
    assert_eq!(rest["data"].as_array().unwrap().len(), 2);
}
