//! What is asked before a tenant is known.

use std::fmt;

use tenancy::{OrgId, TenantId, UserId};
use time::OffsetDateTime;
use uuid::Uuid;

use super::SidHash;
use crate::database::within_deadline;
use crate::error::StoreError;
use crate::outbox::read_org;
use crate::tenant_db::TenantDb;

/// A session that has not ended; whether it has been idle for too long is not judged yet.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionRow {
    /// The tenant.
    pub tenant: TenantId,
    /// Its organization.
    pub org: OrgId,
    /// What the person's other devices know it by.
    pub handle: Uuid,
    /// Whose it is.
    pub user: UserId,
    /// The person's name.
    pub name: String,
    /// The person's e-mail address.
    pub email: String,
    /// The person as the identity provider names them.
    pub subject: String,
    /// The identity provider's own session.
    pub idp_sid: Option<String>,
    /// What unsafe requests repeat.
    pub csrf_token: String,
    /// When it began.
    pub created_at: OffsetDateTime,
    /// When it was in use, coarsely.
    pub touched_at: OffsetDateTime,
    /// When it ends however busy it is.
    pub absolute_expires_at: OffsetDateTime,
    /// When the access token that is kept for it ends, where there is one.
    pub access_expires_at: Option<OffsetDateTime>,
}

/// Without what proves anything or names the person to others.
impl fmt::Debug for SessionRow {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SessionRow")
            .field("tenant", &self.tenant)
            .field("handle", &self.handle)
            .field("user", &self.user)
            .field("touched_at", &self.touched_at)
            .field("absolute_expires_at", &self.absolute_expires_at)
            .finish_non_exhaustive()
    }
}

/// The answer to the question for a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundSession {
    /// The session; none where there is none, or not any more.
    pub session: Option<SessionRow>,
    /// The database's time of the answer: it knows of everything that was committed before.
    pub at: OffsetDateTime,
}

/// Somebody who is signed in to a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedIn {
    /// The tenant.
    pub tenant: TenantId,
    /// Its organization.
    pub org: OrgId,
    /// The person.
    pub user: UserId,
}

/// The database's time. Whatever is asked afterwards is answered with everything that was committed
/// until then.
pub async fn database_time(db: &TenantDb) -> Result<OffsetDateTime, StoreError> {
    let pool = db.pool();
    db.answered(
        || async move { sqlx::query_scalar!(r#"SELECT now() AS "at!""#).fetch_one(pool).await },
    )
    .await
}

/// The session of a cookie.
pub async fn find_session(db: &TenantDb, sid: &SidHash) -> Result<FoundSession, StoreError> {
    let pool = db.pool();
    let row = db
        .answered(|| async move {
            sqlx::query!(
                r#"SELECT now() AS "at!", r.tenant_id AS "tenant_id?", r.org_id AS "org_id?",
                  r.handle AS "handle?", r.user_id AS "user_id?", r.user_name AS "user_name?",
                  r.user_email AS "user_email?", r.subject AS "subject?", r.idp_sid AS "idp_sid?",
                  r.csrf_token AS "csrf_token?", r.created_at AS "created_at?",
                  r.touched_at AS "touched_at?", r.absolute_expires_at AS "absolute_expires_at?",
                  r.access_expires_at AS "access_expires_at?"
           FROM (VALUES (1)) one LEFT JOIN resolve_session($1) r ON true"#,
                sid.as_slice(),
            )
            .fetch_one(pool)
            .await
        })
        .await?;
    let Some(tenant) = row.tenant_id else {
        return Ok(FoundSession { session: None, at: row.at });
    };
    let missing = || StoreError::inconsistent("session that lacks a part");
    let session = SessionRow {
        tenant: TenantId::from_uuid(tenant),
        org: read_org(&row.org_id.ok_or_else(missing)?)?,
        handle: row.handle.ok_or_else(missing)?,
        user: UserId::from_uuid(row.user_id.ok_or_else(missing)?),
        name: row.user_name.ok_or_else(missing)?,
        email: row.user_email.ok_or_else(missing)?,
        subject: row.subject.ok_or_else(missing)?,
        idp_sid: row.idp_sid,
        csrf_token: row.csrf_token.ok_or_else(missing)?,
        created_at: row.created_at.ok_or_else(missing)?,
        touched_at: row.touched_at.ok_or_else(missing)?,
        absolute_expires_at: row.absolute_expires_at.ok_or_else(missing)?,
        access_expires_at: row.access_expires_at,
    };
    Ok(FoundSession { session: Some(session), at: row.at })
}

/// Writes down that a session is in use; nothing where it has ended.
pub async fn touch_session(db: &TenantDb, sid: &SidHash) -> Result<(), StoreError> {
    let query =
        sqlx::query_scalar!(r#"SELECT true AS "done!" FROM touch_session($1)"#, sid.as_slice(),);
    within_deadline(query.fetch_one(db.pool())).await.map(drop)
}

/// Where somebody is signed in through this session of the identity provider: one session of a
/// browser there may stand behind several here.
pub async fn find_by_idp_sid(
    db: &TenantDb,
    issuer: &str,
    idp_sid: &str,
) -> Result<Vec<SignedIn>, StoreError> {
    if issuer.contains('\0') || idp_sid.contains('\0') {
        return Ok(Vec::new());
    }
    let query = sqlx::query_as!(
        Row,
        r#"SELECT tenant_id AS "tenant_id!", org_id AS "org_id!", user_id AS "user_id!"
           FROM find_sessions_by_idp_sid($1, $2)"#,
        issuer,
        idp_sid,
    );
    let rows = within_deadline(query.fetch_all(db.pool())).await?;
    rows.into_iter().map(Row::read).collect()
}

/// Where the identity provider's subject is signed in.
pub async fn find_by_subject(db: &TenantDb, subject: &str) -> Result<Vec<SignedIn>, StoreError> {
    if subject.contains('\0') {
        return Ok(Vec::new());
    }
    let query = sqlx::query_as!(
        Row,
        r#"SELECT tenant_id AS "tenant_id!", org_id AS "org_id!", user_id AS "user_id!"
           FROM find_sessions_by_subject($1)"#,
        subject,
    );
    let rows = within_deadline(query.fetch_all(db.pool())).await?;
    rows.into_iter().map(Row::read).collect()
}

struct Row {
    tenant_id: Uuid,
    org_id: String,
    user_id: Uuid,
}

impl Row {
    fn read(self) -> Result<SignedIn, StoreError> {
        Ok(SignedIn {
            tenant: TenantId::from_uuid(self.tenant_id),
            org: read_org(&self.org_id)?,
            user: UserId::from_uuid(self.user_id),
        })
    }
}
