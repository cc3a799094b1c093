//! Figures are what the log of events says, whatever happens in whichever batches.

use std::collections::BTreeMap;

use employer_store::analytics;
use employer_store::feed::{self, TellingSettings};
use employer_store::testing::TestTenant;
use proptest::prelude::*;
use serde_json::json;
use sqlx::PgConnection;
use tenancy::{Clock as _, JobId, SystemClock};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::{Event, SETTINGS};
use crate::support::{Store, a_job};

/// What the figures would be if they were counted anew: the drift, both ways.
const DRIFT: &str = "
    WITH counted AS (
        SELECT e.job_id, coalesce(e.source, '') AS source, m.kind,
               to_timestamp(floor(extract(epoch FROM e.occurred_at) / 900) * 900) AS bucket,
               count(*) AS n
        FROM event_log e
        CROSS JOIN LATERAL (
            VALUES (e.kind), ('entered.' || e.stage_to), ('left.' || e.stage_from),
                   (CASE WHEN e.stage_from <> '' AND e.stage_to IS NULL THEN 'entered.withdrawn' END)
        ) AS m (kind)
        WHERE e.tenant_id = $1 AND e.kind LIKE 'application.%' AND m.kind IS NOT NULL
        GROUP BY 1, 2, 3, 4
    ), kept AS (
        SELECT job_id, source, kind, bucket, n FROM metric_hours WHERE tenant_id = $1
    )
    SELECT count(*) FROM (
        (SELECT * FROM counted EXCEPT ALL SELECT * FROM kept)
        UNION ALL
        (SELECT * FROM kept EXCEPT ALL SELECT * FROM counted)
    ) AS drift";

#[derive(Clone, Debug)]
struct Happening {
    job: usize,
    kind: &'static str,
    source: Option<&'static str>,
    from: Option<&'static str>,
    to: Option<&'static str>,
    hours_ago: i32,
    /// How long before it was written it happened, in minutes, where that is said.
    minutes_late: Option<i64>,
    /// The request came twice: two rows, one event.
    is_repeated: bool,
}

impl Happening {
    fn written_at(&self, now: OffsetDateTime) -> OffsetDateTime {
        now - Duration::hours(self.hours_ago.into())
    }

    fn occurred_at(&self, now: OffsetDateTime) -> Option<OffsetDateTime> {
        self.minutes_late.map(|minutes| self.written_at(now) - Duration::minutes(minutes))
    }

    /// The sums that it counts in.
    fn counts(&self, jobs: &[JobId], now: OffsetDateTime) -> Vec<Key> {
        if !self.kind.starts_with("application.") {
            return Vec::new();
        }
        let written = self.written_at(now);
        let at = self.occurred_at(now).unwrap_or(written);
        let at = at.max(written - Duration::hours(72)).min(written + Duration::minutes(5));
        let quarter = at.unix_timestamp().div_euclid(900);
        let mut kinds = vec![self.kind.to_owned()];
        match (self.from, self.to) {
            (_, Some(to)) => kinds.push(format!("entered.{to}")),
            (Some(_), None) => kinds.push("entered.withdrawn".to_owned()),
            (None, None) => {}
        }
        kinds.extend(self.from.map(|from| format!("left.{from}")));
        let (job, source) = (jobs[self.job].as_uuid(), self.source.unwrap_or_default().to_owned());
        kinds.into_iter().map(|kind| (job, source.clone(), kind, quarter)).collect()
    }
}

/// A sum: job, source, kind, and the quarter of an hour since 1970.
type Key = (Uuid, String, String, i64);

fn happening() -> impl Strategy<Value = Happening> {
    let stage = || prop::option::of(prop::sample::select(vec!["applied", "screen", "hired"]));
    let kind = prop::sample::select(vec![
        "application.submitted",
        "application.resubmitted",
        "application.stage_changed",
        "job.updated",
    ]);
    let source = prop::option::of(prop::sample::select(vec!["board", "referral"]));
    // From ten minutes ahead to more than three days late.
    let late = prop::option::weighted(0.3, -10..5_000_i64);
    let repeated = prop::bool::weighted(0.1);
    (0..3_usize, kind, source, stage(), stage(), 0..4, late, repeated).prop_map(
        |(job, kind, source, from, to, hours_ago, minutes_late, is_repeated)| Happening {
            job,
            kind,
            source,
            from,
            to,
            hours_ago,
            minutes_late,
            is_repeated,
        },
    )
}

async fn write(
    happening: &Happening,
    jobs: &[JobId],
    tenant: &TestTenant,
    now: OffsetDateTime,
    superuser: &mut PgConnection,
) {
    let (job, event) = (jobs[happening.job], Uuid::now_v7());
    let mut payload = json!({
        "v": 1, "job": job, "source": happening.source, "from": happening.from, "to": happening.to,
    });
    if let Some(occurred_at) = happening.occurred_at(now) {
        payload["occurred_at"] = json!(occurred_at.format(&Rfc3339).unwrap());
    }
    for _ in 0..=i32::from(happening.is_repeated) {
        sqlx::query(
            "INSERT INTO outbox (tenant_id, event_id, kind, subject, payload, at)
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(tenant.scope.tenant().as_uuid())
        .bind(event)
        .bind(happening.kind)
        .bind(job.as_uuid())
        .bind(&payload)
        .bind(happening.written_at(now))
        .execute(&mut *superuser)
        .await
        .unwrap();
    }
}

/// Tells until nothing waits; a row whose event is in the same batch fails with it, and is then
/// told alone.
async fn tell_all(store: &Store, batch: u16) {
    let settings = TellingSettings { batch, ..SETTINGS };
    loop {
        match feed::fan_out(&store.worker, &settings, None).await {
            Ok(done) if done.taken == 0 => return,
            Ok(_) => {}
            Err(_) => {
                for id in feed::next_waiting(&store.worker, batch).await.unwrap() {
                    let _ = feed::fan_out(&store.worker, &settings, Some(id)).await.unwrap();
                }
            }
        }
    }
}

#[test]
fn they_never_drift_from_the_log() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (store, superuser) = runtime.block_on(async {
        let store = Store::open_for("rollups").await;
        let superuser = store.superuser().await;
        (store, tokio::sync::Mutex::new(superuser))
    });
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 24,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let batches = (prop::collection::vec(happening(), 0..40), 1..50_u16);
    let outcome = runner.run(&batches, |(happenings, batch)| {
        runtime.block_on(async {
            let mut superuser = superuser.lock().await;
            let tenant = store.tenant().await;
            let mut jobs = Vec::new();
            for title in ["Nurse", "Cook", "Driver"] {
                jobs.push(store.create(&tenant, &a_job(title)).await.summary.id);
            }
            let now = SystemClock.now();
            let now = now.replace_nanosecond(0).unwrap();
            let mut expected: BTreeMap<Key, i64> = BTreeMap::new();
            for one in &happenings {
                write(one, &jobs, &tenant, now, &mut superuser).await;
                one.counts(&jobs, now)
                    .into_iter()
                    .for_each(|key| *expected.entry(key).or_default() += 1);
            }
            tell_all(&store, batch).await;
            let mut tx = store.db.begin_read(&tenant.scope).await.unwrap();
            let audited = analytics::drift(&mut tx, now).await.unwrap();
            prop_assert_eq!(audited.drifting, 0);
            let tenant = tenant.scope.tenant().as_uuid();
            let drift: i64 =
                sqlx::query_scalar(DRIFT).bind(tenant).fetch_one(&mut *superuser).await.unwrap();
            prop_assert_eq!(drift, 0);
            let kept: Vec<(Uuid, String, String, i64, i64)> = sqlx::query_as(
                "SELECT job_id, source, kind, (extract(epoch FROM bucket) / 900)::bigint, n
                 FROM metric_hours WHERE tenant_id = $1",
            )
            .bind(tenant)
            .fetch_all(&mut *superuser)
            .await
            .unwrap();
            let kept: BTreeMap<Key, i64> = kept
                .into_iter()
                .map(|(job, source, kind, quarter, n)| ((job, source, kind, quarter), n))
                .collect();
            prop_assert_eq!(kept, expected);
            let logged: i64 = sqlx::query_scalar(
                "SELECT count(*) FROM event_log WHERE tenant_id = $1 AND kind <> 'job.created'",
            )
            .bind(tenant)
            .fetch_one(&mut *superuser)
            .await
            .unwrap();
            prop_assert_eq!(usize::try_from(logged).unwrap(), happenings.len());
            Ok(())
        })
    });
    outcome.unwrap();
}

/// The kinds are those that the property is about.
#[tokio::test]
async fn an_application_counts_as_itself_and_by_its_stages() {
    let store = Store::open_for("counts").await;
    let tenant = store.tenant().await;
    let job = store.create(&tenant, &a_job("Nurse")).await.summary.id;
    let recruiter = super::user(&tenant, tenancy::Role::Recruiter);
    Event::applied(job).written(&store, &tenant).await;
    Event::applied(job).written(&store, &tenant).await;
    Event::moved(job, recruiter).written(&store, &tenant).await;
    let _ = super::tell(&store).await;
    let rows: Vec<(String, String, i64)> =
        sqlx::query_as("SELECT kind, source, n FROM metric_hours ORDER BY kind, source")
            .fetch_all(&mut store.superuser().await)
            .await
            .unwrap();
    let expected = [
        ("application.stage_changed", "", 1),
        ("application.submitted", "board", 2),
        ("entered.applied", "board", 2),
        ("entered.screen", "", 1),
        ("left.applied", "", 1),
    ];
    assert_eq!(rows, expected.map(|(kind, source, n)| (kind.to_owned(), source.to_owned(), n)));
}
