//! Members, invitations and the identity provider's messages as rows.

use std::time::Duration;

use employer_store::invitations::{self, Acceptance, Invitee, NewInvitation, Obstacle};
use employer_store::provider_messages::{self, MessageKind};
use employer_store::team::{self, TeamOutcome};
use employer_store::testing::{TestTenant, connection};
use employer_store::{TenantTx, identity};
use tenancy::{EventKind, Role, UserId};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::support::Store;

async fn invite(tx: &mut TenantTx, tenant: &TestTenant, email: &str, ticket: &str) -> Uuid {
    let now: OffsetDateTime =
        sqlx::query_scalar("SELECT now()").fetch_one(connection(tx)).await.unwrap();
    let new = NewInvitation {
        email,
        role: Role::Recruiter,
        ticket,
        provider_id: "uinv_1",
        expires_at: now + Duration::from_secs(60),
        invited_by: tenant.member(Role::Owner).unwrap().user,
    };
    invitations::create_invitation(tx, &new).await.unwrap().id
}

fn nora(email: &str) -> Invitee<'_> {
    Invitee { subject: "auth0|nora", name: " Nora\0 N. ", email }
}

#[tokio::test]
async fn a_role_change_is_an_event_a_version_and_a_trace() {
    let store = Store::open().await;
    let tenant = store.tenant().await;
    let viewer = tenant.member(Role::Viewer).unwrap().user;
    let mut tx = store.begin_as(&tenant, Role::Owner).await;
    team::lock(&mut tx).await.unwrap();
    let TeamOutcome::Done(member) = team::change_role(&mut tx, viewer, Role::Admin).await.unwrap()
    else {
        panic!("the role changes")
    };
    assert_eq!((member.role, member.role_version), (Role::Admin, 2));
    let again = team::change_role(&mut tx, viewer, Role::Admin).await.unwrap();
    assert_eq!(again, TeamOutcome::Unchanged(member));
    let owner = tenant.member(Role::Owner).unwrap().user;
    let last = team::change_role(&mut tx, owner, Role::Viewer).await.unwrap();
    assert_eq!(last, TeamOutcome::LastOwner);
    assert_eq!(team::remove_member(&mut tx, owner).await.unwrap(), TeamOutcome::LastOwner);
    let stranger = UserId::from_uuid(Uuid::now_v7());
    let unknown = team::change_role(&mut tx, stranger, Role::Viewer).await.unwrap();
    assert_eq!(unknown, TeamOutcome::NotFound);
    let events = tx.commit().await.unwrap();
    let kinds: Vec<_> = events.iter().map(|event| (event.kind, event.subject)).collect();
    assert_eq!(kinds, [(EventKind::MemberRoleChanged, Some(viewer.as_uuid()))]);
}

#[tokio::test]
async fn the_identity_provider_may_take_the_last_owner_and_times_only_grow() {
    let store = Store::open().await;
    let tenant = store.tenant().await;
    let owner = tenant.member(Role::Owner).unwrap().user;
    let at =
        |seconds: i64| Some(OffsetDateTime::from_unix_timestamp(1_800_000_000 + seconds).unwrap());
    let mut tx = store.begin(&tenant).await;
    let changed = team::follow_provider(&mut tx, owner, Role::Viewer, at(5)).await.unwrap();
    assert!(matches!(changed, TeamOutcome::Done(member) if member.roles_as_of == at(5)));
    let older = team::follow_provider(&mut tx, owner, Role::Admin, at(3)).await.unwrap();
    assert!(matches!(older, TeamOutcome::Done(member) if member.roles_as_of == at(5)));
    team::follow_provider(&mut tx, owner, Role::Admin, at(9)).await.unwrap();
    let member = team::find_member(&mut tx, owner).await.unwrap().unwrap();
    assert_eq!((member.roles_as_of, member.role_version), (at(9), 3));
    let removed = team::remove_by_provider(&mut tx, owner).await.unwrap();
    assert!(matches!(removed, TeamOutcome::Done(_)));
    let events = tx.commit().await.unwrap();
    assert_eq!(events.last().unwrap().kind, EventKind::MemberRemoved);
}

#[tokio::test]
async fn an_invitation_is_accepted_once_by_whom_it_is_for() {
    let store = Store::open().await;
    let (ours, theirs) = (store.tenant().await, store.tenant().await);
    let mut tx = store.begin_as(&ours, Role::Owner).await;
    let id = invite(&mut tx, &ours, "Nora@Example.com", "ticket").await;
    let stored: Vec<u8> = sqlx::query_scalar("SELECT ticket_hash FROM invitations")
        .fetch_one(connection(&mut tx))
        .await
        .unwrap();
    assert!(stored.len() == 32 && stored != b"ticket");
    let obstacle =
        async |tx: &mut TenantTx, email: &str| invitations::find_obstacle(tx, email).await.unwrap();
    assert_eq!(obstacle(&mut tx, "NORA@example.com").await, Some(Obstacle::Invited));
    let member = ours.member(Role::Viewer).unwrap().email.clone();
    assert_eq!(obstacle(&mut tx, &member).await, Some(Obstacle::Member));
    assert_eq!(obstacle(&mut tx, "nils@example.com").await, None);
    drop(tx.commit().await.unwrap());

    let mut elsewhere = store.begin(&theirs).await;
    assert_eq!(invitations::list_open(&mut elsewhere).await.unwrap(), []);
    assert!(invitations::find_open_for_update(&mut elsewhere, id).await.unwrap().is_none());
    let foreign = invitations::accept(&mut elsewhere, "ticket", &nora("nora@example.com")).await;
    assert_eq!(foreign.unwrap(), Acceptance::NotOpen);
    elsewhere.rollback().await.unwrap();

    let mut tx = store.begin(&ours).await;
    for (ticket, email, expected) in [
        ("another", "nora@example.com", Acceptance::NotOpen),
        ("ticket", "ben@example.com", Acceptance::AnotherAddress),
        ("ticket", "", Acceptance::AnotherAddress),
        ("ticket", "NORA@example.com", Acceptance::Accepted),
        ("ticket", "nora@example.com", Acceptance::NotOpen),
    ] {
        let outcome = invitations::accept(&mut tx, ticket, &nora(email)).await.unwrap();
        assert_eq!(outcome, expected, "{ticket} {email}");
    }
    let events = tx.commit().await.unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].kind, EventKind::MemberJoined);
    let found = identity::find_membership(&store.db, "auth0|nora", ours.scope.org()).await;
    let found = found.unwrap().unwrap();
    assert_eq!(
        (found.role, &*found.name, &*found.email),
        (Role::Recruiter, "Nora N.", "nora@example.com")
    );
}

#[tokio::test]
async fn what_has_expired_cannot_be_accepted_and_holds_no_address() {
    let store = Store::open().await;
    let tenant = store.tenant().await;
    let mut tx = store.begin_as(&tenant, Role::Owner).await;
    invite(&mut tx, &tenant, "nora@example.com", "first").await;
    drop(tx.commit().await.unwrap());
    let mut superuser = store.superuser().await;
    let expire = "UPDATE invitations SET expires_at = now() WHERE tenant_id = $1";
    let tenant_id = tenant.scope.tenant().as_uuid();
    sqlx::query(expire).bind(tenant_id).execute(&mut superuser).await.unwrap();
    let mut tx = store.begin_as(&tenant, Role::Owner).await;
    let late = invitations::accept(&mut tx, "first", &nora("nora@example.com")).await.unwrap();
    assert_eq!(late, Acceptance::NotOpen);
    assert_eq!(invitations::find_obstacle(&mut tx, "nora@example.com").await.unwrap(), None);
    let id = invite(&mut tx, &tenant, "nora@example.com", "second").await;
    let open = invitations::list_open(&mut tx).await.unwrap();
    assert_eq!(open.iter().map(|invitation| invitation.id).collect::<Vec<_>>(), [id]);
    invitations::withdraw(&mut tx, &open[0]).await.unwrap();
    let withdrawn = invitations::accept(&mut tx, "second", &nora("nora@example.com")).await;
    assert_eq!(withdrawn.unwrap(), Acceptance::NotOpen);
}

#[tokio::test]
async fn a_message_counts_once_while_it_is_remembered() {
    let store = Store::open().await;
    let (kind, id) = (MessageKind::LogoutToken, Uuid::new_v4().to_string());
    #[expect(clippy::disallowed_methods, reason = "the database has the real time too")]
    let now = OffsetDateTime::now_utc();
    let minute = Duration::from_secs(60);
    let known = async |kind| provider_messages::is_known(&store.db, kind, &id).await.unwrap();
    assert!(!known(kind).await);
    assert!(provider_messages::remember(&store.db, kind, &id, now, minute).await.unwrap());
    assert!(!provider_messages::remember(&store.db, kind, &id, now, minute).await.unwrap());
    assert!(known(kind).await);
    assert!(!known(MessageKind::Event).await, "another kind has ids of its own");
    let long_ago = now - Duration::from_secs(3_600);
    let other = Uuid::new_v4().to_string();
    assert!(provider_messages::remember(&store.db, kind, &other, long_ago, minute).await.unwrap());
    assert!(!provider_messages::is_known(&store.db, kind, &other).await.unwrap(), "it is over");
}
