//! An owner stays, whatever happens at the same moment.

use portal_tests::portal::{Portal, Redis};
use portal_tests::tenant::World;
use tenancy::Role;

use crate::support::{changes_role, removes, team};

#[tokio::test]
async fn two_owners_who_demote_or_remove_each_other_leave_one() {
    let world = World::shared().await;
    let portal = Portal::spawn(&world.databases, Redis::Memory).await;
    for round in 0..6 {
        let tenant = world.tenant().await;
        let owner = tenant.signs_in(&portal, Role::Owner).await;
        let (first, second) = (tenant.user(Role::Owner).await, tenant.user(Role::Admin).await);
        let _ = changes_role(&owner, second, "owner").await.expect(200);
        let other = tenant.signs_in(&portal, Role::Admin).await;
        let (mine, theirs) = if round % 2 == 0 {
            tokio::join!(
                changes_role(&owner, second, "viewer"),
                changes_role(&other, first, "viewer")
            )
        } else {
            tokio::join!(removes(&owner, second), removes(&other, first))
        };
        let successes = [&mine, &theirs].iter().filter(|answer| answer.status.is_success()).count();
        assert_eq!(
            successes, 1,
            "{} {} | {} {}",
            mine.status, mine.text, theirs.status, theirs.text
        );
        let left = if mine.status.is_success() { &owner } else { &other };
        let members = team(left).await;
        let owners = members.iter().filter(|member| member["role"] == "owner").count();
        assert_eq!(owners, 1, "{members:?}");
    }
}

#[tokio::test]
async fn two_owners_who_leave_at_once_leave_one() {
    let world = World::shared().await;
    let portal = Portal::spawn(&world.databases, Redis::Memory).await;
    for _ in 0..4 {
        let tenant = world.tenant().await;
        let owner = tenant.signs_in(&portal, Role::Owner).await;
        let (first, second) = (tenant.user(Role::Owner).await, tenant.user(Role::Admin).await);
        let _ = changes_role(&owner, second, "owner").await.expect(200);
        let other = tenant.signs_in(&portal, Role::Admin).await;
        let (mine, theirs) = tokio::join!(removes(&owner, first), removes(&other, second));
        let mut statuses = [mine.status.as_u16(), theirs.status.as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [204, 409], "{} | {}", mine.text, theirs.text);
    }
}
