//! Who a subject of the identity provider is here, before any tenant is known.
//!
//! These look-ups go through functions that answer exactly one question each; an unknown subject
//! and a subject of another organization get the same answer, none.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use tenancy::{OrgId, Role, TenantId, UserId};
use uuid::Uuid;

use crate::database::within_deadline;
use crate::error::StoreError;
use crate::outbox::read_org;
use crate::tenant_db::TenantDb;

/// Longest name of a person that is stored, in characters; longer ones are cut.
pub(crate) const MAX_NAME_CHARS: usize = 200;
/// Longest e-mail address that is stored, in characters; longer ones are not taken over.
pub(crate) const MAX_EMAIL_CHARS: usize = 320;

/// Whether a tenant may be worked in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TenantStatus {
    /// It may.
    Active,
    /// Not until somebody lifts the suspension.
    Suspended,
    /// Not any more.
    Archived,
}

impl TenantStatus {
    /// The stable word in rows and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Archived => "archived",
        }
    }
}

/// The text names no status of a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a tenant is active, suspended or archived")]
pub struct UnknownTenantStatus;

impl FromStr for TenantStatus {
    type Err = UnknownTenantStatus;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "active" => Ok(Self::Active),
            "suspended" => Ok(Self::Suspended),
            "archived" => Ok(Self::Archived),
            _ => Err(UnknownTenantStatus),
        }
    }
}

impl fmt::Display for TenantStatus {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A person as a member of one tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// The tenant.
    pub tenant: TenantId,
    /// Its organization at the identity provider.
    pub org: OrgId,
    /// The person.
    pub user: UserId,
    /// What they are there.
    pub role: Role,
    /// Grows with every change of the role.
    pub role_version: i32,
    /// The person's name.
    pub name: String,
    /// The person's e-mail address, in lower case.
    pub email: String,
    /// What the tenant is called.
    pub tenant_name: String,
    /// The tenant in addresses.
    pub tenant_slug: String,
    /// Whether the tenant may be worked in; never archived.
    pub tenant_status: TenantStatus,
    /// The tenant's IANA time zone.
    pub time_zone: String,
    /// The tenant's language tag.
    pub locale: String,
    /// The tenant's ISO 4217 currency.
    pub currency: String,
}

/// An organization that a person may sign in to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrganizationOfUser {
    /// Its id at the identity provider.
    pub org: OrgId,
    /// What it is called.
    pub name: String,
    /// It in addresses.
    pub slug: String,
    /// What the person is there.
    pub role: Role,
}

/// The membership of `subject` in `org`. None where there is none or the tenant is archived; a
/// suspended tenant is shown as such, for the caller to refuse.
pub async fn find_membership(
    db: &TenantDb,
    subject: &str,
    org: &OrgId,
) -> Result<Option<Membership>, StoreError> {
    let query = sqlx::query!(
        r#"SELECT tenant_id AS "tenant_id!", org_id AS "org_id!", user_id AS "user_id!",
                  role AS "role!", role_version AS "role_version!", user_name AS "user_name!",
                  user_email AS "user_email!", tenant_name AS "tenant_name!",
                  tenant_slug AS "tenant_slug!", tenant_status AS "tenant_status!",
                  time_zone AS "time_zone!", locale AS "locale!", currency AS "currency!"
           FROM resolve_membership($1, $2)"#,
        without_nul(subject),
        org.as_str(),
    );
    let row = within_deadline(query.fetch_optional(db.pool())).await?;
    row.map(|row| {
        Ok(Membership {
            tenant: TenantId::from_uuid(row.tenant_id),
            org: read_org(&row.org_id)?,
            user: UserId::from_uuid(row.user_id),
            role: read_role(&row.role)?,
            role_version: row.role_version,
            name: row.user_name,
            email: row.user_email,
            tenant_name: row.tenant_name,
            tenant_slug: row.tenant_slug,
            tenant_status: read_status(&row.tenant_status)?,
            time_zone: row.time_zone,
            locale: row.locale,
            currency: row.currency,
        })
    })
    .transpose()
}

/// A tenant as far as access to it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoundTenant {
    /// The tenant.
    pub tenant: TenantId,
    /// Whether it may be worked in; never archived.
    pub status: TenantStatus,
}

/// The tenant of an organization. None where there is none or it is archived; a suspended one is
/// shown as such, for the caller to refuse. Only for whom the identity provider vouches for in it.
pub async fn find_tenant(db: &TenantDb, org: &OrgId) -> Result<Option<FoundTenant>, StoreError> {
    let query = sqlx::query!(
        r#"SELECT tenant_id AS "tenant_id!", tenant_status AS "tenant_status!"
           FROM resolve_tenant($1)"#,
        org.as_str(),
    );
    let row = within_deadline(query.fetch_optional(db.pool())).await?;
    row.map(|row| {
        Ok(FoundTenant {
            tenant: TenantId::from_uuid(row.tenant_id),
            status: read_status(&row.tenant_status)?,
        })
    })
    .transpose()
}

/// The active organizations that `subject` is a member of, by name; 500 at most.
pub async fn list_organizations(
    db: &TenantDb,
    subject: &str,
) -> Result<Vec<OrganizationOfUser>, StoreError> {
    let query = sqlx::query!(
        r#"SELECT org_id AS "org_id!", name AS "name!", slug AS "slug!", role AS "role!"
           FROM list_organizations($1)"#,
        without_nul(subject),
    );
    let rows = within_deadline(query.fetch_all(db.pool())).await?;
    rows.into_iter()
        .map(|row| {
            Ok(OrganizationOfUser {
                org: read_org(&row.org_id)?,
                role: read_role(&row.role)?,
                name: row.name,
                slug: row.slug,
            })
        })
        .collect()
}

/// The tenant of an organization and whether it may be worked in. None where there is none or it is
/// archived.
pub async fn find_organization(
    db: &TenantDb,
    org: &OrgId,
) -> Result<Option<(TenantId, TenantStatus)>, StoreError> {
    let query = sqlx::query!(
        r#"SELECT tenant_id AS "tenant_id!", status AS "status!" FROM resolve_organization($1)"#,
        org.as_str(),
    );
    let row = within_deadline(query.fetch_optional(db.pool())).await?;
    row.map(|row| Ok((TenantId::from_uuid(row.tenant_id), read_status(&row.status)?))).transpose()
}

/// Takes over the name and address that the identity provider gives for a member who has just
/// signed in, and leaves an audit row. None where [`find_membership`] finds none.
pub async fn record_sign_in(
    db: &TenantDb,
    subject: &str,
    org: &OrgId,
    name: &str,
    email: &str,
) -> Result<Option<Membership>, StoreError> {
    let name: String = without_nul(name).trim().chars().take(MAX_NAME_CHARS).collect();
    let email = without_nul(email).trim().to_owned();
    let email = if email.chars().count() > MAX_EMAIL_CHARS { String::new() } else { email };
    let query = sqlx::query_scalar!(
        r#"SELECT record_sign_in AS "user_id!" FROM record_sign_in($1, $2, $3, $4, $5)"#,
        without_nul(subject),
        org.as_str(),
        name,
        email,
        Uuid::now_v7(),
    );
    let signed_in = within_deadline(query.fetch_optional(db.pool())).await?;
    match signed_in {
        Some(_) => find_membership(db, subject, org).await,
        None => Ok(None),
    }
}

/// Postgres text holds no NUL; a claim that does names nobody.
pub(crate) fn without_nul(text: &str) -> String {
    text.chars().filter(|c| *c != '\0').collect()
}

pub(crate) fn read_status(text: &str) -> Result<TenantStatus, StoreError> {
    text.parse().map_err(|_| StoreError::inconsistent("status of a tenant"))
}

pub(crate) fn read_role(text: &str) -> Result<Role, StoreError> {
    text.parse().map_err(|_| StoreError::inconsistent("role"))
}
