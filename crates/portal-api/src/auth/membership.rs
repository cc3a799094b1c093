//! A person's place in their organization: from a copy, or from the row that decides.

use std::sync::Arc;

use employer_store::identity::{self, Membership, TenantStatus as StoredStatus};
use employer_store::sessions::database_time;
use session_store::{
    AccessChange, OrganizationData, SessionRecord, StoreUnavailable, TenantStatus,
};
use tenancy::{OrgId, TenantId, UserId};

use crate::error::{ApiError, ErrorCode};
use crate::state::PortalState;

/// A person in an organization, by our own ids and by the identity provider's name for them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member<'a> {
    pub(super) user: UserId,
    pub(super) tenant: TenantId,
    pub(super) org: &'a OrgId,
    pub(super) subject: &'a str,
}

impl<'a> Member<'a> {
    /// Whose session it is.
    pub(super) fn of_session(session: &'a SessionRecord) -> Self {
        let SessionRecord { user, tenant, org, subject, .. } = session;
        Self { user: *user, tenant: *tenant, org, subject }
    }
}

/// The organization data of a person; `None` where they are no member any more.
///
/// A copy that cannot be read or believed is looked up like one that is not there: the row is the
/// truth, so this fails neither open nor wrong, and costs two queries.
pub(super) async fn organization_data(
    state: &PortalState,
    member: Member<'_>,
) -> Result<Option<Arc<OrganizationData>>, ApiError> {
    let Member { user, tenant, org, subject } = member;
    let copies = &state.access;
    if let Ok(data) = copies.organization(user, tenant, org).await {
        return Ok(Some(data));
    }
    let _turn = copies.turn().await?;
    // Others of the same person may have waited as well.
    if let Some(data) = copies.held_organization(user, tenant, org) {
        return Ok(Some(data));
    }
    let found = read_membership(state, subject, org).await?;
    Ok(found.filter(|(membership, _)| is_of(membership, member)).map(|(_, data)| data))
}

/// Who `subject` is in `org`, by the row, which is then copied.
pub(super) async fn read_membership(
    state: &PortalState,
    subject: &str,
    org: &OrgId,
) -> Result<Option<(Membership, Arc<OrganizationData>)>, ApiError> {
    let copies = &state.access;
    let question = copies.question();
    // Before the look-up: the answer knows at least of what was committed until then.
    let at = database_time(&state.db).await?;
    let found = identity::find_membership(&state.db, subject, org).await?;
    let Some(membership) = found else { return Ok(None) };
    let data = Arc::new(data_of(&membership));
    let whose = (membership.user, membership.tenant, org);
    copies.keep_organization(question, whose, &data, at).await;
    Ok(Some((membership, data)))
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
        tenant_status: status_of(membership.tenant_status),
        time_zone: membership.time_zone.clone(),
        locale: membership.locale.clone(),
        currency: membership.currency.clone(),
    }
}

/// Whether a tenant may be worked in. An archived one is never found; if it were, nobody could.
pub(super) const fn status_of(stored: StoredStatus) -> TenantStatus {
    match stored {
        StoredStatus::Active => TenantStatus::Active,
        StoredStatus::Suspended | StoredStatus::Archived => TenantStatus::Suspended,
    }
}

/// Whether the row is about the same person and tenant as the session: an organization id that
/// was given to another tenant, or a subject to another person, must not inherit sessions.
fn is_of(membership: &Membership, member: Member<'_>) -> bool {
    membership.tenant == member.tenant && membership.user == member.user
}

#[cfg(test)]
mod tests {
    use tenancy::Role;
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
        assert!(is_of(&membership(), Member::of_session(&record())));
        let tenant = TenantId::from_uuid(Uuid::from_u128(99));
        assert!(!is_of(&Membership { tenant, ..membership() }, Member::of_session(&record())));
        let user = UserId::from_uuid(Uuid::from_u128(99));
        assert!(!is_of(&Membership { user, ..membership() }, Member::of_session(&record())));
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
