//! A person's place in their organization: from a copy, or from the row that decides.

use std::sync::Arc;

use employer_store::identity::{self, Membership, TenantStatus as StoredStatus};
use employer_store::sessions::database_time;
use session_store::{
    AccessChange, OrganizationData, SessionRecord, StoreUnavailable, TenantStatus,
};

use crate::error::{ApiError, ErrorCode};
use crate::state::PortalState;

/// The organization data of a session; `None` where the person is no member any more.
///
/// A copy that cannot be read or believed is looked up like one that is not there: the row is the
/// truth, so this fails neither open nor wrong, and costs two queries.
pub(super) async fn organization_data(
    state: &PortalState,
    session: &SessionRecord,
) -> Result<Option<OrganizationData>, ApiError> {
    let SessionRecord { user, tenant, org, subject, .. } = session;
    let copies = &state.access;
    if let Ok(data) = copies.organization(*user, *tenant, org).await {
        return Ok(Some(OrganizationData::clone(&data)));
    }
    let _turn = copies.turn().await?;
    // Others of the same person may have waited as well.
    if let Some(data) = copies.held_organization(*user, *tenant, org) {
        return Ok(Some(OrganizationData::clone(&data)));
    }
    let question = copies.question();
    // Before the look-up: the answer knows at least of what was committed until then.
    let at = database_time(&state.db).await?;
    let found = identity::find_membership(&state.db, subject, org).await?;
    let Some(membership) = found.filter(|membership| is_of(membership, session)) else {
        return Ok(None);
    };
    let data = Arc::new(data_of(&membership));
    copies.keep_organization(question, (*user, *tenant, org), &data, at).await;
    Ok(Some(OrganizationData::clone(&data)))
}

/// Brings the copies into line with a membership that was read at a sign-in, in case that somebody
/// changed it behind the portal's back.
pub(super) async fn refresh_snapshot(state: &PortalState, membership: &Membership) {
    let Membership { user, tenant, org, .. } = membership;
    let kept = state.access.organization(*user, *tenant, org).await;
    if kept.is_ok_and(|kept| *kept != data_of(membership)) {
        let change = AccessChange {
            tenant: *tenant,
            org: org.clone(),
            user: Some(*user),
            members: vec![*user],
            ended: Vec::new(),
        };
        if let Err(error) = state.access.apply(&change).await {
            tracing::warn!(%error, "outdated organization data could not be dropped");
        }
    }
}

impl From<StoreUnavailable> for ApiError {
    fn from(error: StoreUnavailable) -> Self {
        Self::unavailable(error)
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
