//! What happened to invented applications, kept here as it is told to the portal: figures are counted
//! anew from this, by other means than the portal's.

use std::time::Duration;

use portal_tests::tenant::Tenant;
use portal_tests::waiting::eventually;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt as _, SeedableRng};
use sqlx::{Connection as _, PgConnection};
use time::OffsetDateTime;
use uuid::Uuid;

/// Everything that is waited for.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// How people came, as far as it is known.
pub(crate) const SOURCES: [Option<&str>; 4] =
    [Some("newsletter"), Some("referral"), Some("job-board"), None];

/// A step of an application.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) action: &'static str,
    pub(crate) from: Option<&'static str>,
    pub(crate) to: Option<&'static str>,
    pub(crate) at: OffsetDateTime,
}

/// An application with all that became of it.
#[derive(Clone, Debug)]
pub(crate) struct Application {
    pub(crate) id: Uuid,
    pub(crate) job: Uuid,
    pub(crate) source: Option<&'static str>,
    pub(crate) steps: Vec<Step>,
}

impl Application {
    pub(crate) fn submitted_at(&self) -> OffsetDateTime {
        self.steps[0].at
    }

    /// The stage and the state that it has now.
    pub(crate) fn standing(&self) -> (&'static str, &'static str) {
        let stage = self.steps.iter().rev().find_map(|step| step.to).unwrap();
        let status = match self.steps.last().unwrap().action {
            "hire" => "hired",
            "reject" => "rejected",
            "withdraw" => "withdrawn",
            _ => "active",
        };
        (stage, status)
    }
}

/// Something that is counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event {
    pub(crate) metric: &'static str,
    pub(crate) job: Uuid,
    pub(crate) source: Option<&'static str>,
    pub(crate) at: OffsetDateTime,
}

/// All applications of a tenant.
#[derive(Clone, Debug)]
pub(crate) struct History(pub(crate) Vec<Application>);

impl History {
    /// `count` applications that came in between these moments; the same for the same seed.
    pub(crate) fn invent(
        seed: u64,
        jobs: &[Uuid],
        count: usize,
        (from, to): (OffsetDateTime, OffsetDateTime),
    ) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let span = (to - from).whole_seconds();
        let mut one = |_| {
            let at = from + time::Duration::seconds(rng.random_range(0..span));
            Application {
                id: Uuid::now_v7(),
                job: *jobs.choose(&mut rng).unwrap(),
                source: *SOURCES.choose(&mut rng).unwrap(),
                steps: steps(&mut rng, at),
            }
        };
        Self((0..count).map(&mut one).collect())
    }

    /// What of it is counted as it happens.
    pub(crate) fn events(&self) -> Vec<Event> {
        let mut events = Vec::new();
        for Application { job, source, steps, .. } in &self.0 {
            for step in steps {
                let metric = match step.action {
                    "submit" => "applications",
                    "hire" => "hires",
                    "reject" => "rejections",
                    "withdraw" => "withdrawals",
                    _ => continue,
                };
                events.push(Event { metric, job: *job, source: *source, at: step.at });
            }
        }
        events
    }

    /// Writes it down as if it had happened, and waits until the portal has told of it.
    pub(crate) async fn happens(&self, tenant: &Tenant, url: &str) {
        let mut connection = PgConnection::connect(url).await.unwrap();
        sqlx::query("SELECT ensure_own_pipeline($1)")
            .bind(tenant.id)
            .execute(&mut connection)
            .await
            .unwrap();
        self.is_stored(tenant, &mut connection).await;
        let told = self.is_queued(tenant, &mut connection).await;
        eventually("everything is told", SOON, async || {
            let logged: i64 = sqlx::query_scalar(
                "SELECT count(*) FROM event_log
                 WHERE tenant_id = $1 AND kind LIKE 'application.%'",
            )
            .bind(tenant.id)
            .fetch_one(&mut connection)
            .await
            .unwrap();
            (logged >= told).then_some(())
        })
        .await;
    }

    async fn is_stored(&self, tenant: &Tenant, connection: &mut PgConnection) {
        let all = &self.0;
        let text = |of: &dyn Fn(&Application) -> &'static str| -> Vec<String> {
            all.iter().map(|one| of(one).to_owned()).collect()
        };
        sqlx::query(
            "WITH people AS (
                 INSERT INTO candidates (tenant_id, id, email_norm, name)
                 SELECT $1, a.id, a.id || '@applicants.example', 'Secretname'
                 FROM unnest($2::uuid[]) AS a (id)
             )
             INSERT INTO applications (tenant_id, id, job_id, candidate_id, stage_id, stage, status,
                 source, submitted_at, stage_since)
             SELECT $1, a.id, a.job, a.id, s.id, a.stage, a.status, a.source, a.at, a.last
             FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[],
                         $7::timestamptz[], $8::timestamptz[])
                  AS a (id, job, stage, status, source, at, last)
             JOIN job_stages s ON s.tenant_id = $1 AND s.job_id IS NULL AND s.kind = a.stage",
        )
        .bind(tenant.id)
        .bind(all.iter().map(|one| one.id).collect::<Vec<_>>())
        .bind(all.iter().map(|one| one.job).collect::<Vec<_>>())
        .bind(text(&|one| one.standing().0))
        .bind(text(&|one| one.standing().1))
        .bind(all.iter().map(|one| one.source).collect::<Vec<_>>())
        .bind(all.iter().map(Application::submitted_at).collect::<Vec<_>>())
        .bind(all.iter().map(|one| one.steps[one.steps.len() - 1].at).collect::<Vec<_>>())
        .execute(&mut *connection)
        .await
        .unwrap();
        let steps: Vec<(&Application, &Step)> =
            all.iter().flat_map(|one| one.steps.iter().map(move |step| (one, step))).collect();
        sqlx::query(
            "INSERT INTO stage_moves (tenant_id, id, application_id, job_id, action, from_stage,
                 to_stage, from_kind, to_kind, actor, at)
             SELECT $1, gen_random_uuid(), m.application, m.job, m.action, f.id, t.id, m.from_kind,
                    m.to_kind, 'system:test', m.at
             FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[],
                         $7::timestamptz[])
                  AS m (application, job, action, from_kind, to_kind, at)
             LEFT JOIN job_stages f
                 ON f.tenant_id = $1 AND f.job_id IS NULL AND f.kind = m.from_kind
             LEFT JOIN job_stages t
                 ON t.tenant_id = $1 AND t.job_id IS NULL AND t.kind = m.to_kind",
        )
        .bind(tenant.id)
        .bind(steps.iter().map(|(one, _)| one.id).collect::<Vec<_>>())
        .bind(steps.iter().map(|(one, _)| one.job).collect::<Vec<_>>())
        .bind(steps.iter().map(|(_, step)| step.action).collect::<Vec<_>>())
        .bind(steps.iter().map(|(_, step)| step.from).collect::<Vec<_>>())
        .bind(steps.iter().map(|(_, step)| step.to).collect::<Vec<_>>())
        .bind(steps.iter().map(|(_, step)| step.at).collect::<Vec<_>>())
        .execute(connection)
        .await
        .unwrap();
    }

    /// Queues the events; answers how many.
    async fn is_queued(&self, tenant: &Tenant, connection: &mut PgConnection) -> i64 {
        let steps: Vec<(&Application, &Step)> =
            self.0.iter().flat_map(|one| one.steps.iter().map(move |step| (one, step))).collect();
        sqlx::query(
            "INSERT INTO outbox (tenant_id, kind, subject, payload, at, acted)
             SELECT $1, CASE e.action WHEN 'submit' THEN 'application.submitted'
                             ELSE 'application.stage_changed' END,
                    e.application,
                    jsonb_build_object('v', 1, 'job', e.job, 'application', e.application,
                        'source', e.source, 'from', e.from_kind, 'to', e.to_kind),
                    e.at, true
             FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[],
                         $8::timestamptz[])
                  AS e (application, job, action, source, from_kind, to_kind, at)",
        )
        .bind(tenant.id)
        .bind(steps.iter().map(|(one, _)| one.id).collect::<Vec<_>>())
        .bind(steps.iter().map(|(one, _)| one.job).collect::<Vec<_>>())
        .bind(steps.iter().map(|(_, step)| step.action).collect::<Vec<_>>())
        .bind(steps.iter().map(|(one, _)| one.source).collect::<Vec<_>>())
        .bind(steps.iter().map(|(_, step)| step.from).collect::<Vec<_>>())
        .bind(steps.iter().map(|(_, step)| step.to).collect::<Vec<_>>())
        .bind(steps.iter().map(|(_, step)| step.at).collect::<Vec<_>>())
        .execute(connection)
        .await
        .unwrap();
        i64::try_from(steps.len()).unwrap()
    }
}

/// A way through the pipeline: on, past a stage, turned down and sometimes taken back, withdrawn, or
/// left where it is.
fn steps(rng: &mut StdRng, at: OffsetDateTime) -> Vec<Step> {
    const OPEN: [&str; 4] = ["applied", "screen", "interview", "offer"];
    let mut steps = vec![Step { action: "submit", from: None, to: Some("applied"), at }];
    let (mut place, mut at) = (0, at);
    loop {
        at += time::Duration::seconds(rng.random_range(600..5 * 86_400));
        let from = Some(OPEN[place]);
        match rng.random_range(0..100) {
            0..45 if place < 3 => {
                let further = if rng.random_bool(0.2) { 2 } else { 1 };
                place = (place + further).min(3);
                steps.push(Step { action: "move", from, to: Some(OPEN[place]), at });
            }
            0..45 => {
                steps.push(Step { action: "hire", from, to: Some("hired"), at });
                return steps;
            }
            45..65 => {
                steps.push(Step { action: "reject", from, to: Some("rejected"), at });
                if rng.random_bool(0.8) {
                    return steps;
                }
                at += time::Duration::seconds(rng.random_range(60..86_400));
                steps.push(Step { action: "unreject", from: Some("rejected"), to: from, at });
            }
            65..75 => {
                steps.push(Step { action: "withdraw", from, to: None, at });
                return steps;
            }
            _ => return steps,
        }
    }
}
