//! Invitations to a tenant: open, then accepted once, withdrawn or expired.

use std::fmt;

use serde_json::json;
use sha2::{Digest as _, Sha256};
use tenancy::{Grant, Permission, Role, UserId};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::audit;
use crate::error::StoreError;
use crate::identity::{MAX_EMAIL_CHARS, MAX_NAME_CHARS, read_role, without_nul};
use crate::team;
use crate::tenant_db::TenantTx;

/// Most open invitations of one tenant.
pub const MAX_OPEN: i64 = 500;

/// An invitation that can still be accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    /// Our id.
    pub id: Uuid,
    /// Whom it is for, in lower case.
    pub email: String,
    /// What they will be.
    pub role: Role,
    /// The identity provider's name for it.
    pub provider_id: String,
    /// Who invited.
    pub invited_by: UserId,
    /// When.
    pub created_at: OffsetDateTime,
    /// Until when it can be accepted.
    pub expires_at: OffsetDateTime,
}

/// Why an address cannot be invited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// A member has it.
    Member,
    /// It is invited already.
    Invited,
    /// There are [`MAX_OPEN`] open invitations.
    Full,
}

/// An invitation that the identity provider has made.
#[derive(Clone, Copy)]
pub struct NewInvitation<'a> {
    /// Whom it is for.
    pub email: &'a str,
    /// What they will be.
    pub role: Role,
    /// What the sign-in will come with; only its hash is stored.
    pub ticket: &'a str,
    /// The identity provider's name for it.
    pub provider_id: &'a str,
    /// Until when it can be accepted.
    pub expires_at: OffsetDateTime,
    /// Who invites.
    pub invited_by: UserId,
}

/// Somebody who has signed in with an invitation, as the identity provider vouches.
#[derive(Clone, Copy)]
pub struct Invitee<'a> {
    /// The person as the identity provider names them.
    pub subject: &'a str,
    /// Their name; may be empty.
    pub name: &'a str,
    /// Their e-mail address; may be empty.
    pub email: &'a str,
}

/// Without whom it is for and the ticket.
impl fmt::Debug for NewInvitation<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("NewInvitation").field("role", &self.role).finish_non_exhaustive()
    }
}

/// Without who it is.
impl fmt::Debug for Invitee<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Invitee").finish_non_exhaustive()
    }
}

/// What became of an invitation that somebody came with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acceptance {
    /// They are a member now, or were one before and stay what they are.
    Accepted,
    /// It is not ours, was used, was withdrawn or has expired.
    NotOpen,
    /// It is for another address.
    AnotherAddress,
}

struct InvitationRow {
    id: Uuid,
    email_norm: String,
    role: String,
    provider_id: String,
    invited_by: Uuid,
    created_at: OffsetDateTime,
    expires_at: OffsetDateTime,
}

impl TryFrom<InvitationRow> for Invitation {
    type Error = StoreError;

    fn try_from(row: InvitationRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id,
            email: row.email_norm,
            role: read_role(&row.role)?,
            provider_id: row.provider_id,
            invited_by: UserId::from_uuid(row.invited_by),
            created_at: row.created_at,
            expires_at: row.expires_at,
        })
    }
}

/// The open invitations, newest first; [`MAX_OPEN`] at most.
pub async fn list_open(tx: &mut TenantTx) -> Result<Vec<Invitation>, StoreError> {
    let rows = sqlx::query_as!(
        InvitationRow,
        "SELECT id, email_norm, role, provider_id, invited_by, created_at, expires_at
         FROM invitations
         WHERE tenant_id = $1 AND accepted_at IS NULL AND withdrawn_at IS NULL
           AND expires_at > now()
         ORDER BY created_at DESC, id DESC
         LIMIT $2",
        tx.tenant(),
        MAX_OPEN,
    )
    .fetch_all(tx.connection())
    .await?;
    rows.into_iter().map(Invitation::try_from).collect()
}

/// Why `email` cannot be invited, if so. Call [`team::lock`] first.
pub async fn find_obstacle(tx: &mut TenantTx, email: &str) -> Result<Option<Obstacle>, StoreError> {
    let row = sqlx::query!(
        r#"SELECT
            EXISTS (
                SELECT 1 FROM memberships m JOIN users u ON u.id = m.user_id
                WHERE m.tenant_id = $1 AND u.email_norm = lower($2)
            ) AS "is_member!",
            EXISTS (
                SELECT 1 FROM invitations
                WHERE tenant_id = $1 AND email_norm = lower($2) AND accepted_at IS NULL
                  AND withdrawn_at IS NULL AND expires_at > now()
            ) AS "is_invited!",
            (SELECT count(*) FROM invitations
             WHERE tenant_id = $1 AND accepted_at IS NULL AND withdrawn_at IS NULL
               AND expires_at > now()) AS "open!""#,
        tx.tenant(),
        email,
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(match row {
        row if row.is_member => Some(Obstacle::Member),
        row if row.is_invited => Some(Obstacle::Invited),
        row if row.open >= MAX_OPEN => Some(Obstacle::Full),
        _ => None,
    })
}

/// Opens an invitation, with its audit row. Call [`team::lock`] and [`find_obstacle`] first.
pub async fn create_invitation(
    tx: &mut TenantTx,
    new: &NewInvitation<'_>,
) -> Result<Invitation, StoreError> {
    // What has expired still holds its address.
    sqlx::query!(
        "UPDATE invitations SET withdrawn_at = now()
         WHERE tenant_id = $1 AND email_norm = lower($2) AND accepted_at IS NULL
           AND withdrawn_at IS NULL",
        tx.tenant(),
        new.email,
    )
    .execute(tx.connection())
    .await?;
    let row = sqlx::query_as!(
        InvitationRow,
        "INSERT INTO invitations
             (tenant_id, id, email_norm, role, ticket_hash, provider_id, invited_by, expires_at)
         VALUES ($1, $2, lower($3), $4, $5, $6, $7, $8)
         RETURNING id, email_norm, role, provider_id, invited_by, created_at, expires_at",
        tx.tenant(),
        Uuid::now_v7(),
        new.email,
        new.role.as_str(),
        hash(new.ticket),
        new.provider_id,
        new.invited_by.as_uuid(),
        new.expires_at,
    )
    .fetch_one(tx.connection())
    .await?;
    let invitation = Invitation::try_from(row)?;
    let detail = json!({ "role": new.role });
    audit::record(tx, "invitation_created", &resource(invitation.id), detail, None).await?;
    Ok(invitation)
}

/// An open invitation, locked.
pub async fn find_open_for_update(
    tx: &mut TenantTx,
    id: Uuid,
) -> Result<Option<Invitation>, StoreError> {
    let row = sqlx::query_as!(
        InvitationRow,
        "SELECT id, email_norm, role, provider_id, invited_by, created_at, expires_at
         FROM invitations
         WHERE tenant_id = $1 AND id = $2 AND accepted_at IS NULL AND withdrawn_at IS NULL
           AND expires_at > now()
         FOR UPDATE",
        tx.tenant(),
        id,
    )
    .fetch_optional(tx.connection())
    .await?;
    row.map(Invitation::try_from).transpose()
}

/// Withdraws an invitation that [`find_open_for_update`] has found.
pub async fn withdraw(tx: &mut TenantTx, invitation: &Invitation) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE invitations SET withdrawn_at = now() WHERE tenant_id = $1 AND id = $2",
        tx.tenant(),
        invitation.id,
    )
    .execute(tx.connection())
    .await?;
    let detail = json!({ "role": invitation.role });
    audit::record(tx, "invitation_withdrawn", &resource(invitation.id), detail, None).await?;
    Ok(())
}

/// Accepts the invitation with `ticket`: the person becomes a member in the invited role, once.
pub async fn accept(
    tx: &mut TenantTx,
    ticket: &str,
    invitee: &Invitee<'_>,
) -> Result<Acceptance, StoreError> {
    team::lock(tx).await?;
    let row = sqlx::query_as!(
        InvitationRow,
        "SELECT id, email_norm, role, provider_id, invited_by, created_at, expires_at
         FROM invitations
         WHERE tenant_id = $1 AND ticket_hash = $2 AND accepted_at IS NULL
           AND withdrawn_at IS NULL AND expires_at > now()
         FOR UPDATE",
        tx.tenant(),
        hash(ticket),
    )
    .fetch_optional(tx.connection())
    .await?;
    let Some(invitation) = row.map(Invitation::try_from).transpose()? else {
        return Ok(Acceptance::NotOpen);
    };
    if !may_still_invite(tx, &invitation).await? {
        return Ok(Acceptance::NotOpen);
    }
    if invitee.email.to_lowercase() != invitation.email {
        return Ok(Acceptance::AnotherAddress);
    }
    let user = provision(tx, invitee).await?;
    sqlx::query!(
        "UPDATE invitations SET accepted_at = now(), accepted_by = $3
         WHERE tenant_id = $1 AND id = $2",
        tx.tenant(),
        invitation.id,
        user.as_uuid(),
    )
    .execute(tx.connection())
    .await?;
    let detail = json!({ "role": invitation.role, "invitation": invitation.id });
    team::join(tx, user, invitation.role, detail).await?;
    Ok(Acceptance::Accepted)
}

/// Whether whoever invited could do so now. An invitation must not outlive the power that made it:
/// it would be a way back for somebody who was removed.
async fn may_still_invite(tx: &mut TenantTx, invitation: &Invitation) -> Result<bool, StoreError> {
    let inviter = team::find_member(tx, invitation.invited_by).await?;
    Ok(inviter.is_some_and(|inviter| {
        inviter.role >= invitation.role && inviter.role.grant(Permission::TeamManage) != Grant::None
    }))
}

/// Whether the ticket is of an invitation of the tenant, open or not.
pub async fn is_ours(tx: &mut TenantTx, ticket: &str) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar!(
        r#"SELECT EXISTS (
            SELECT 1 FROM invitations WHERE tenant_id = $1 AND ticket_hash = $2
        ) AS "is_ours!""#,
        tx.tenant(),
        hash(ticket),
    )
    .fetch_one(tx.connection())
    .await?)
}

/// Makes somebody a member whom the identity provider itself has invited, in the role that it
/// gives them.
pub async fn join_by_provider(
    tx: &mut TenantTx,
    invitee: &Invitee<'_>,
    role: Role,
) -> Result<(), StoreError> {
    let user = provision(tx, invitee).await?;
    team::join(tx, user, role, json!({ "role": role, "invited_by": "identity_provider" })).await?;
    Ok(())
}

async fn provision(tx: &mut TenantTx, invitee: &Invitee<'_>) -> Result<UserId, StoreError> {
    let email: String = without_nul(invitee.email).chars().take(MAX_EMAIL_CHARS).collect();
    let name: String = without_nul(invitee.name).trim().chars().take(MAX_NAME_CHARS).collect();
    let name = match (name.is_empty(), email.split('@').next()) {
        (false, _) => name,
        (true, Some(local)) if !local.is_empty() => local.chars().take(MAX_NAME_CHARS).collect(),
        _ => "New member".to_owned(),
    };
    let id = sqlx::query_scalar!(
        r#"SELECT provision_user($1, $2, $3, $4) AS "id!""#,
        Uuid::now_v7(),
        without_nul(invitee.subject),
        name,
        email,
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(UserId::from_uuid(id))
}

fn hash(ticket: &str) -> Vec<u8> {
    Sha256::digest(ticket.as_bytes()).to_vec()
}

fn resource(id: Uuid) -> String {
    format!("invitation:{id}")
}
