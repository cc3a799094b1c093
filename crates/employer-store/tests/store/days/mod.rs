//! Days give the answers that their quarters of an hour give, whatever is built of them and whatever
//! is added late.

mod late;

use employer_store::analytics::{
    self, By, DaysBuilt, Export, Grain, Metric, OfSource, Question, Zone,
};
use employer_store::testing::TestTenant;
use proptest::prelude::*;
use serde_json::{Value, json};
use sqlx::{Executor as _, PgConnection};
use tenancy::{Clock as _, JobId, JobView, Role, SystemClock};
use time::Duration;
use uuid::Uuid;

use crate::support::{Store, a_job};

/// Clocks that change in different months, in hours and half hours, and some that are between hours.
const ZONES: [&str; 7] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Pacific/Auckland",
];
const SOURCES: [&str; 3] = ["board", "referral", ""];
const KINDS: [&str; 5] =
    ["job.viewed", "application.submitted", "entered.hired", "entered.rejected", "left.screen"];

/// Something that was counted, so many minutes ago.
#[derive(Clone, Debug)]
struct Count {
    job: usize,
    source: &'static str,
    kind: &'static str,
    minutes_ago: i64,
    n: i64,
    is_late: bool,
    /// Within the first quarter of an hour of that day in the tenant's zone.
    is_at_midnight: bool,
}

#[derive(Clone, Debug)]
struct Asked {
    zone: Option<&'static str>,
    /// The first and the last day, as days before today.
    days: (i64, i64),
    source: OfSource,
    job: Option<usize>,
    is_assigned: bool,
}

/// One after the other, with the answers compared after each.
#[derive(Clone, Debug)]
enum Deed {
    Builds { steps: usize, most: usize },
    MovesTo(&'static str),
    Counts(Vec<Count>),
    Uncounts { minutes_ago: i64 },
}

fn counts(most_days: i64, how_many: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Count>> {
    let one = (
        0..3_usize,
        prop::sample::select(SOURCES.to_vec()),
        prop::sample::select(KINDS.to_vec()),
        0..most_days * 24 * 60,
        1..4_i64,
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.4),
    );
    let one = one.prop_map(|(job, source, kind, minutes_ago, n, is_late, is_at_midnight)| Count {
        job,
        source,
        kind,
        minutes_ago,
        n,
        is_late,
        is_at_midnight,
    });
    prop::collection::vec(one, how_many)
}

fn asked() -> impl Strategy<Value = Asked> {
    let source = prop_oneof![
        3 => Just(OfSource::Any),
        1 => Just(OfSource::Named("board".to_owned())),
        1 => Just(OfSource::Unknown),
    ];
    (
        prop::option::weighted(0.4, prop::sample::select(ZONES.to_vec())),
        (0..40_i64, 0..40_i64),
        source,
        prop::option::weighted(0.2, 0..3_usize),
        prop::bool::weighted(0.2),
    )
        .prop_map(|(zone, (last, length), source, job, is_assigned)| Asked {
            zone,
            days: (last + length, last),
            source,
            job,
            is_assigned,
        })
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        2 => (1..4_usize, 1..20_usize).prop_map(|(steps, most)| Deed::Builds { steps, most }),
        1 => prop::sample::select(ZONES.to_vec()).prop_map(Deed::MovesTo),
        2 => counts(40, 1..6).prop_map(Deed::Counts),
        1 => (0..40 * 24 * 60_i64).prop_map(|minutes_ago| Deed::Uncounts { minutes_ago }),
    ]
}

/// A tenant with three jobs, one of them a hiring manager's.
struct Scene<'a> {
    store: &'a Store,
    tenant: TestTenant,
    jobs: Vec<JobId>,
    superuser: PgConnection,
}

impl<'a> Scene<'a> {
    async fn open(store: &'a Store) -> Self {
        let tenant = store.tenant().await;
        let mut jobs = Vec::new();
        for title in ["Nurse", "Cook", "Driver"] {
            jobs.push(store.create(&tenant, &a_job(title)).await.summary.id);
        }
        let mut superuser = store.superuser().await;
        sqlx::query(
            "INSERT INTO job_team (tenant_id, job_id, user_id, access) VALUES ($1, $2, $3, 'view')",
        )
        .bind(tenant.scope.tenant().as_uuid())
        .bind(jobs[0].as_uuid())
        .bind(tenant.member(Role::HiringManager).unwrap().user.as_uuid())
        .execute(&mut superuser)
        .await
        .unwrap();
        Self { store, tenant, jobs, superuser }
    }

    fn id(&self) -> Uuid {
        self.tenant.scope.tenant().as_uuid()
    }

    async fn moves_to(&mut self, zone: &str) {
        sqlx::query("UPDATE tenants SET time_zone = $2 WHERE id = $1")
            .bind(self.id())
            .bind(zone)
            .execute(&mut self.superuser)
            .await
            .unwrap();
    }

    async fn counts(&mut self, count: &Count) {
        let (tenant, job) = (self.id(), self.jobs[count.job].as_uuid());
        add(&mut self.superuser, tenant, job, count).await;
    }

    async fn does(&mut self, deed: &Deed) {
        match deed {
            Deed::Builds { steps, most } => {
                analytics::notice_zones(&self.store.worker).await.unwrap();
                for _ in 0..*steps {
                    let _ = analytics::build_days(&self.store.worker, *most).await.unwrap();
                }
            }
            Deed::MovesTo(zone) => self.moves_to(zone).await,
            Deed::Counts(counts) => {
                for count in counts {
                    self.counts(count).await;
                }
            }
            Deed::Uncounts { minutes_ago } => {
                sqlx::query(
                    "DELETE FROM metric_hours WHERE tenant_id = $1
                     AND bucket > now() - make_interval(mins => $2::int)
                     AND bucket < now() - make_interval(mins => $2::int) + interval '5 hours'",
                )
                .bind(self.id())
                .bind(minutes_ago)
                .execute(&mut self.superuser)
                .await
                .unwrap();
            }
        }
    }

    async fn is_due(&mut self) {
        sqlx::query("UPDATE metric_day_work SET due_at = now() WHERE tenant_id = $1")
            .bind(self.id())
            .execute(&mut self.superuser)
            .await
            .unwrap();
    }

    /// Until nobody is due.
    async fn builds_everything(&self) -> Vec<DaysBuilt> {
        analytics::notice_zones(&self.store.worker).await.unwrap();
        let mut steps = Vec::new();
        while let Some(done) = analytics::build_days(&self.store.worker, 16).await.unwrap() {
            steps.push(done);
        }
        steps
    }

    /// How many days are built.
    async fn built(&mut self) -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM metric_built_days WHERE tenant_id = $1")
            .bind(self.id())
            .fetch_one(&mut self.superuser)
            .await
            .unwrap()
    }

    /// What the database says of all quarters of a kind.
    async fn counted(&mut self, kind: &str) -> i64 {
        sqlx::query_scalar(
            "SELECT coalesce(sum(n), 0)::bigint FROM metric_hours WHERE tenant_id = $1 AND kind = $2",
        )
        .bind(self.id())
        .bind(kind)
        .fetch_one(&mut self.superuser)
        .await
        .unwrap()
    }

    /// What all reports answer.
    async fn answers(&self, asked: &Asked) -> Value {
        let today = SystemClock.now().date();
        let manager = self.tenant.member(Role::HiringManager).unwrap().user;
        let question = Question {
            view: if asked.is_assigned { JobView::Assigned(manager) } else { JobView::All },
            job: asked.job.map(|job| self.jobs[job]),
            source: asked.source.clone(),
            from: Some(today - Duration::days(asked.days.0)),
            to: Some(today - Duration::days(asked.days.1)),
            zone: asked.zone.and_then(Zone::find),
        };
        let mut tx = self.store.db.begin_snapshot(&self.tenant.scope).await.unwrap();
        let mut answers = vec![plain(analytics::overview(&mut tx, &question).await.unwrap())];
        for grain in [Grain::Hour, Grain::Day, Grain::Week, Grain::Month] {
            let series = analytics::time_series(&mut tx, &question, Metric::ALL, grain).await;
            answers.push(plain(series.unwrap()));
        }
        for by in [By::Job, By::Source, By::Department] {
            answers.push(plain(analytics::breakdown(&mut tx, &question, by, 2).await.unwrap()));
        }
        let mut export = Export::begin(tx, &question, Grain::Week).await.unwrap();
        let rows = export.next_rows().await.unwrap();
        answers.push(json!(format!("{rows:?}")));
        json!(answers)
    }

    /// Sums that drift, and days that were compared.
    async fn drift(&self) -> (i64, i64) {
        let mut tx = self.store.db.begin_snapshot(&self.tenant.scope).await.unwrap();
        let drift = analytics::drift(&mut tx, SystemClock.now()).await.unwrap();
        (drift.drifting, drift.days)
    }

    /// Compares what is answered with what is answered while there are no days, and puts them back.
    async fn answers_as_without_days(&mut self, asked: &Asked) -> Result<(), TestCaseError> {
        let (with, drift) = (self.answers(asked).await, self.drift().await);
        let built = self.built().await;
        for table in ["metric_built_days", "metric_days", "metric_day_totals"] {
            let aside = format!(
                "CREATE TEMP TABLE aside_{table} AS SELECT * FROM {table} WHERE tenant_id = '{}'",
                self.id(),
            );
            self.superuser.execute(sqlx::AssertSqlSafe(aside)).await.unwrap();
        }
        sqlx::query("DELETE FROM metric_built_days WHERE tenant_id = $1")
            .bind(self.id())
            .execute(&mut self.superuser)
            .await
            .unwrap();
        let (without, undivided) = (self.answers(asked).await, self.drift().await);
        for table in ["metric_built_days", "metric_days", "metric_day_totals"] {
            let back = format!(
                "INSERT INTO {table} SELECT * FROM aside_{table}; DROP TABLE aside_{table}"
            );
            self.superuser.execute(sqlx::AssertSqlSafe(back)).await.unwrap();
        }
        prop_assert_eq!(with, without);
        // Nothing here is in the log: what is not of days drifts in both.
        prop_assert_eq!(drift, (undivided.0, built));
        Ok(())
    }
}

/// Until tomorrow, which is today where the sun rises first.
fn everything(days: i64) -> Asked {
    Asked { zone: None, days: (days, -1), source: OfSource::Any, job: None, is_assigned: false }
}

/// Without what differs between two moments.
fn plain(answer: impl serde::Serialize) -> Value {
    let mut answer = serde_json::to_value(answer).unwrap();
    answer["as_of"] = Value::Null;
    answer["version"] = Value::Null;
    answer
}

async fn add(connection: &mut PgConnection, tenant: Uuid, job: Uuid, count: &Count) {
    sqlx::query(
        "INSERT INTO metric_hours AS m (tenant_id, job_id, source, kind, bucket, n, revised_at)
         VALUES ($1, $2, $3, $4,
                 date_bin('15 minutes', CASE WHEN $8
                     THEN date_trunc('day', now() - make_interval(mins => $5::int),
                                     (SELECT time_zone FROM tenants WHERE id = $1))
                     ELSE now() - make_interval(mins => $5::int) END, '2000-01-01 00:00+00'),
                 $6, CASE WHEN $7 THEN now() END)
         ON CONFLICT (tenant_id, job_id, source, kind, bucket) DO UPDATE
         SET n = m.n + excluded.n, revised_at = coalesce(excluded.revised_at, m.revised_at)",
    )
    .bind(tenant)
    .bind(job)
    .bind(count.source)
    .bind(count.kind)
    .bind(count.minutes_ago)
    .bind(count.n)
    .bind(count.is_late)
    .bind(count.is_at_midnight)
    .execute(connection)
    .await
    .unwrap();
}

#[test]
fn answers_are_those_of_quarters_whatever_is_built_added_and_moved() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let store = runtime.block_on(Store::open_for("days"));
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 10,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let inputs = (
        prop::sample::select(ZONES.to_vec()),
        // Far enough back for clocks to have changed in between, now and then.
        (10..240_i64).prop_flat_map(|days| counts(days, 5..60)),
        prop::collection::vec((deed(), asked()), 2..7),
    );
    let outcome = runner.run(&inputs, |(zone, counts, deeds)| {
        runtime.block_on(async {
            let mut scene = Scene::open(&store).await;
            scene.moves_to(zone).await;
            for count in &counts {
                scene.counts(count).await;
            }
            // Whatever is added now is added to days that are built.
            scene.does(&Deed::Builds { steps: 3, most: 20 }).await;
            for (deed, asked) in &deeds {
                scene.does(deed).await;
                scene.answers_as_without_days(asked).await?;
            }
            let _ = scene.builds_everything().await;
            let all = everything(240);
            scene.answers_as_without_days(&all).await?;
            let views = scene.counted("job.viewed").await;
            prop_assert_eq!(scene.answers(&all).await[0]["totals"]["views"].as_i64(), Some(views));
            Ok(())
        })
    });
    outcome.unwrap();
}
