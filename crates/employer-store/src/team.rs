//! Who works in a tenant, and as what.
//!
//! Changes to one tenant's team go one after the other ([`lock`]): a rule that looks at everybody,
//! such as that an owner stays, holds under concurrency only so. A lock lives as long as its
//! transaction, so the identity provider may be asked and told while it is held.

use serde_json::json;
use tenancy::{EventKind, Role, UserId};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::error::StoreError;
use crate::identity::read_role;
use crate::sessions::{self, RevocationReason};
use crate::tenant_db::TenantTx;
use crate::{audit, feed};

/// A person as a member of the transaction's tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The person.
    pub user: UserId,
    /// The person as the identity provider names them.
    pub subject: String,
    /// Their name.
    pub name: String,
    /// Their e-mail address, in lower case.
    pub email: String,
    /// What they are.
    pub role: Role,
    /// Grows with every change of the role.
    pub role_version: i32,
    /// Since when they are a member.
    pub joined_at: OffsetDateTime,
    /// The time of the newest event of the identity provider that the role accounts for.
    pub roles_as_of: Option<OffsetDateTime>,
}

/// What became of a change to somebody's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TeamOutcome {
    /// It is as asked for.
    Done(Member),
    /// It was so before; nothing was written.
    Unchanged(Member),
    /// They are no member.
    NotFound,
    /// The tenant would be without an owner.
    LastOwner,
}

struct MemberRow {
    user_id: Uuid,
    subject: String,
    name: String,
    email_norm: String,
    role: String,
    role_version: i32,
    created_at: OffsetDateTime,
    roles_as_of: Option<OffsetDateTime>,
}

impl TryFrom<MemberRow> for Member {
    type Error = StoreError;

    fn try_from(row: MemberRow) -> Result<Self, StoreError> {
        Ok(Self {
            user: UserId::from_uuid(row.user_id),
            subject: row.subject,
            name: row.name,
            email: row.email_norm,
            role: read_role(&row.role)?,
            role_version: row.role_version,
            joined_at: row.created_at,
            roles_as_of: row.roles_as_of,
        })
    }
}

/// Makes other changes to this tenant's team wait until this transaction ends.
pub async fn lock(tx: &mut TenantTx) -> Result<(), StoreError> {
    let tenant = tx.tenant().to_string();
    sqlx::query!(
        r#"SELECT pg_advisory_xact_lock(hashtextextended('team:' || $1, 0)) AS "locked!: ()""#,
        tenant,
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(())
}

/// The members, in the order in which they came to the portal: those behind `after`, `limit` at
/// most.
pub async fn list_members(
    tx: &mut TenantTx,
    after: Option<UserId>,
    limit: u16,
) -> Result<Vec<Member>, StoreError> {
    let rows = sqlx::query_as!(
        MemberRow,
        "SELECT m.user_id, u.subject, u.name, u.email_norm, m.role, m.role_version, m.created_at,
                m.roles_as_of
         FROM memberships m
         JOIN users u ON u.id = m.user_id
         WHERE m.tenant_id = $1 AND ($2::uuid IS NULL OR m.user_id > $2)
         ORDER BY m.user_id
         LIMIT $3",
        tx.tenant(),
        after.map(UserId::as_uuid),
        i64::from(limit),
    )
    .fetch_all(tx.connection())
    .await?;
    rows.into_iter().map(Member::try_from).collect()
}

/// A member.
pub async fn find_member(tx: &mut TenantTx, user: UserId) -> Result<Option<Member>, StoreError> {
    let row = sqlx::query_as!(
        MemberRow,
        "SELECT m.user_id, u.subject, u.name, u.email_norm, m.role, m.role_version, m.created_at,
                m.roles_as_of
         FROM memberships m
         JOIN users u ON u.id = m.user_id
         WHERE m.tenant_id = $1 AND m.user_id = $2",
        tx.tenant(),
        user.as_uuid(),
    )
    .fetch_optional(tx.connection())
    .await?;
    row.map(Member::try_from).transpose()
}

/// Whether the tenant would be without an owner if this member were none.
pub async fn is_last_owner(tx: &mut TenantTx, member: &Member) -> Result<bool, StoreError> {
    if member.role != Role::Owner {
        return Ok(false);
    }
    let others = sqlx::query_scalar!(
        r#"SELECT EXISTS (
            SELECT 1 FROM memberships
            WHERE tenant_id = $1 AND role = 'owner' AND user_id <> $2
        ) AS "others!""#,
        tx.tenant(),
        member.user.as_uuid(),
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(!others)
}

/// Gives a member another role, with its event and audit row. Call [`lock`] first.
pub async fn change_role(
    tx: &mut TenantTx,
    user: UserId,
    role: Role,
) -> Result<TeamOutcome, StoreError> {
    let Some(member) = find_member(tx, user).await? else { return Ok(TeamOutcome::NotFound) };
    if member.role == role {
        return Ok(TeamOutcome::Unchanged(member));
    }
    if is_last_owner(tx, &member).await? {
        return Ok(TeamOutcome::LastOwner);
    }
    write_role(tx, member, role, None).await.map(TeamOutcome::Done)
}

/// Brings a member's role into line with the identity provider, which was asked while the team
/// was locked. There an organization may be without an owner, so here it may as well.
pub async fn follow_provider(
    tx: &mut TenantTx,
    user: UserId,
    role: Role,
    as_of: Option<OffsetDateTime>,
) -> Result<TeamOutcome, StoreError> {
    let Some(member) = find_member(tx, user).await? else { return Ok(TeamOutcome::NotFound) };
    if member.role == role {
        if as_of > member.roles_as_of {
            note_time(tx, user, as_of).await?;
        }
        return Ok(TeamOutcome::Unchanged(member));
    }
    if is_last_owner(tx, &member).await? {
        tracing::warn!(
            tenant.id = %tx.scope().tenant(),
            "the identity provider leaves the tenant without an owner"
        );
    }
    write_role(tx, member, role, as_of).await.map(TeamOutcome::Done)
}

/// Ends a membership and the person's sessions in the tenant. Call [`lock`] first.
pub async fn remove_member(tx: &mut TenantTx, user: UserId) -> Result<TeamOutcome, StoreError> {
    let Some(member) = find_member(tx, user).await? else { return Ok(TeamOutcome::NotFound) };
    if is_last_owner(tx, &member).await? {
        return Ok(TeamOutcome::LastOwner);
    }
    remove(tx, member).await.map(TeamOutcome::Done)
}

/// Ends a membership that the identity provider does not have any more; it may take the last owner.
pub async fn remove_by_provider(
    tx: &mut TenantTx,
    user: UserId,
) -> Result<TeamOutcome, StoreError> {
    let Some(member) = find_member(tx, user).await? else { return Ok(TeamOutcome::NotFound) };
    remove(tx, member).await.map(TeamOutcome::Done)
}

async fn remove(tx: &mut TenantTx, member: Member) -> Result<Member, StoreError> {
    let user = member.user.as_uuid();
    let was_on_teams = sqlx::query_scalar!(
        r#"SELECT EXISTS (
            SELECT 1 FROM job_team WHERE tenant_id = $1 AND user_id = $2
        ) AS "was_on_teams!""#,
        tx.tenant(),
        user,
    )
    .fetch_one(tx.connection())
    .await?;
    sqlx::query!(
        "DELETE FROM memberships WHERE tenant_id = $1 AND user_id = $2",
        tx.tenant(),
        user,
    )
    .execute(tx.connection())
    .await?;
    sessions::revoke_all_of(tx, member.user, RevocationReason::MemberRemoved).await?;
    let payload = json!({ "role": member.role });
    tx.emit(EventKind::MemberRemoved, Some(user), payload).await?;
    if was_on_teams {
        // Answers about jobs name their teams; which jobs these were is not told, so all count.
        tx.emit(EventKind::JobTeamChanged, None, json!({})).await?;
    }
    let detail = json!({ "role": member.role });
    audit::record(tx, "user_deleted", &resource(member.user), detail, None).await?;
    Ok(member)
}

async fn write_role(
    tx: &mut TenantTx,
    member: Member,
    role: Role,
    as_of: Option<OffsetDateTime>,
) -> Result<Member, StoreError> {
    let written = sqlx::query!(
        "UPDATE memberships
         SET role = $3, role_version = role_version + 1, updated_at = now(),
             roles_as_of = greatest(roles_as_of, $4)
         WHERE tenant_id = $1 AND user_id = $2
         RETURNING role_version, roles_as_of",
        tx.tenant(),
        member.user.as_uuid(),
        role.as_str(),
        as_of,
    )
    .fetch_one(tx.connection())
    .await?;
    // Some of what they were told may not be for them any more.
    feed::recount(tx, member.user).await?;
    let change = json!({ "from": member.role, "to": role });
    let payload = json!({ "role": role, "role_version": written.role_version });
    tx.emit(EventKind::MemberRoleChanged, Some(member.user.as_uuid()), payload).await?;
    audit::record(tx, "authz_change", &resource(member.user), change, None).await?;
    let (role_version, roles_as_of) = (written.role_version, written.roles_as_of);
    Ok(Member { role, role_version, roles_as_of, ..member })
}

async fn note_time(
    tx: &mut TenantTx,
    user: UserId,
    as_of: Option<OffsetDateTime>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE memberships SET roles_as_of = greatest(roles_as_of, $3)
         WHERE tenant_id = $1 AND user_id = $2",
        tx.tenant(),
        user.as_uuid(),
        as_of,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Makes a person a member, with the event and the audit row; false where they are one already,
/// whose role then stays. Call [`lock`] first.
pub(crate) async fn join(
    tx: &mut TenantTx,
    user: UserId,
    role: Role,
    detail: serde_json::Value,
) -> Result<bool, StoreError> {
    let joined = sqlx::query!(
        "INSERT INTO memberships (tenant_id, user_id, role) VALUES ($1, $2, $3)
         ON CONFLICT (tenant_id, user_id) DO NOTHING",
        tx.tenant(),
        user.as_uuid(),
        role.as_str(),
    )
    .execute(tx.connection())
    .await?;
    if joined.rows_affected() == 0 {
        return Ok(false);
    }
    let payload = json!({ "role": role });
    tx.emit(EventKind::MemberJoined, Some(user.as_uuid()), payload).await?;
    audit::record(tx, "user_created", &resource(user), detail, None).await?;
    Ok(true)
}

pub(crate) fn resource(user: UserId) -> String {
    format!("user:{user}")
}
