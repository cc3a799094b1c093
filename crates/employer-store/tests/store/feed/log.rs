//! The log forgets what is old, and nobody notices who still needs it.

use std::time::Duration;

use employer_store::chores::{self, Turn};
use employer_store::feed;
use employer_store::testing::TestTenant;
use employer_store::{WorkerDb, analytics};
use sqlx::{Connection as _, Executor as _, PgConnection};
use tenancy::{Clock as _, JobId, Role, SystemClock};
use time::macros::datetime;
use uuid::Uuid;

use super::{Event, inbox, tell};
use crate::support::{Store, a_job};

const DAY: Duration = Duration::from_secs(24 * 3_600);
const LEAST: Duration = DAY.saturating_mul(14);
const HOLD: Duration = Duration::from_secs(120);

async fn turn(db: &WorkerDb) -> Option<Turn> {
    chores::take_turn(db, "event_log", HOLD).await.unwrap()
}

/// Forgets all there is to forget, in turns of `steps`.
async fn forget(store: &Store, keep: Duration, steps: u32) -> u64 {
    let mut events = 0;
    loop {
        let mut turn = turn(&store.worker).await.expect("nobody else has a turn");
        let now = SystemClock.now();
        let done = feed::forget_log(&store.worker, &mut turn, now, keep, steps).await.unwrap();
        events += done.events;
        if done.is_all {
            turn.end_round(&store.worker, Duration::ZERO).await.unwrap();
            return events;
        }
        turn.put_down(&store.worker).await.unwrap();
    }
}

/// An application of so many days ago, told at once.
async fn told(store: &Store, tenant: &TestTenant, job: JobId, days: i32) -> Uuid {
    let event = Event::applied(job).written(store, tenant).await;
    let back = "UPDATE outbox SET at = now() - make_interval(days => $2) WHERE event_id = $1";
    let query = sqlx::query(back).bind(event).bind(days);
    query.execute(&mut store.superuser().await).await.unwrap();
    let _ = tell(store).await;
    event
}

/// The same event comes in once more: how often has it been told then?
async fn told_again(store: &Store, tenant: &TestTenant, event: Uuid, job: JobId) -> usize {
    let mut superuser = store.superuser().await;
    // A person is told of an event once in any case, by what they have been told already.
    let forgotten = "DELETE FROM notifications WHERE event_id = $1";
    let gone = sqlx::query(forgotten).bind(event).execute(&mut superuser).await.unwrap();
    assert!(gone.rows_affected() > 0, "it was told");
    let again = Event::applied(job).written(store, tenant).await;
    let rename = "UPDATE outbox SET event_id = $2 WHERE event_id = $1";
    sqlx::query(rename).bind(again).bind(event).execute(&mut superuser).await.unwrap();
    let _ = tell(store).await;
    let inbox = inbox(store, tenant, Role::Recruiter).await;
    1 + inbox.iter().filter(|one| one.event_id == event).count()
}

async fn logged(store: &Store) -> Vec<Uuid> {
    let query = "SELECT event_id FROM event_log WHERE kind LIKE 'application.%' ORDER BY event_id";
    sqlx::query_scalar(query).fetch_all(&mut store.superuser().await).await.unwrap()
}

async fn sums(superuser: &mut PgConnection) -> Vec<(Uuid, String, String, i64)> {
    let query = "SELECT tenant_id, kind, bucket::text, n FROM metric_hours ORDER BY 1, 2, 3";
    sqlx::query_as(query).fetch_all(superuser).await.unwrap()
}

async fn drift(store: &Store, tenant: &TestTenant) -> i64 {
    let mut tx = store.db.begin_read(&tenant.scope).await.unwrap();
    analytics::drift(&mut tx, SystemClock.now()).await.unwrap().drifting
}

#[tokio::test]
async fn what_is_younger_stays_and_is_still_told_once() {
    let store = Store::open_for("forgetting").await;
    let (mut kept, mut places) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        let tenant = store.tenant().await;
        let job = store.create(&tenant, &a_job("Nurse")).await.summary.id;
        for days in [400, 20, 15] {
            told(&store, &tenant, job, days).await;
        }
        let mut young = Vec::new();
        for days in [13, 2, 0] {
            young.push(told(&store, &tenant, job, days).await);
        }
        kept.extend(young.clone());
        places.push((tenant, job, young));
    }
    kept.sort();
    let before = sums(&mut store.superuser().await).await;
    assert_eq!(forget(&store, LEAST, 2).await, 9, "in turns that each begin where one has ended");
    assert_eq!(logged(&store).await, kept);
    assert_eq!(sums(&mut store.superuser().await).await, before, "figures stay");
    assert_eq!(forget(&store, LEAST, 2).await, 0);
    for (tenant, job, young) in &places {
        for event in young {
            assert_eq!(told_again(&store, tenant, *event, *job).await, 1);
        }
        assert_eq!(drift(&store, tenant).await, 0);
    }
}

#[tokio::test]
async fn a_log_that_is_kept_too_short_is_seen() {
    let store = Store::open_for("tooshort").await;
    let tenant = store.tenant().await;
    let job = store.create(&tenant, &a_job("Nurse")).await.summary.id;
    let event = told(&store, &tenant, job, 2).await;
    assert_eq!(forget(&store, LEAST, 10).await, 0);
    assert_eq!(told_again(&store, &tenant, event, job).await, 1);
    assert_eq!(drift(&store, &tenant).await, 0);
    assert_eq!(forget(&store, DAY, 10).await, 1);
    assert!(drift(&store, &tenant).await > 0, "the comparison needs what is gone");
    let again = Event::applied(job).written(&store, &tenant).await;
    let rename = "UPDATE outbox SET event_id = $2 WHERE event_id = $1";
    let query = sqlx::query(rename).bind(again).bind(event);
    query.execute(&mut store.superuser().await).await.unwrap();
    let _ = tell(&store).await;
    let inbox = inbox(&store, &tenant, Role::Recruiter).await;
    assert_eq!(inbox.iter().filter(|one| one.event_id == event).count(), 1, "and so does telling");
}

#[tokio::test]
async fn no_step_is_long_and_no_writer_waits() {
    let store = Store::open_for("forgetsteps").await;
    let tenant = store.tenant().await;
    let mut superuser = store.superuser().await;
    let fill = "INSERT INTO event_log (tenant_id, event_id, kind, occurred_at)
                SELECT $1, gen_random_uuid(), 'job.updated', now() - interval '500 days'
                FROM generate_series(1, 4500)";
    let tenant_id = tenant.scope.tenant().as_uuid();
    sqlx::query(fill).bind(tenant_id).execute(&mut superuser).await.unwrap();
    let guard = "CREATE FUNCTION refuse_long() RETURNS trigger LANGUAGE plpgsql AS
                     'BEGIN ASSERT (SELECT count(*) FROM gone) <= 2000; RETURN NULL; END';
                 CREATE TRIGGER no_long_step AFTER DELETE ON event_log
                     REFERENCING OLD TABLE AS gone
                     FOR EACH STATEMENT EXECUTE FUNCTION refuse_long()";
    sqlx::raw_sql(guard).execute(&mut superuser).await.unwrap();
    // A writer in the middle of its transaction, all the time.
    let mut writing = superuser.begin().await.unwrap();
    let one = "INSERT INTO event_log (tenant_id, event_id, kind, occurred_at)
               VALUES ($1, gen_random_uuid(), 'job.updated', now() - interval '500 days')";
    sqlx::query(one).bind(tenant_id).execute(&mut *writing).await.unwrap();
    assert_eq!(forget(&store, LEAST, 100).await, 4_500);
    writing.commit().await.unwrap();
    assert_eq!(forget(&store, LEAST, 100).await, 1, "what comes late goes in the next round");
}

#[tokio::test]
async fn one_at_a_time_and_whoever_was_given_up_writes_nothing_more() {
    let store = Store::open_for("turns").await;
    let db = &store.worker;
    let (one, two, three) = tokio::join!(turn(db), turn(db), turn(db));
    let mut taken: Vec<_> = [one, two, three].into_iter().flatten().collect();
    assert_eq!(taken.len(), 1);
    let mut first = taken.remove(0);
    assert!(first.reach(db, Some("a".to_owned()), 1).await.unwrap());
    assert_eq!(turn(db).await, None, "it is held");
    let mut superuser = store.superuser().await;
    superuser.execute("UPDATE chores SET held_until = now() - interval '1 s'").await.unwrap();
    let mut second = turn(db).await.expect("the first was given up");
    assert_eq!(second.position(), Some("a"), "it goes on from there");
    assert!(!first.reach(db, Some("b".to_owned()), 7).await.unwrap());
    first.end_round(db, Duration::ZERO).await.unwrap();
    assert!(second.reach(db, Some("c".to_owned()), 1).await.unwrap());
    second.put_down(db).await.unwrap();
    assert_eq!(chores::last_round(db, "event_log").await.unwrap(), None, "none has ended");
    let third = turn(db).await.expect("the second was put down");
    assert_eq!(third.position(), Some("c"));
    third.end_round(db, HOLD).await.unwrap();
    assert_eq!(chores::last_round(db, "event_log").await.unwrap().unwrap().found, 2);
    assert_eq!(turn(db).await, None, "it rests");
}

/// What the documentation says for mending figures, for one organization.
fn remedy(tenant: Uuid) -> String {
    let text = include_str!("../../../../../docs/analytics.md");
    let block = text.split("```sql").nth(1).and_then(|rest| rest.split("```").next());
    block.expect("docs/analytics.md says how").replace("<id>", &tenant.to_string())
}

#[tokio::test]
async fn figures_are_mended_only_as_far_back_as_the_log_goes() {
    let store = Store::open_for("mending").await;
    let tenant = store.tenant().await;
    let job = store.create(&tenant, &a_job("Nurse")).await.summary.id;
    for days in [400, 20, 10, 1] {
        told(&store, &tenant, job, days).await;
    }
    let mut superuser = store.superuser().await;
    let before = sums(&mut superuser).await;
    assert_eq!(forget(&store, LEAST, 10).await, 2);
    // One that was told long after it happened does not make the log begin earlier.
    told(&store, &tenant, job, 399).await;
    let late = sums(&mut superuser).await;
    assert!(late.len() > before.len());
    let spoiled = "UPDATE metric_hours SET n = n + 5 WHERE bucket > now() - interval '3 days'";
    superuser.execute(spoiled).await.unwrap();
    assert!(drift(&store, &tenant).await > 0);
    let remedy = remedy(tenant.scope.tenant().as_uuid());
    superuser.execute("SET ROLE portal_owner").await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(remedy)).execute(&mut superuser).await.unwrap();
    superuser.execute("RESET ROLE").await.unwrap();
    assert_eq!(drift(&store, &tenant).await, 0);
    assert_eq!(sums(&mut superuser).await, late);
}

#[tokio::test]
async fn a_quarter_of_an_hour_is_forgotten_when_all_of_it_is_old() {
    let store = Store::open_for("forgetquarter").await;
    let tenant = store.tenant().await;
    let mut superuser = store.superuser().await;
    let fill = "INSERT INTO event_log (tenant_id, event_id, kind, occurred_at)
                SELECT $1, gen_random_uuid(), 'job.updated', at::timestamptz
                FROM unnest('{2026-11-06 09:59:59.999999+00, 2026-11-06 10:00:00+00,
                              2026-11-06 10:06:59+00}'::text[]) AS at";
    let tenant_id = tenant.scope.tenant().as_uuid();
    sqlx::query(fill).bind(tenant_id).execute(&mut superuser).await.unwrap();
    let now = datetime!(2026-11-20 10:07 UTC);
    let mut turn = turn(&store.worker).await.unwrap();
    let done = feed::forget_log(&store.worker, &mut turn, now, LEAST, 10).await.unwrap();
    assert_eq!((done.events, done.is_all), (1, true));
    let left =
        "SELECT min(l.occurred_at)::text, (SELECT max(complete_since)::text FROM event_log_bounds)
                FROM event_log l WHERE l.tenant_id = $1";
    let left: (String, String) =
        sqlx::query_as(left).bind(tenant_id).fetch_one(&mut superuser).await.unwrap();
    assert_eq!(left.0, left.1, "the log is whole from its oldest event on");
}
