//! Leaving, and being removed.

use portal_tests::console::{Console, FOLLOWS};
use portal_tests::portal::{Portal, Redis};
use portal_tests::tenant::World;
use serde_json::json;
use tenancy::Role;

use crate::support::{removes, team};

#[tokio::test]
async fn anybody_may_leave_and_nobody_else_is_reached_above_oneself() {
    let world = World::shared().await;
    let (ours, theirs) = (world.tenant().await, world.tenant().await);
    let portal = Portal::spawn(&world.databases, Redis::Memory).await;
    let viewer = ours.signs_in(&portal, Role::Viewer).await;
    let recruiter = ours.user(Role::Recruiter).await;
    removes(&viewer, recruiter).await.expect_problem(403, "forbidden");
    assert_eq!(removes(&viewer, ours.user(Role::Viewer).await).await.status, 204);
    let admin = ours.signs_in(&portal, Role::Admin).await;
    removes(&admin, ours.user(Role::Owner).await).await.expect_problem(403, "forbidden");
    removes(&admin, theirs.user(Role::Viewer).await).await.expect_problem(404, "not_found");
    let owner = ours.signs_in(&portal, Role::Owner).await;
    removes(&owner, ours.user(Role::Owner).await).await.expect_problem(409, "last_owner");
}

#[tokio::test]
async fn where_the_identity_provider_decides_it_loses_them_first() {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let portal = Portal::spawn_with(&world.databases, Redis::Memory, &FOLLOWS).await;
    let console = Console::of(tenant.provider()).await;
    let owner = tenant.signs_in(&portal, Role::Owner).await;
    let user = tenant.user(Role::Recruiter).await;
    let (org, subject) = (tenant.org.as_str(), tenant.subject(Role::Recruiter));
    console.fails(org, json!({ "management_status": 503 })).await;
    removes(&owner, user).await.expect_problem(503, "unavailable");
    console.is_mended(org).await;
    assert_eq!(team(&owner).await.len(), Role::ALL.len());
    assert_eq!(removes(&owner, user).await.status, 204);
    assert_eq!(console.roles_of(org, &subject).await, None);
}
