//! The platform's own organization, whose members are its operators.

use sqlx::PgConnection;
use tenancy::Role;

use super::demo::person_id;
use super::report::{SeedError, SignInDirectory};
use super::rows::{self, MemberRow, PersonRow, TenantRow};
use super::writer;

/// Its organization at the identity provider, for `PLATFORM_ORG_ID`.
pub const DEMO_PLATFORM_ORG: &str = "org_platform0operator";

/// What its members are within it. Their power comes from where they belong, not from a role, and
/// there is nothing in this tenant to see.
const ROLE: Role = Role::Viewer;

/// Makes the organization and its members. It is no employer, so no report counts it.
pub(super) async fn insert_platform(
    connection: &mut PgConnection,
    directory: &SignInDirectory,
) -> Result<(), SeedError> {
    let unknown =
        || SeedError::Undefined { what: "an organization", name: DEMO_PLATFORM_ORG.to_owned() };
    let organization = directory.organizations.iter().find(|one| one.id == DEMO_PLATFORM_ORG);
    let organization = organization.ok_or_else(unknown)?;
    let operators = directory
        .people
        .iter()
        .filter(|person| person.memberships.iter().any(|one| one.org == DEMO_PLATFORM_ORG));
    let operators: Vec<PersonRow> = operators
        .map(|person| PersonRow {
            id: person_id(&person.subject),
            subject: person.subject.clone(),
            name: person.name.clone(),
            email: person.email.clone(),
        })
        .collect();
    let members: Vec<MemberRow> =
        operators.iter().map(|one| MemberRow { user: one.id, role: ROLE }).collect();
    let tenant = TenantRow {
        id: rows::id_of(&format!("tenant/{DEMO_PLATFORM_ORG}")),
        org_id: organization.id.clone(),
        slug: organization.name.clone(),
        name: organization.display_name.clone(),
        status: "active".to_owned(),
        time_zone: "Etc/UTC".to_owned(),
        locale: "en-US".to_owned(),
        currency: "USD".to_owned(),
        pay_range_required: false,
    };
    writer::insert_people(connection, &operators).await?;
    if writer::insert_tenant(connection, &tenant).await? {
        writer::insert_members(connection, tenant.id, &members).await?;
    }
    Ok(())
}
