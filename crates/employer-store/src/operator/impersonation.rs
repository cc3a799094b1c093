//! Operators who look at the portal as a member does.

use std::time::Duration;

use serde_json::json;
use tenancy::{OrgId, TenantId, UserId};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{OpsDb, tell};
use crate::database::within_deadline;
use crate::error::StoreError;
use crate::outbox::read_org;

/// Whom to be, and why.
#[derive(Clone, Debug)]
pub struct NewImpersonation<'a> {
    /// SHA-256 of what only the operator's session knows.
    pub session: [u8; 32],
    /// Who looks.
    pub operator: UserId,
    /// Into which tenant.
    pub tenant: TenantId,
    /// The operators' own organization, which nobody visits.
    pub platform: &'a OrgId,
    /// As which of its members, by their e-mail address.
    pub email: &'a str,
    /// Why, in the operator's words.
    pub reason: &'a str,
    /// For how long; half an hour at most.
    pub duration: Duration,
}

/// A member that an operator looks as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Impersonated {
    /// Names it in the trail.
    pub id: Uuid,
    /// Who looks.
    pub operator: UserId,
    /// Into which tenant.
    pub tenant: TenantId,
    /// The tenant's organization.
    pub org: OrgId,
    /// As which member.
    pub user: UserId,
    /// The member at the identity provider.
    pub subject: String,
    /// Their name.
    pub name: String,
    /// Their e-mail address.
    pub email: String,
    /// Why.
    pub reason: String,
    /// When it ends by itself.
    pub ends_at: OffsetDateTime,
}

/// Begins; one that the session was in before ends. None where the tenant is not active or has no
/// such member.
pub async fn start_impersonation(
    db: &OpsDb,
    wanted: &NewImpersonation<'_>,
) -> Result<Option<Impersonated>, StoreError> {
    let mut transaction = db.pool().begin_with("BEGIN").await?;
    let member = sqlx::query_scalar!(
        r#"SELECT m.user_id AS "user_id!"
           FROM tenants t, find_member_by_email(t.id, $2) m
           WHERE t.id = $1 AND t.org_id <> $3"#,
        wanted.tenant.as_uuid(),
        wanted.email,
        wanted.platform.as_str(),
    )
    .fetch_optional(&mut *transaction)
    .await?;
    let Some(member) = member else { return Ok(None) };
    sqlx::query!(
        "UPDATE impersonations SET ended_at = now() WHERE session_hash = $1 AND ended_at IS NULL",
        wanted.session.as_slice(),
    )
    .execute(&mut *transaction)
    .await?;
    let id = Uuid::now_v7();
    sqlx::query!(
        "INSERT INTO impersonations
             (id, session_hash, operator_id, member_tenant, member_id, reason, ends_at)
         VALUES ($1, $2, $3, $4, $5, $6, now() + make_interval(secs => $7))",
        id,
        wanted.session.as_slice(),
        wanted.operator.as_uuid(),
        wanted.tenant.as_uuid(),
        member,
        wanted.reason,
        wanted.duration.as_secs_f64(),
    )
    .execute(&mut *transaction)
    .await?;
    let detail = json!({
        "deed": "impersonation_started",
        "impersonation": id,
        "reason": wanted.reason,
        "result": "done",
    });
    tell(&mut transaction, wanted.tenant, wanted.operator, format!("user:{member}"), detail)
        .await?;
    transaction.commit().await?;
    find_impersonation(db, wanted.session).await
}

/// Whom the session looks as right now, if as anybody.
pub async fn find_impersonation(
    db: &OpsDb,
    session: [u8; 32],
) -> Result<Option<Impersonated>, StoreError> {
    let query = sqlx::query!(
        r#"SELECT id AS "id!", operator_id AS "operator_id!", tenant_id AS "tenant_id!",
                  org_id AS "org_id!", user_id AS "user_id!", subject AS "subject!",
                  user_name AS "user_name!", user_email AS "user_email!", reason AS "reason!",
                  ends_at AS "ends_at!"
           FROM resolve_impersonation($1)"#,
        session.as_slice(),
    );
    let row = within_deadline(query.fetch_optional(db.pool())).await?;
    row.map(|row| {
        Ok(Impersonated {
            id: row.id,
            operator: UserId::from_uuid(row.operator_id),
            tenant: TenantId::from_uuid(row.tenant_id),
            org: read_org(&row.org_id)?,
            user: UserId::from_uuid(row.user_id),
            subject: row.subject,
            name: row.user_name,
            email: row.user_email,
            reason: row.reason,
            ends_at: row.ends_at,
        })
    })
    .transpose()
}

/// Ends it before its time. Answers whether there was one.
pub async fn end_impersonation(db: &OpsDb, session: [u8; 32]) -> Result<bool, StoreError> {
    let Some(current) = find_impersonation(db, session).await? else { return Ok(false) };
    let mut transaction = db.pool().begin_with("BEGIN").await?;
    sqlx::query!(
        "UPDATE impersonations SET ended_at = now() WHERE id = $1 AND ended_at IS NULL",
        current.id,
    )
    .execute(&mut *transaction)
    .await?;
    let detail =
        json!({ "deed": "impersonation_ended", "impersonation": current.id, "result": "done" });
    let resource = format!("user:{}", current.user);
    tell(&mut transaction, current.tenant, current.operator, resource, detail).await?;
    transaction.commit().await?;
    Ok(true)
}
