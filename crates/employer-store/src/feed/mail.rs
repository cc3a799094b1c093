//! Mails about notifications that nobody has read.
//!
//! The queue is `mail_due_at` of the notifications: set when one is written, cleared when it is read,
//! put away or mailed. Whoever takes some has them until a moment that is in that column then, so a
//! process that dies leaves them due; a mail may go out twice, never not at all.

use std::fmt;
use std::time::Duration;

use tenancy::{JobId, TenantId, UserId};
use time::OffsetDateTime;
use uuid::Uuid;

use super::audience::Reach;
use super::kind::NotificationKind;
use super::mark::lock;
use crate::database::within_deadline;
use crate::error::StoreError;
use crate::tenant_db::{TenantDb, TenantTx};
use crate::worker_db::WorkerDb;

/// Most notifications looked at to find out whom mails are due to.
const LOOKED_AT: i64 = 1_000;

/// Something to be told by mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MailItem {
    /// Its number in the person's inbox.
    pub seq: i64,
    /// What it is about.
    pub kind: NotificationKind,
    /// The job that it belongs to.
    pub job: Option<JobId>,
    /// When it happened.
    pub created_at: OffsetDateTime,
}

/// What is due to one person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueMail {
    /// Where they are a member.
    pub tenant: TenantId,
    /// Who it is.
    pub user: UserId,
    /// What they may still see of it and have not read, the oldest first; there may be nothing left.
    pub items: Vec<MailItem>,
    /// All that was taken.
    seqs: Vec<i64>,
}

#[cfg(feature = "testing")]
impl DueMail {
    /// A mail that nobody has taken.
    pub fn of(tenant: TenantId, user: UserId, items: Vec<MailItem>) -> Self {
        Self { tenant, user, items, seqs: Vec::new() }
    }
}

/// Whom a mail goes to, and when they want to have it.
#[derive(Clone, PartialEq, Eq)]
pub struct Addressee {
    /// Their name.
    pub name: String,
    /// Their address.
    pub email: String,
    /// What their organization is called.
    pub organization: String,
    /// Whether the organization may be worked in.
    pub is_active: bool,
    /// When they want to hear.
    pub wishes: MailWishes,
}

/// It is a person.
impl fmt::Debug for Addressee {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Addressee").field("wishes", &self.wishes).finish_non_exhaustive()
    }
}

/// Whether mails are gathered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Digest {
    /// They are not.
    Off,
    /// For an hour from the first on.
    Hourly,
    /// Until this minute of the day.
    Daily(u16),
}

/// When somebody wants to have mails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailWishes {
    /// Whether they are gathered.
    pub digest: Digest,
    /// The minutes of the day between which there are none; over midnight where the end is smaller.
    pub quiet: Option<(u16, u16)>,
    /// The zone of those minutes, by its IANA name.
    pub time_zone: String,
}

/// Takes what is due to some people, for as long as `lease`. Whoever cannot be mailed now is taken
/// as well, to be put off: rows that stayed the oldest ones due would keep all others from being seen.
pub async fn claim_mail(
    db: &WorkerDb,
    people: i64,
    lease: Duration,
) -> Result<Vec<DueMail>, StoreError> {
    let reach = Reach::all();
    let usually_mailed =
        names(NotificationKind::ALL.into_iter().filter(|kind| kind.is_mailed_by_default()));
    let query = sqlx::query!(
        r#"WITH looked_at AS (
               SELECT tenant_id, user_id, mail_due_at FROM notifications
               WHERE mail_due_at <= clock_timestamp()
               ORDER BY mail_due_at LIMIT $1
           ), people AS (
               SELECT tenant_id, user_id FROM looked_at
               GROUP BY tenant_id, user_id
               ORDER BY min(mail_due_at) LIMIT $2
           ), free AS (
               SELECT n.tenant_id, n.user_id, n.seq
               FROM people p
               JOIN notifications n ON n.tenant_id = p.tenant_id AND n.user_id = p.user_id
               WHERE n.mail_due_at <= clock_timestamp()
               FOR UPDATE OF n SKIP LOCKED
           ), taken AS (
               UPDATE notifications n
               SET mail_due_at = clock_timestamp() + make_interval(secs => $3)
               FROM free
               WHERE n.tenant_id = free.tenant_id AND n.user_id = free.user_id
                 AND n.seq = free.seq
               RETURNING n.tenant_id, n.user_id, n.seq, n.kind, n.job_id, n.created_at,
                         n.read_at IS NULL AND n.archived_at IS NULL AS is_unread
           )
           SELECT t.tenant_id, t.user_id, t.seq, t.kind, t.job_id, t.created_at,
                  t.is_unread AND EXISTS (
                      SELECT 1 FROM memberships m
                      JOIN unnest($4::text[], $5::text[], $6::bool[])
                          AS r (kind, role, is_assigned_only)
                          ON r.kind = t.kind AND r.role = m.role
                      WHERE m.tenant_id = t.tenant_id AND m.user_id = t.user_id
                        AND (NOT r.is_assigned_only OR EXISTS (
                            SELECT 1 FROM job_team j
                            WHERE j.tenant_id = t.tenant_id AND j.job_id = t.job_id
                              AND j.user_id = t.user_id
                        ))
                  ) AND coalesce((p.choices #>> ARRAY[t.kind, 'in_app'])::boolean, true)
                    AND coalesce((p.choices #>> ARRAY[t.kind, 'mail'])::boolean,
                                 t.kind = ANY($7)) AS "is_wanted!"
           FROM taken t
           LEFT JOIN notification_preferences p
               ON p.tenant_id = t.tenant_id AND p.user_id = t.user_id
           ORDER BY t.tenant_id, t.user_id, t.seq"#,
        LOOKED_AT,
        people,
        lease.as_secs_f64(),
        &reach.kinds,
        &reach.roles,
        &reach.is_assigned_only,
        &usually_mailed,
    );
    let rows = within_deadline(query.fetch_all(db.pool())).await?;
    let mut due: Vec<DueMail> = Vec::new();
    for row in rows {
        let (tenant, user) = (TenantId::from_uuid(row.tenant_id), UserId::from_uuid(row.user_id));
        let mail = match due.last_mut() {
            Some(last) if last.tenant == tenant && last.user == user => last,
            _ => {
                due.push(DueMail { tenant, user, items: Vec::new(), seqs: Vec::new() });
                let Some(new) = due.last_mut() else { continue };
                new
            }
        };
        // A kind that only a newer version knows stays due, for that one.
        let Ok(kind) = row.kind.parse() else { continue };
        mail.seqs.push(row.seq);
        if row.is_wanted {
            let (job, created_at) = (row.job_id.map(JobId::from_uuid), row.created_at);
            mail.items.push(MailItem { seq: row.seq, kind, job, created_at });
        }
    }
    Ok(due)
}

/// Says what became of a mail: nothing more is due, or the same again at `again`. What was read
/// meanwhile stays settled.
pub async fn settle_mail(
    db: &WorkerDb,
    mail: &DueMail,
    again: Option<OffsetDateTime>,
) -> Result<(), StoreError> {
    let query = sqlx::query!(
        "UPDATE notifications SET mail_due_at = $4
         WHERE tenant_id = $1 AND user_id = $2 AND seq = ANY($3) AND mail_due_at IS NOT NULL",
        mail.tenant.as_uuid(),
        mail.user.as_uuid(),
        &mail.seqs,
        again,
    );
    within_deadline(query.execute(db.pool())).await.map(drop)
}

/// Whom a mail goes to; none where they are no member any more.
pub async fn find_addressee(
    db: &WorkerDb,
    mail: &DueMail,
) -> Result<Option<Addressee>, StoreError> {
    let query = sqlx::query!(
        r#"SELECT user_name AS "user_name!", user_email AS "user_email!",
                  tenant_name AS "tenant_name!", is_active AS "is_active!",
                  time_zone AS "time_zone!", digest AS "digest!",
                  digest_minute AS "digest_minute!", quiet_from, quiet_until
           FROM find_mail_addressee($1, $2)"#,
        mail.tenant.as_uuid(),
        mail.user.as_uuid(),
    );
    let Some(row) = within_deadline(query.fetch_optional(db.pool())).await? else {
        return Ok(None);
    };
    let minute = |minute: i16| {
        u16::try_from(minute).map_err(|_| StoreError::inconsistent("minute of the day"))
    };
    let digest = match row.digest.as_str() {
        "off" => Digest::Off,
        "hourly" => Digest::Hourly,
        "daily" => Digest::Daily(minute(row.digest_minute)?),
        _ => return Err(StoreError::inconsistent("kind of digest")),
    };
    let quiet = match (row.quiet_from, row.quiet_until) {
        (Some(from), Some(until)) => Some((minute(from)?, minute(until)?)),
        _ => None,
    };
    Ok(Some(Addressee {
        name: row.user_name,
        email: row.user_email,
        organization: row.tenant_name,
        is_active: row.is_active,
        wishes: MailWishes { digest, quiet, time_zone: row.time_zone },
    }))
}

/// What the jobs of a mail are called; those that are gone are missing.
pub async fn job_titles(db: &WorkerDb, mail: &DueMail) -> Result<Vec<(JobId, String)>, StoreError> {
    let jobs: Vec<Uuid> =
        mail.items.iter().filter_map(|item| item.job).map(JobId::as_uuid).collect();
    if jobs.is_empty() {
        return Ok(Vec::new());
    }
    let query = sqlx::query!(
        r#"SELECT job_id AS "job_id!", title AS "title!" FROM list_job_titles($1, $2)"#,
        mail.tenant.as_uuid(),
        &jobs,
    );
    let rows = within_deadline(query.fetch_all(db.pool())).await?;
    Ok(rows.into_iter().map(|row| (JobId::from_uuid(row.job_id), row.title)).collect())
}

/// Takes back what is queued for somebody who wants no mails about these kinds any more.
pub(crate) async fn withdraw_mail(
    tx: &mut TenantTx,
    user: UserId,
    unwanted: impl IntoIterator<Item = NotificationKind>,
) -> Result<(), StoreError> {
    // Whoever marks notifications locks the inbox first, and so does this.
    lock(tx, user).await?;
    sqlx::query!(
        "UPDATE notifications SET mail_due_at = NULL
         WHERE tenant_id = $1 AND user_id = $2 AND kind = ANY($3) AND mail_due_at IS NOT NULL",
        tx.tenant(),
        user.as_uuid(),
        &names(unwanted),
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

fn names(kinds: impl IntoIterator<Item = NotificationKind>) -> Vec<String> {
    kinds.into_iter().map(|kind| kind.as_str().to_owned()).collect()
}

/// Turns all mail off for a member who followed the link in one. False where they are none any more.
pub async fn turn_mail_off(
    db: &TenantDb,
    tenant: TenantId,
    user: UserId,
) -> Result<bool, StoreError> {
    let kinds = names(NotificationKind::ALL);
    let query = sqlx::query_scalar!(
        r#"SELECT turn_mail_off($1, $2, $3, $4) AS "is_done!""#,
        tenant.as_uuid(),
        user.as_uuid(),
        &kinds,
        Uuid::now_v7(),
    );
    within_deadline(query.fetch_one(db.pool())).await
}
