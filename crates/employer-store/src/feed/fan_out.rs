//! The statement that tells people: from the outbox into inboxes, log and figures, all or nothing.

use std::time::Duration;

use tenancy::{ApplicationId, EventKind, JobId, TenantId, UserId};
use time::OffsetDateTime;
use uuid::Uuid;

use super::audience::{Kinds, Reach};
use crate::error::StoreError;
use crate::webhooks;
use crate::worker_db::WorkerDb;

/// One plan for all calls: making it takes longer than a small batch, and it is not for the values
/// that this statement differs in. The planner cannot know how much the statement's parts will hold,
/// and takes them for small; what it would choose for that grows with the square of a batch, or with
/// how much waits.
const BEGIN: &str = "BEGIN; SET LOCAL plan_cache_mode = force_generic_plan; \
    SET LOCAL enable_nestloop = off; SET LOCAL enable_seqscan = off; \
    SET LOCAL enable_bitmapscan = off";

/// How often the pause doubles after which an event is tried again: up to nine minutes.
const MAX_DOUBLINGS: i16 = 9;

/// How often it has doubled at first for an event that takes too long: half a minute, in which
/// others are told.
const SLOW_DOUBLINGS: i16 = 5;

/// How people are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TellingSettings {
    /// Most events taken at a time.
    pub batch: u16,
    /// How long a notification waits for its reader before a mail may follow.
    pub mail_delay: Duration,
    /// After how many failures of its own an event is given up.
    pub max_attempts: u8,
    /// How long telling of one event alone may take, where that is longer than statements may.
    pub alone: Duration,
}

/// An event that was told, for those who show it live. Ids only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// Where it happened.
    pub tenant: TenantId,
    /// The event.
    pub event_id: Uuid,
    /// What happened.
    pub kind: EventKind,
    /// What it happened to, where that is one thing.
    pub subject: Option<Uuid>,
    /// The job that it belongs to.
    pub job: Option<JobId>,
    /// The application that it belongs to.
    pub application: Option<ApplicationId>,
    /// When it happened.
    pub occurred_at: OffsetDateTime,
    /// Who did it.
    pub actor: Option<UserId>,
    /// Who has it in their inbox, and as which number. For [`EventKind::FeedChanged`] the person
    /// whose inbox changed, with the number of its last notification: no new one was written.
    pub recipients: Vec<(UserId, i64)>,
}

/// What became of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FannedOut {
    /// How many events were taken; as many as asked for where more may wait.
    pub taken: usize,
    /// Whether an endpoint of a tenant's webhooks is to hear of one of them.
    pub has_webhooks: bool,
    /// Those of them that concern somebody who may be looking, in the order of writing.
    pub published: Vec<Published>,
}

/// Takes events that nobody has told people of and nobody else holds, and tells of them: `only` one
/// of them, or as many as the settings say. All of it happens or none. One that is told alone has
/// the time that the settings give it, the others that of any statement.
///
/// Inboxes are locked in one order, and so are figures: two of these at once wait for each other
/// and never both. A row that was told is deleted, unless it is still to be acted on.
pub async fn fan_out(
    db: &WorkerDb,
    settings: &TellingSettings,
    only: Option<i64>,
) -> Result<FannedOut, StoreError> {
    let known = names(|_| true);
    let kept = names(EventKind::is_kept);
    let (kinds, reach) = (Kinds::all(), Reach::all());
    let mut transaction = db.pool().begin_with(BEGIN).await?;
    if only.is_some() {
        let limit = settings.alone.as_millis().to_string();
        sqlx::query_scalar!("SELECT set_config('statement_timeout', $1, true)", limit)
            .fetch_one(&mut *transaction)
            .await?;
    }
    let rows = sqlx::query_file!(
        "src/feed/fan_out.sql",
        &known,
        &kept,
        only,
        i64::from(settings.batch),
        settings.mail_delay.as_secs_f64(),
        &kinds.events,
        &kinds.kinds,
        &kinds.words,
        &kinds.is_mailed,
        &reach.kinds,
        &reach.roles,
        &reach.is_assigned_only,
        &webhooks::kind_names(),
    )
    .fetch_all(&mut *transaction)
    .await?;
    transaction.commit().await?;
    let taken = rows.len();
    let has_webhooks = rows.iter().any(|row| row.has_webhooks);
    let mut published = Vec::with_capacity(taken);
    for row in rows {
        let kind: EventKind =
            row.kind.parse().map_err(|_| StoreError::inconsistent("kind of event"))?;
        let users = row.users.into_iter().map(UserId::from_uuid);
        let one = Published {
            tenant: TenantId::from_uuid(row.tenant_id),
            event_id: row.event_id,
            kind,
            subject: row.subject,
            job: row.job_id.map(JobId::from_uuid),
            application: row.application_id.map(ApplicationId::from_uuid),
            occurred_at: row.at,
            actor: row.actor.map(UserId::from_uuid),
            recipients: users.zip(row.seqs).collect(),
        };
        if !row.is_known_already && concerns_somebody(&one) {
            published.push(one);
        }
    }
    Ok(FannedOut { taken, has_webhooks, published })
}

/// Whether somebody may be looking at what changed: their inbox, or the figures of a job.
fn concerns_somebody(event: &Published) -> bool {
    !event.recipients.is_empty()
        || matches!(
            event.kind,
            EventKind::ApplicationSubmitted
                | EventKind::ApplicationResubmitted
                | EventKind::ApplicationStageChanged
        )
}

fn names(is_wanted: impl Fn(EventKind) -> bool) -> Vec<String> {
    let wanted = EventKind::ALL.iter().filter(|kind| is_wanted(**kind));
    wanted.map(|kind| kind.as_str().to_owned()).collect()
}

/// The events that [`fan_out`] would take now, for looking at them one by one.
pub async fn next_waiting(db: &WorkerDb, limit: u16) -> Result<Vec<i64>, StoreError> {
    let known = names(|_| true);
    Ok(sqlx::query_scalar!(
        "SELECT id FROM outbox
         WHERE NOT fanned_out AND parked_at IS NULL AND kind = ANY($1)
           AND (retry_at IS NULL OR retry_at <= clock_timestamp())
         ORDER BY id LIMIT $2",
        &known,
        i64::from(limit),
    )
    .fetch_all(db.pool())
    .await?)
}

/// Writes down that telling of an event failed, and others are told meanwhile: it is tried again after
/// a pause that doubles, up to some minutes. It is given up after so many times, but not for the time
/// that it takes, which may be the database's fault. True where it is given up now.
pub async fn note_failure(
    db: &WorkerDb,
    settings: &TellingSettings,
    id: i64,
    error: &StoreError,
) -> Result<bool, StoreError> {
    let doublings = if error.is_timeout() { SLOW_DOUBLINGS } else { 0 };
    let is_parked = sqlx::query_scalar!(
        r#"UPDATE outbox
           SET attempts = least(attempts + 1, 1000),
               retry_at = clock_timestamp()
                   + make_interval(secs => power(2, least(attempts + $4, $5))),
               parked_at = CASE WHEN $4 = 0 AND attempts + 1 >= $2 THEN clock_timestamp() END,
               last_error = $3
           WHERE id = $1 AND NOT fanned_out AND parked_at IS NULL
           RETURNING parked_at IS NOT NULL AS "is_parked!""#,
        id,
        i32::from(settings.max_attempts),
        error.class(),
        doublings,
        MAX_DOUBLINGS,
    )
    .fetch_optional(db.pool())
    .await?;
    Ok(is_parked.unwrap_or_default())
}
