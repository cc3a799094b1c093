//! Invitations: a ticket makes the person with its e-mail address a member, once.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tenancy::OrgId;
use time::OffsetDateTime;

use crate::expiring::Expiring;
use crate::pkce;

const LIFETIME: Duration = Duration::from_hours(7 * 24);
const CAPACITY: usize = 10_000;

/// Who is invited where; the body of `POST /dev/invitations`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Invitation {
    pub(crate) organization: OrgId,
    pub(crate) email: String,
    pub(crate) role: String,
}

/// The open invitations by ticket.
#[derive(Debug)]
pub(crate) struct Invitations(Expiring<Invitation>);

impl Invitations {
    /// No invitations yet.
    pub(crate) fn new() -> Self {
        Self(Expiring::new(LIFETIME, CAPACITY))
    }

    /// Makes a ticket.
    pub(crate) fn create(&mut self, invitation: Invitation, now: OffsetDateTime) -> String {
        let ticket = pkce::random_token();
        self.0.insert(ticket.clone(), invitation, now);
        ticket
    }

    /// An invitation that was not accepted yet.
    pub(crate) fn find(&self, ticket: &str, now: OffsetDateTime) -> Option<&Invitation> {
        self.0.get(ticket, now)
    }

    /// Ends an invitation that was accepted.
    pub(crate) fn close(&mut self, ticket: &str, now: OffsetDateTime) {
        self.0.remove(ticket, now);
    }
}
