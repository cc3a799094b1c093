//! What stands in somebody's inbox, as far as they may see it now.
//!
//! Who is told is decided when a notification is written, and once more whenever it is read: whoever
//! has left a job's team, or has another role, sees the job's notifications no more.

use serde::Serialize;
use serde_json::Value;
use tenancy::{ApplicationId, ExportId, JobId, UserId};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::audience::Reach;
use super::kind::NotificationKind;
use crate::error::StoreError;
use crate::tenant_db::TenantTx;

/// How far an inbox goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Head {
    /// The numbering. What somebody remembers of another one means nothing. 0 where the person is
    /// no member.
    pub epoch: i64,
    /// The number of the last notification; 0 where there has been none.
    pub seq: i64,
    /// How many are neither read nor archived.
    pub unread: i64,
}

/// Something that a member was told.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Notification {
    /// Its number in the person's inbox; grows by one, but over those that the person may not see
    /// any more.
    pub seq: i64,
    /// The event that it tells of.
    pub event_id: Uuid,
    /// What it is about.
    pub kind: NotificationKind,
    /// The job that it belongs to.
    #[schema(value_type = Option<Uuid>)]
    pub job: Option<JobId>,
    /// The application that it belongs to.
    #[schema(value_type = Option<Uuid>)]
    pub application: Option<ApplicationId>,
    /// The member who did it; none where it was nobody's deed.
    #[schema(value_type = Option<Uuid>)]
    pub actor: Option<UserId>,
    /// What else there is to say, such as the stages of a move: words and numbers, no names.
    #[schema(value_type = Object)]
    pub data: Value,
    /// When it happened.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it was first shown.
    #[serde(with = "time::serde::rfc3339::option")]
    pub seen_at: Option<OffsetDateTime>,
    /// When it was read.
    #[serde(with = "time::serde::rfc3339::option")]
    pub read_at: Option<OffsetDateTime>,
    /// When it was put away.
    #[serde(with = "time::serde::rfc3339::option")]
    pub archived_at: Option<OffsetDateTime>,
}

impl Notification {
    /// The export that it is about.
    pub fn export(&self) -> Option<ExportId> {
        if self.kind != NotificationKind::ExportReady {
            return None;
        }
        let said = self.data.get("export")?.as_str()?;
        Uuid::try_parse(said).ok().map(ExportId::from_uuid)
    }
}

/// Which notifications of an inbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeedFilter {
    /// Only those that are not read.
    pub is_unread_only: bool,
    /// Those that were put away, instead of those that were not.
    pub is_archived: bool,
    /// Only those with a smaller number.
    pub before: Option<i64>,
}

/// A part of an inbox, the newest first.
#[derive(Clone, Debug, PartialEq)]
pub struct FeedPage {
    /// How far the inbox went before the notifications were read: whoever goes on from it misses
    /// nothing.
    pub head: Head,
    /// The notifications.
    pub notifications: Vec<Notification>,
    /// Whether there are more with smaller numbers.
    pub has_more: bool,
}

/// How far somebody's inbox goes.
pub async fn head(tx: &mut TenantTx, user: UserId) -> Result<Head, StoreError> {
    // Where nobody has been told anything there is no row yet; the numbering that there will be is
    // known from the membership.
    let row = sqlx::query!(
        r#"SELECT coalesce(h.epoch, (extract(epoch FROM m.created_at) * 1000)::bigint)
                      AS "epoch!",
                  coalesce(h.seq, 0) AS "seq!", coalesce(h.unread, 0) AS "unread!"
           FROM memberships m
           LEFT JOIN feed_heads h ON h.tenant_id = m.tenant_id AND h.user_id = m.user_id
           WHERE m.tenant_id = $1 AND m.user_id = $2"#,
        tx.tenant(),
        user.as_uuid(),
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(row.map_or_else(Head::default, |row| Head {
        epoch: row.epoch,
        seq: row.seq,
        unread: row.unread,
    }))
}

/// The notifications after a number, the oldest first, read or not: what somebody missed who was
/// told up to there. Fewer than `limit` where these are all.
pub async fn since(
    tx: &mut TenantTx,
    user: UserId,
    after_seq: i64,
    limit: i64,
) -> Result<Vec<Notification>, StoreError> {
    let reach = Reach::all();
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT n.seq, n.event_id, n.kind, n.job_id, n.application_id, n.actor, n.data,
                  n.created_at, n.seen_at, n.read_at, n.archived_at
           FROM notifications n
           JOIN memberships m ON m.tenant_id = n.tenant_id AND m.user_id = n.user_id
           JOIN unnest($3::text[], $4::text[], $5::bool[]) AS r (kind, role, is_assigned_only)
               ON r.kind = n.kind AND r.role = m.role
           WHERE n.tenant_id = $1 AND n.user_id = $2 AND n.seq > $6
             AND (NOT r.is_assigned_only OR EXISTS (
                 SELECT 1 FROM job_team t
                 WHERE t.tenant_id = n.tenant_id AND t.job_id = n.job_id AND t.user_id = n.user_id
             ))
           ORDER BY n.seq
           LIMIT $7"#,
        tx.tenant(),
        user.as_uuid(),
        &reach.kinds,
        &reach.roles,
        &reach.is_assigned_only,
        after_seq,
        limit,
    )
    .fetch_all(tx.connection())
    .await?;
    rows.into_iter().map(Row::read).collect()
}

/// A page of somebody's inbox.
pub async fn list_notifications(
    tx: &mut TenantTx,
    user: UserId,
    filter: &FeedFilter,
    limit: u16,
) -> Result<FeedPage, StoreError> {
    let head = head(tx, user).await?;
    let reach = Reach::all();
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT n.seq, n.event_id, n.kind, n.job_id, n.application_id, n.actor, n.data,
                  n.created_at, n.seen_at, n.read_at, n.archived_at
           FROM notifications n
           JOIN memberships m ON m.tenant_id = n.tenant_id AND m.user_id = n.user_id
           JOIN unnest($3::text[], $4::text[], $5::bool[]) AS r (kind, role, is_assigned_only)
               ON r.kind = n.kind AND r.role = m.role
           WHERE n.tenant_id = $1 AND n.user_id = $2
             AND ($6::bigint IS NULL OR n.seq < $6)
             AND (n.archived_at IS NOT NULL) = $7
             AND (NOT $8 OR n.read_at IS NULL)
             AND (NOT r.is_assigned_only OR EXISTS (
                 SELECT 1 FROM job_team t
                 WHERE t.tenant_id = n.tenant_id AND t.job_id = n.job_id AND t.user_id = n.user_id
             ))
           ORDER BY n.seq DESC
           LIMIT $9"#,
        tx.tenant(),
        user.as_uuid(),
        &reach.kinds,
        &reach.roles,
        &reach.is_assigned_only,
        filter.before,
        filter.is_archived,
        filter.is_unread_only,
        i64::from(limit) + 1,
    )
    .fetch_all(tx.connection())
    .await?;
    let has_more = rows.len() > usize::from(limit);
    let notifications = rows.into_iter().take(usize::from(limit)).map(Row::read);
    Ok(FeedPage { head, notifications: notifications.collect::<Result<_, _>>()?, has_more })
}

struct Row {
    seq: i64,
    event_id: Uuid,
    kind: String,
    job_id: Option<Uuid>,
    application_id: Option<Uuid>,
    actor: Option<Uuid>,
    data: Value,
    created_at: OffsetDateTime,
    seen_at: Option<OffsetDateTime>,
    read_at: Option<OffsetDateTime>,
    archived_at: Option<OffsetDateTime>,
}

impl Row {
    fn read(self) -> Result<Notification, StoreError> {
        let kind = self.kind.parse();
        Ok(Notification {
            seq: self.seq,
            event_id: self.event_id,
            kind: kind.map_err(|_| StoreError::inconsistent("kind of notification"))?,
            job: self.job_id.map(JobId::from_uuid),
            application: self.application_id.map(ApplicationId::from_uuid),
            actor: self.actor.map(UserId::from_uuid),
            data: self.data,
            created_at: self.created_at,
            seen_at: self.seen_at,
            read_at: self.read_at,
            archived_at: self.archived_at,
        })
    }
}
