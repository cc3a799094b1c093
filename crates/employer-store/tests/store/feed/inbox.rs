//! Numbers without gaps, and what becomes of notifications.

use std::time::Duration;

use employer_store::feed::{self, FeedFilter, Head, Mark};
use tenancy::{EventKind, Role};
use time::OffsetDateTime;

use super::{Event, SETTINGS, inbox, tell, user};
use crate::support::{Store, a_job};

const ALL: FeedFilter = FeedFilter { is_unread_only: false, is_archived: false, before: None };

#[tokio::test]
async fn numbers_have_no_gaps_however_many_tell_at_once() {
    let store = Store::open_for("gaps").await;
    let tenant = store.tenant().await;
    let job = store.create(&tenant, &a_job("Nurse")).await.summary.id;
    for _ in 0..60 {
        Event::applied(job).written(&store, &tenant).await;
    }
    let settings = feed::TellingSettings { batch: 7, ..SETTINGS };
    let work = async || {
        let mut told = Vec::new();
        while let done = feed::fan_out(&store.worker, &settings, None).await.unwrap()
            && done.taken > 0
        {
            told.extend(done.published);
        }
        told
    };
    let (one, two, three) = tokio::join!(work(), work(), work());
    assert_eq!(one.len() + two.len() + three.len(), 60, "no event was told twice");
    for role in [Role::Owner, Role::Recruiter] {
        let seqs: Vec<i64> = inbox(&store, &tenant, role).await.iter().map(|n| n.seq).collect();
        assert_eq!(seqs, (1..=60).collect::<Vec<_>>(), "{role}");
    }
    let mut tx = store.db.begin_read(&tenant.scope).await.unwrap();
    let head = feed::head(&mut tx, user(&tenant, Role::Owner)).await.unwrap();
    assert_eq!((head.seq, head.unread), (60, 60));
}

#[tokio::test]
async fn the_numbering_is_known_before_the_first_notification_and_stays() {
    let store = Store::open_for("epoch").await;
    let tenant = store.tenant().await;
    let owner = user(&tenant, Role::Owner);
    let head = async || {
        let mut tx = store.db.begin_read(&tenant.scope).await.unwrap();
        feed::head(&mut tx, owner).await.unwrap()
    };
    let before = head().await;
    assert!(before.epoch > 0);
    assert_eq!((before.seq, before.unread), (0, 0));
    let job = store.create(&tenant, &a_job("Nurse")).await.summary.id;
    Event::applied(job).written(&store, &tenant).await;
    let _ = tell(&store).await;
    assert_eq!(head().await, Head { seq: 1, unread: 1, ..before });
}

#[tokio::test]
async fn what_is_read_or_put_away_counts_no_more_and_other_devices_hear_of_it() {
    let store = Store::open_for("marks").await;
    let tenant = store.tenant().await;
    let job = store.create(&tenant, &a_job("Nurse")).await.summary.id;
    for _ in 0..5 {
        Event::applied(job).written(&store, &tenant).await;
    }
    let _ = tell(&store).await;
    let owner = user(&tenant, Role::Owner);
    let mark = async |what: Mark| {
        let mut tx = store.begin_as(&tenant, Role::Owner).await;
        let head = feed::mark(&mut tx, owner, what).await.unwrap();
        (head.map(|head| head.unread), tx.commit().await.unwrap().len())
    };
    assert_eq!(mark(Mark::SeenUpTo(5)).await, (Some(5), 1));
    assert_eq!(mark(Mark::Read(2)).await, (Some(4), 1));
    assert_eq!(mark(Mark::Read(2)).await, (Some(4), 0), "again changes nothing and tells nobody");
    assert_eq!(mark(Mark::Archive(5)).await, (Some(3), 1));
    assert_eq!(mark(Mark::ReadUpTo(3)).await, (Some(1), 1));
    for missing in [0, 6, -1, i64::MIN, i64::MAX] {
        assert_eq!(mark(Mark::Read(missing)).await, (None, 0), "{missing}");
    }
    let mut tx = store.db.begin_read(&tenant.scope).await.unwrap();
    let page = feed::list_notifications(&mut tx, owner, &ALL, 2).await.unwrap();
    assert_eq!(page.notifications.iter().map(|n| n.seq).collect::<Vec<_>>(), [4, 3]);
    assert!(page.has_more && page.notifications[1].read_at.is_some());
    let unread = FeedFilter { is_unread_only: true, ..ALL };
    let page = feed::list_notifications(&mut tx, owner, &unread, 10).await.unwrap();
    assert_eq!(page.notifications.iter().map(|n| n.seq).collect::<Vec<_>>(), [4]);
    let archived = FeedFilter { is_archived: true, before: Some(6), ..ALL };
    let page = feed::list_notifications(&mut tx, owner, &archived, 10).await.unwrap();
    assert_eq!(page.notifications.iter().map(|n| n.seq).collect::<Vec<_>>(), [5]);
    drop(tx);

    let told = tell(&store).await.published;
    assert_eq!(told.len(), 4);
    assert!(told.iter().all(|e| e.kind == EventKind::FeedChanged && e.recipients == [(owner, 5)]));
    assert_eq!(mark(Mark::AllRead).await, (Some(0), 1));
    assert_eq!(inbox(&store, &tenant, Role::Owner).await.len(), 5, "replay shows all of them");
    let admins = inbox(&store, &tenant, Role::Admin).await;
    assert!(admins.iter().all(|n| n.seen_at.is_none()), "each has an inbox of their own");
}

#[tokio::test]
async fn a_mail_is_due_until_it_is_read() {
    let store = Store::open_for("mail").await;
    let tenant = store.tenant().await;
    let job = store.create(&tenant, &a_job("Nurse")).await.summary.id;
    Event::applied(job).written(&store, &tenant).await;
    Event::moved(job, user(&tenant, Role::Recruiter)).written(&store, &tenant).await;
    let _ = tell(&store).await;
    let owner = user(&tenant, Role::Owner);
    let mut superuser = store.superuser().await;
    let mut due = async || -> Vec<bool> {
        sqlx::query_scalar(
            "SELECT mail_due_at BETWEEN now() + interval '14 minutes' AND now() + interval '16 minutes'
             FROM notifications WHERE user_id = $1 AND mail_due_at IS NOT NULL ORDER BY seq",
        )
        .bind(owner.as_uuid())
        .fetch_all(&mut superuser)
        .await
        .unwrap()
    };
    assert_eq!(due().await, [true], "of an application, not of each move");
    let mut tx = store.begin_as(&tenant, Role::Owner).await;
    feed::mark(&mut tx, owner, Mark::AllRead).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(due().await, Vec::<bool>::new());
}

#[tokio::test]
async fn old_notifications_are_forgotten_and_old_numbers_mean_nothing() {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    let store = Store::open_for("purge").await;
    let tenant = store.tenant().await;
    let job = store.create(&tenant, &a_job("Nurse")).await.summary.id;
    for _ in 0..3 {
        Event::applied(job).written(&store, &tenant).await;
    }
    let _ = tell(&store).await;
    let owner = user(&tenant, Role::Owner);
    let head = async || {
        let mut tx = store.db.begin_read(&tenant.scope).await.unwrap();
        feed::head(&mut tx, owner).await.unwrap()
    };
    let before = head().await;
    let age = |days: i32, seq: i64| {
        sqlx::query(
            "UPDATE notifications SET created_at = now() - make_interval(days => $1)
             WHERE user_id = $2 AND seq = $3",
        )
        .bind(days)
        .bind(owner.as_uuid())
        .bind(seq)
    };
    let mut superuser = store.superuser().await;
    age(95, 1).execute(&mut superuser).await.unwrap();
    let now: OffsetDateTime =
        sqlx::query_scalar("SELECT now()").fetch_one(&mut superuser).await.unwrap();
    let purge = async || feed::purge(&store.worker, now, DAY * 90, 100).await.unwrap();
    assert_eq!(purge().await, 0, "not each time that one is too old");
    assert_eq!(head().await, before);
    age(98, 1).execute(&mut superuser).await.unwrap();
    age(91, 2).execute(&mut superuser).await.unwrap();
    assert_eq!(purge().await, 2, "and then all that are");
    assert_eq!(head().await, Head { epoch: before.epoch + 1, seq: 3, unread: 1 });
    assert_eq!(purge().await, 0);
}
