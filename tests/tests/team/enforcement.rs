//! Whatever changes somebody's place, and however, holds on every instance at once: with the
//! messages between instances, and without them.

use portal_tests::console::{Console, FOLLOWS};
use portal_tests::portal::{Portal, Redis};
use portal_tests::tenant::World;
use serde_json::json;
use tenancy::Role;

use crate::pair::{Pair, SOON, is_soon, is_soon_out};
use crate::support::{TOLD, changes_role, removes, team};

#[tokio::test]
async fn a_changed_role_holds_on_both_instances_and_the_person_stays_signed_in() {
    let pair = Pair::start(&[]).await;
    role_holds_on_both(&pair).await;
}

#[tokio::test]
async fn a_changed_role_holds_on_both_instances_when_messages_are_lost() {
    let pair = Pair::start(&[]).await;
    pair.loses_messages().await;
    role_holds_on_both(&pair).await;
}

async fn role_holds_on_both(pair: &Pair) {
    let tenant = &pair.tenant;
    let (owner, _) = pair.signs_in(Role::Owner).await;
    let (recruiter, at_two) = pair.signs_in(Role::Recruiter).await;
    let user = tenant.user(Role::Recruiter).await;
    for role in ["viewer", "admin", "hiring_manager"] {
        let changed = changes_role(&owner, user, role).await.expect(200).json();
        assert_eq!(changed["role"], role);
        is_soon(&at_two, role, SOON).await;
        is_soon(&recruiter, role, SOON).await;
    }
    let refused = at_two.post("/api/jobs", &portal_tests::job::nurse()).await;
    refused.expect_problem(403, "forbidden");
    assert_eq!(tenant.audited("authz_change").await, 3);
}

#[tokio::test]
async fn a_removed_member_is_out_on_both_instances() {
    let pair = Pair::start(&[]).await;
    is_out_on_both(&pair).await;
}

#[tokio::test]
async fn a_removed_member_is_out_on_both_instances_when_messages_are_lost() {
    let pair = Pair::start(&[]).await;
    pair.loses_messages().await;
    is_out_on_both(&pair).await;
}

async fn is_out_on_both(pair: &Pair) {
    let (owner, _) = pair.signs_in(Role::Owner).await;
    let (recruiter, at_two) = pair.signs_in(Role::Recruiter).await;
    let user = pair.tenant.user(Role::Recruiter).await;
    assert_eq!(removes(&owner, user).await.status, 204);
    is_soon_out(&at_two, SOON).await;
    is_soon_out(&recruiter, SOON).await;
    assert_eq!(team(&owner).await.len(), Role::ALL.len() - 1);
    removes(&owner, user).await.expect_problem(404, "not_found");
    // The identity provider still has them; our rows do not.
    let subject = pair.tenant.subject(Role::Recruiter);
    let mut browser = pair.two.browser();
    let provider = pair.tenant.provider();
    let refused = browser.goes_through_login(provider, &subject, &pair.tenant.org).await;
    refused.expect_problem(403, "forbidden");
    assert_eq!(pair.tenant.audited("user_deleted").await, 1);
}

#[tokio::test]
async fn a_role_that_is_changed_there_holds_on_both_instances() {
    let pair = Pair::start(&FOLLOWS).await;
    events_hold_on_both(&pair).await;
}

#[tokio::test]
async fn a_role_that_is_changed_there_holds_on_both_instances_when_messages_are_lost() {
    let pair = Pair::start(&FOLLOWS).await;
    pair.loses_messages().await;
    events_hold_on_both(&pair).await;
}

/// Each event counts from its acknowledgement, as a change through our own endpoint does.
async fn events_hold_on_both(pair: &Pair) {
    let (org, subject) = (pair.tenant.org.as_str(), pair.tenant.subject(Role::Recruiter));
    let (at_one, at_two) = pair.signs_in(Role::Recruiter).await;
    let tells = async |change: &str, second: u8| {
        let kind = format!("organization.member.{change}");
        let (id, time) = (
            format!("evt_{second}_{}", pair.tenant.slug),
            format!("2026-11-22T10:00:{second:02}Z"),
        );
        pair.console.makes_up(&pair.one, &kind, org, &subject, &id, &time).await
    };
    pair.console.assigns(org, &subject, "admin").await;
    assert_eq!(tells("role.assigned", 1).await, 204);
    is_soon(&at_two, "admin", SOON).await;
    pair.console.withdraws(org, &subject, "admin").await;
    assert_eq!(tells("role.deleted", 2).await, 204);
    is_soon(&at_two, "recruiter", SOON).await;
    pair.console.withdraws(org, &subject, "recruiter").await;
    assert_eq!(tells("role.deleted", 3).await, 204);
    is_soon(&at_two, "viewer", SOON).await;
    is_soon(&at_one, "viewer", SOON).await;
    pair.console.removes(org, &subject).await;
    assert_eq!(tells("deleted", 4).await, 204);
    is_soon_out(&at_two, SOON).await;
    is_soon_out(&at_one, SOON).await;
}

#[tokio::test]
async fn events_may_come_twice_and_out_of_order_and_messages_be_lost() {
    let pair = Pair::start(&FOLLOWS).await;
    pair.loses_messages().await;
    let (org, subject) = (pair.tenant.org.as_str(), pair.tenant.subject(Role::Recruiter));
    pair.console.tells_with(&pair.one, org, json!({ "duplicate": true, "reorder": true })).await;
    let (at_one, at_two) = pair.signs_in(Role::Recruiter).await;
    pair.console.assigns(org, &subject, "admin").await;
    is_soon(&at_two, "admin", TOLD).await;
    pair.console.withdraws(org, &subject, "admin").await;
    is_soon(&at_two, "recruiter", TOLD).await;
    pair.console.removes(org, &subject).await;
    is_soon_out(&at_two, TOLD).await;
    is_soon_out(&at_one, TOLD).await;
}

#[tokio::test]
async fn an_event_that_could_not_be_acted_on_is_sent_again() {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let portal = Portal::spawn_with(&world.databases, Redis::Memory, &FOLLOWS).await;
    let console = Console::of(tenant.provider()).await;
    let viewer = tenant.signs_in(&portal, Role::Viewer).await;
    let (org, subject) = (tenant.org.as_str(), tenant.subject(Role::Viewer));
    let tells = async || {
        let (kind, id) =
            ("organization.member.role.assigned", format!("evt_again_{}", tenant.slug));
        console.makes_up(&portal, kind, org, &subject, &id, "2026-11-22T10:00:05Z").await
    };
    console.assigns(org, &subject, "admin").await;
    console.fails(&subject, json!({ "management_status": 500 })).await;
    assert_eq!(tells().await, 503, "the roles cannot be looked at");
    assert_eq!(viewer.get("/api/session").await.expect(200).json()["role"], "viewer");
    console.is_mended(&subject).await;
    assert_eq!(tells().await, 204, "it was not taken for done");
    is_soon(&viewer, "admin", SOON).await;
}

#[tokio::test]
async fn a_persons_sessions_end_on_both_instances() {
    for typ in ["JWT", "logout+jwt"] {
        let pair = Pair::start(&[]).await;
        logout_ends_on_both(&pair, typ).await;
    }
}

#[tokio::test]
async fn a_persons_sessions_end_on_both_instances_when_messages_are_lost() {
    let pair = Pair::start(&[]).await;
    pair.loses_messages().await;
    logout_ends_on_both(&pair, "JWT").await;
}

async fn logout_ends_on_both(pair: &Pair, typ: &str) {
    let (at_one, at_two) = pair.signs_in(Role::Recruiter).await;
    let (other, other_at_two) = pair.signs_in(Role::Viewer).await;
    let notice = json!({ "sub": pair.tenant.subject(Role::Recruiter), "typ": typ });
    let answer = pair.console.logs_out(&pair.one, notice).await;
    assert_eq!(answer["status"], 200, "{answer}");
    is_soon_out(&at_two, SOON).await;
    is_soon_out(&at_one, SOON).await;
    for browser in [other, other_at_two] {
        let _ = browser.get("/api/session").await.expect(200);
    }
}

#[tokio::test]
async fn a_logout_token_counts_once() {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let portal = Portal::spawn(&world.databases, Redis::Memory).await;
    let console = Console::of(tenant.provider()).await;
    let browser = tenant.signs_in(&portal, Role::Recruiter).await;
    let subject = tenant.subject(Role::Recruiter);
    let notice = json!({ "sub": subject, "jti": format!("jti-{}", tenant.slug) });
    assert_eq!(console.logs_out(&portal, notice.clone()).await["status"], 200);
    is_soon_out(&browser, SOON).await;
    let again = tenant.signs_in(&portal, Role::Recruiter).await;
    assert_eq!(console.logs_out(&portal, notice).await["status"], 400, "it was used");
    let _ = again.get("/api/session").await.expect(200);
}

#[tokio::test]
async fn an_event_that_is_older_than_what_is_known_changes_nothing() {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let portal = Portal::spawn_with(&world.databases, Redis::Memory, &FOLLOWS).await;
    let console = Console::of(tenant.provider()).await;
    let (org, subject) = (tenant.org.as_str(), tenant.subject(Role::Recruiter));
    let recruiter = tenant.signs_in(&portal, Role::Recruiter).await;
    let tells = async |id: &str, time: &str| {
        let id = format!("evt_{id}_{}", tenant.slug);
        let kind = "organization.member.role.assigned";
        console.makes_up(&portal, kind, org, &subject, &id, time).await
    };
    console.assigns(org, &subject, "admin").await;
    assert_eq!(tells("new", "2026-11-22T10:00:05Z").await, 204);
    is_soon(&recruiter, "admin", SOON).await;
    console.withdraws(org, &subject, "admin").await;
    assert_eq!(tells("old", "2026-11-22T10:00:04Z").await, 204);
    // The same event again is no news either.
    assert_eq!(tells("new", "2026-11-22T10:00:05Z").await, 204);
    let session = recruiter.get("/api/session").await.expect(200).json();
    assert_eq!(session["role"], "admin");
    assert_eq!(tells("newer", "2026-11-22T10:00:06Z").await, 204);
    is_soon(&recruiter, "recruiter", SOON).await;
}
