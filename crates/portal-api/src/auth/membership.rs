//! A person's place in their organization: from the snapshot, or from the row that decides.

use employer_store::identity::{self, Membership, TenantStatus as StoredStatus};
use session_store::{OrganizationData, SessionRecord, TenantStatus};

use crate::error::{ApiError, ErrorCode};
use crate::state::PortalState;

/// The organization data of a session; `None` where the person is no member any more.
///
/// A snapshot that cannot be read is looked up like one that is not there: the row is the truth,
/// so this fails neither open nor wrong, and costs one query.
pub(super) async fn organization_data(
    state: &PortalState,
    session: &SessionRecord,
) -> Result<Option<OrganizationData>, ApiError> {
    match state.snapshots.find(session.user, &session.org).await {
        Ok(Some(data)) => return Ok(Some(data)),
        Ok(None) => {}
        Err(error) => tracing::warn!(%error, "an organization snapshot could not be read"),
    }
    let found = identity::find_membership(&state.db, &session.subject, &session.org).await?;
    let Some(membership) = found.filter(|membership| is_of(membership, session)) else {
        return Ok(None);
    };
    let data = data_of(&membership);
    // A suspension is looked up each time: it is rare, and its end should be noticed at once.
    if data.tenant_status == TenantStatus::Active {
        remember(state, session, &data).await;
    }
    Ok(Some(data))
}

/// Brings the snapshot into line with a membership that was read at a sign-in.
pub(super) async fn refresh_snapshot(
    state: &PortalState,
    session: &SessionRecord,
    membership: &Membership,
) {
    let data = data_of(membership);
    match state.snapshots.find(session.user, &session.org).await {
        Ok(Some(kept)) if kept == data => {}
        Ok(Some(_)) => {
            if let Err(error) = state.snapshots.drop(session.user, &session.org).await {
                tracing::warn!(%error, "an outdated organization snapshot could not be dropped");
            }
        }
        Ok(None) => remember(state, session, &data).await,
        Err(error) => tracing::warn!(%error, "an organization snapshot could not be read"),
    }
}

/// Refuses whoever may not work in their organization.
pub(super) fn refuse_suspended(status: TenantStatus) -> Result<(), ApiError> {
    match status {
        TenantStatus::Active => Ok(()),
        TenantStatus::Suspended => {
            Err(ApiError::new(ErrorCode::Forbidden, "The organization is suspended."))
        }
    }
}

/// The part of a membership that requests need.
pub(super) fn data_of(membership: &Membership) -> OrganizationData {
    OrganizationData {
        role: membership.role,
        role_version: membership.role_version,
        tenant_name: membership.tenant_name.clone(),
        tenant_slug: membership.tenant_slug.clone(),
        tenant_status: match membership.tenant_status {
            StoredStatus::Active => TenantStatus::Active,
            // An archived tenant has no memberships to find; if it had, nobody could work in it.
            StoredStatus::Suspended | StoredStatus::Archived => TenantStatus::Suspended,
        },
        time_zone: membership.time_zone.clone(),
        locale: membership.locale.clone(),
        currency: membership.currency.clone(),
    }
}

async fn remember(state: &PortalState, session: &SessionRecord, data: &OrganizationData) {
    if let Err(error) = state.snapshots.put(session.user, &session.org, data).await {
        tracing::warn!(%error, "an organization snapshot could not be kept");
    }
}

/// Whether the row is about the same person and tenant as the session: an organization id that
/// was given to another tenant, or a subject to another person, must not inherit sessions.
fn is_of(membership: &Membership, session: &SessionRecord) -> bool {
    membership.tenant == session.tenant && membership.user == session.user
}

#[cfg(test)]
mod tests {
    use tenancy::{Role, TenantId, UserId};
    use uuid::Uuid;

    use super::super::test_session::record;
    use super::*;

    fn membership() -> Membership {
        let session = record();
        Membership {
            tenant: session.tenant,
            org: session.org,
            user: session.user,
            role: Role::Recruiter,
            role_version: 2,
            name: session.name,
            email: session.email,
            tenant_name: "Northwind Clinics".to_owned(),
            tenant_slug: "northwind".to_owned(),
            tenant_status: StoredStatus::Active,
            time_zone: "Europe/Berlin".to_owned(),
            locale: "de-DE".to_owned(),
            currency: "EUR".to_owned(),
        }
    }

    #[test]
    fn a_session_belongs_to_one_person_in_one_tenant() {
        assert!(is_of(&membership(), &record()));
        let tenant = TenantId::from_uuid(Uuid::from_u128(99));
        assert!(!is_of(&Membership { tenant, ..membership() }, &record()));
        let user = UserId::from_uuid(Uuid::from_u128(99));
        assert!(!is_of(&Membership { user, ..membership() }, &record()));
    }

    #[test]
    fn only_active_organizations_are_worked_in() {
        for (status, is_accepted) in [
            (StoredStatus::Active, true),
            (StoredStatus::Suspended, false),
            (StoredStatus::Archived, false),
        ] {
            let data = data_of(&Membership { tenant_status: status, ..membership() });
            assert_eq!(refuse_suspended(data.tenant_status).is_ok(), is_accepted, "{status}");
        }
    }
}
