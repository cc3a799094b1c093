//! Invitations: a ticket makes the person with its e-mail address a member, once.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use tenancy::OrgId;
use time::OffsetDateTime;

use crate::expiring::Expiring;
use crate::pkce;

/// As long as an invitation may live at all; each has its own end before.
const LONGEST: Duration = Duration::from_hours(30 * 24);
const LIFETIME: Duration = Duration::from_hours(7 * 24);
const CAPACITY: usize = 10_000;

/// Who is invited where; the body of `POST /dev/invitations`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct InvitationRequest {
    pub(crate) organization: OrgId,
    pub(crate) email: String,
    pub(crate) role: String,
}

/// An open invitation.
#[derive(Clone, Debug)]
pub(crate) struct Invitation {
    pub(crate) id: String,
    pub(crate) ticket: String,
    pub(crate) organization: OrgId,
    pub(crate) inviter: String,
    pub(crate) email: String,
    /// Names of the roles that the person will have.
    pub(crate) roles: Vec<String>,
    pub(crate) created_at: OffsetDateTime,
    pub(crate) expires_at: OffsetDateTime,
}

impl Invitation {
    /// An invitation to `organization` that ends after `lifetime`.
    pub(crate) fn new(
        organization: OrgId,
        email: String,
        lifetime: Duration,
        now: OffsetDateTime,
    ) -> Self {
        Self {
            id: format!("uinv_{}", URL_SAFE_NO_PAD.encode(rand::random::<[u8; 12]>())),
            ticket: pkce::random_token(),
            organization,
            inviter: String::new(),
            email,
            roles: Vec::new(),
            created_at: now,
            expires_at: now + lifetime.min(LONGEST),
        }
    }

    /// The invitation that a test asked for.
    pub(crate) fn from_request(wanted: InvitationRequest, now: OffsetDateTime) -> Self {
        let invitation = Self::new(wanted.organization, wanted.email, LIFETIME, now);
        Self { roles: vec![wanted.role], ..invitation }
    }
}

/// The open invitations by ticket.
#[derive(Debug)]
pub(crate) struct Invitations(Expiring<Invitation>);

impl Invitations {
    /// No invitations yet.
    pub(crate) fn new() -> Self {
        Self(Expiring::new(LONGEST, CAPACITY))
    }

    /// Opens an invitation.
    pub(crate) fn add(&mut self, invitation: Invitation, now: OffsetDateTime) {
        self.0.insert(invitation.ticket.clone(), invitation, now);
    }

    /// An invitation that was not accepted yet.
    pub(crate) fn find(&self, ticket: &str, now: OffsetDateTime) -> Option<&Invitation> {
        self.0.get(ticket, now).filter(|invitation| now < invitation.expires_at)
    }

    /// The open invitations of an organization, oldest first.
    pub(crate) fn list(&self, org: &OrgId, now: OffsetDateTime) -> Vec<Invitation> {
        let mut open: Vec<Invitation> = self
            .0
            .iter(now)
            .map(|(_, invitation)| invitation)
            .filter(|invitation| invitation.organization == *org && now < invitation.expires_at)
            .cloned()
            .collect();
        open.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        open
    }

    /// Ends an invitation that was accepted or withdrawn.
    pub(crate) fn close(&mut self, ticket: &str, now: OffsetDateTime) {
        self.0.remove(ticket, now);
    }
}
