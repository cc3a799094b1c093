//! Members and invitations as answers show them.

use employer_store::invitations::Invitation;
use employer_store::team::Member;
use serde::Serialize;
use tenancy::{Role, UserId};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

/// A member of the tenant.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MemberView {
    /// The person.
    #[schema(value_type = Uuid)]
    user: UserId,
    /// Their name.
    name: String,
    /// Their e-mail address.
    email: String,
    /// What they are.
    #[schema(value_type = String, example = "recruiter")]
    role: Role,
    /// Grows with every change of the role.
    role_version: i32,
    /// Since when they are a member.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    joined_at: OffsetDateTime,
}

impl From<Member> for MemberView {
    fn from(member: Member) -> Self {
        Self {
            user: member.user,
            name: member.name,
            email: member.email,
            role: member.role,
            role_version: member.role_version,
            joined_at: member.joined_at,
        }
    }
}

/// A page of members.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MembersPage {
    /// In the order in which they came to the portal.
    pub(super) data: Vec<MemberView>,
    /// Where the list goes on.
    pub(super) page: PageView,
}

/// Where a list goes on.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PageView {
    /// Send it back as `cursor`; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_cursor: Option<String>,
    /// Whether there is more.
    pub(super) has_more: bool,
}

/// An open invitation.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct InvitationView {
    /// The invitation.
    id: Uuid,
    /// Whom it is for.
    email: String,
    /// What they will be.
    #[schema(value_type = String, example = "recruiter")]
    role: Role,
    /// Who invited.
    #[schema(value_type = Uuid)]
    invited_by: UserId,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    created_at: OffsetDateTime,
    /// Until when it can be accepted.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    expires_at: OffsetDateTime,
}

impl From<Invitation> for InvitationView {
    fn from(invitation: Invitation) -> Self {
        Self {
            id: invitation.id,
            email: invitation.email,
            role: invitation.role,
            invited_by: invitation.invited_by,
            created_at: invitation.created_at,
            expires_at: invitation.expires_at,
        }
    }
}

/// All open invitations.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct InvitationsView {
    /// Newest first.
    pub(super) data: Vec<InvitationView>,
}
