//! Recipients follow from role, team, preference, and from who did it.

use serde_json::json;
use tenancy::{EventKind, Role};

use super::{Event, inbox, kinds, tell, user};
use crate::support::{Store, a_job, assign};

#[tokio::test]
async fn applications_reach_recruiters_and_assigned_managers_and_nobody_else() {
    let store = Store::open_for("recipients").await;
    let tenant = store.tenant().await;
    let assigned = store.create(&tenant, &a_job("Nurse")).await.summary.id;
    let other = store.create(&tenant, &a_job("Cook")).await.summary.id;
    let mut tx = store.begin(&tenant).await;
    assign(&mut tx, &tenant, assigned, "view").await;
    tx.commit().await.unwrap();
    let _ = tell(&store).await;

    let event = Event::applied(assigned).written(&store, &tenant).await;
    Event::applied(other).written(&store, &tenant).await;
    let told = tell(&store).await;
    assert_eq!(told.taken, 2);
    for role in [Role::Owner, Role::Admin, Role::Recruiter] {
        assert_eq!(kinds(&store, &tenant, role).await, ["application_submitted"; 2], "{role}");
    }
    let managers = inbox(&store, &tenant, Role::HiringManager).await;
    assert_eq!(managers.iter().map(|one| one.job).collect::<Vec<_>>(), [Some(assigned)]);
    assert_eq!(kinds(&store, &tenant, Role::Viewer).await, Vec::<&str>::new());

    let first = &told.published[0];
    assert_eq!((first.event_id, first.kind), (event, EventKind::ApplicationSubmitted));
    assert_eq!(first.job, Some(assigned));
    let mut expected: Vec<_> = [Role::Owner, Role::Admin, Role::Recruiter, Role::HiringManager]
        .map(|role| (user(&tenant, role), 1))
        .to_vec();
    expected.sort();
    assert_eq!(first.recipients, expected, "all of them, as their first notification");
    assert_eq!(managers[0].data, json!({ "source": "board", "to": "applied" }));
}

#[tokio::test]
async fn that_a_job_expires_reaches_all_of_its_team_also_who_only_looks_on() {
    let store = Store::open_for("expiring").await;
    let tenant = store.tenant().await;
    let seen = store.create(&tenant, &a_job("Nurse")).await.summary.id;
    let other = store.create(&tenant, &a_job("Cook")).await.summary.id;
    let mut tx = store.begin(&tenant).await;
    assign(&mut tx, &tenant, seen, "view").await;
    tx.commit().await.unwrap();
    for job in [seen, other] {
        let expiring = Event {
            kind: "job.expiring",
            subject: Some(job.as_uuid()),
            actor: None,
            payload: json!({ "v": 1, "valid_through": "2026-12-01T00:00:00Z" }),
        };
        expiring.written(&store, &tenant).await;
    }
    let _ = tell(&store).await;
    assert_eq!(kinds(&store, &tenant, Role::Recruiter).await, ["job_expiring"; 2]);
    let managers = inbox(&store, &tenant, Role::HiringManager).await;
    assert_eq!(managers.iter().map(|one| one.job).collect::<Vec<_>>(), [Some(seen)]);
    assert_eq!(kinds(&store, &tenant, Role::Viewer).await, Vec::<&str>::new());
}

#[tokio::test]
async fn nobody_is_told_of_their_own_deeds() {
    let store = Store::open_for("deeds").await;
    let tenant = store.tenant().await;
    let job = store.create(&tenant, &a_job("Nurse")).await.summary.id;
    Event::moved(job, user(&tenant, Role::Recruiter)).written(&store, &tenant).await;
    let _ = tell(&store).await;
    assert_eq!(kinds(&store, &tenant, Role::Recruiter).await, Vec::<&str>::new());
    let admins = inbox(&store, &tenant, Role::Admin).await;
    assert_eq!(admins[0].actor, Some(user(&tenant, Role::Recruiter)));
    assert_eq!(admins[0].data, json!({ "from": "applied", "to": "screen" }));
}

#[tokio::test]
async fn a_mention_reaches_those_named_who_may_read_the_application() {
    let store = Store::open_for("mentions").await;
    let tenant = store.tenant().await;
    let job = store.create(&tenant, &a_job("Nurse")).await.summary.id;
    let named = [Role::Admin, Role::Viewer].map(|role| user(&tenant, role));
    let mention = Event {
        kind: "mention.created",
        payload: json!({ "v": 1, "job": job, "application": job, "users": named }),
        ..Event::moved(job, user(&tenant, Role::Recruiter))
    };
    mention.written(&store, &tenant).await;
    let _ = tell(&store).await;
    assert_eq!(kinds(&store, &tenant, Role::Admin).await, ["mention"]);
    for role in [Role::Viewer, Role::Owner, Role::Recruiter] {
        assert_eq!(kinds(&store, &tenant, role).await, Vec::<&str>::new(), "{role}");
    }
}

#[tokio::test]
async fn a_role_and_an_export_are_their_persons_own_and_the_cache_is_its_admins() {
    let store = Store::open_for("own").await;
    let tenant = store.tenant().await;
    let viewer = user(&tenant, Role::Viewer);
    let role = Event {
        kind: "member.role_changed",
        subject: Some(viewer.as_uuid()),
        actor: Some(user(&tenant, Role::Owner)),
        payload: json!({ "role": "viewer", "role_version": 2 }),
    };
    let export = Event {
        kind: "export.ready",
        actor: None,
        payload: json!({ "user": user(&tenant, Role::Owner) }),
        ..role.clone()
    };
    // Somebody who asked for one, and may not have it any more.
    let late = Event { payload: json!({ "user": viewer }), ..export.clone() };
    let cache = Event {
        kind: "cache.invalidated",
        subject: None,
        actor: Some(user(&tenant, Role::Admin)),
        payload: json!({ "v": 1, "mode": "hard", "groups": 1 }),
    };
    for event in [role, export, late, cache] {
        event.written(&store, &tenant).await;
    }
    let _ = tell(&store).await;
    assert_eq!(kinds(&store, &tenant, Role::Viewer).await, ["role_changed"]);
    assert_eq!(kinds(&store, &tenant, Role::Owner).await, ["export_ready", "cache_invalidated"]);
    for role in [Role::Admin, Role::Recruiter, Role::HiringManager] {
        assert_eq!(kinds(&store, &tenant, role).await, Vec::<&str>::new(), "{role}");
    }
}

#[tokio::test]
async fn whoever_may_see_less_today_sees_less_of_yesterday() {
    let store = Store::open_for("less").await;
    let tenant = store.tenant().await;
    let job = store.create(&tenant, &a_job("Nurse")).await.summary.id;
    let mut tx = store.begin(&tenant).await;
    assign(&mut tx, &tenant, job, "view").await;
    tx.commit().await.unwrap();
    Event::applied(job).written(&store, &tenant).await;
    let _ = tell(&store).await;
    assert_eq!(inbox(&store, &tenant, Role::HiringManager).await.len(), 1);
    let mut superuser = store.superuser().await;
    sqlx::query("DELETE FROM job_team WHERE job_id = $1")
        .bind(job.as_uuid())
        .execute(&mut superuser)
        .await
        .unwrap();
    assert_eq!(inbox(&store, &tenant, Role::HiringManager).await, []);
}

#[tokio::test]
async fn whoever_tells_knows_members_by_id_alone() {
    let store = Store::open().await;
    let mut superuser = store.superuser().await;
    let readable: Vec<String> = sqlx::query_scalar(
        "SELECT c.table_name || '.' || c.column_name
         FROM information_schema.columns c
         WHERE c.table_schema = 'public' AND c.table_name IN ('users', 'memberships', 'job_team')
           AND has_column_privilege('portal_worker', c.table_name::regclass, c.column_name, 'SELECT')
         ORDER BY 1",
    )
    .fetch_all(&mut superuser)
    .await
    .unwrap();
    let expected = [
        "job_team.job_id",
        "job_team.tenant_id",
        "job_team.user_id",
        "memberships.created_at",
        "memberships.role",
        "memberships.tenant_id",
        "memberships.user_id",
    ];
    assert_eq!(readable, expected);
}
