//! `/api/platform`: the platform's own people. They see which tenants there are, suspend and
//! resume them, and look at the portal as a member does, for a while and with a reason.
//!
//! Operators are the members of one organization, and their power is of another kind than a
//! member's: an [`Operator`] has no tenant's scope, and in a tenant they are read-only guests
//! whose every request stands in its trail.

mod caller;
mod guest;
pub(crate) mod impersonation;
pub(crate) mod tenants;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use employer_store::operator::OpsDb;
use tenancy::OrgId;

pub(crate) use caller::{Operator, OperatorCall};
pub(crate) use guest::principal_of;

use crate::error::{ApiError, ErrorCode};

/// The platform's organization, and what its members work with; off where there is none.
#[derive(Clone, Default)]
pub struct Operators(Option<Arc<Platform>>);

/// What operators work with.
#[derive(Debug)]
pub struct Platform {
    /// Whose members are operators.
    pub org: OrgId,
    /// The database in their role.
    pub db: OpsDb,
    /// How long one may look as a member.
    pub impersonation: Duration,
    /// Whether one may change something meanwhile.
    pub impersonation_may_write: bool,
}

impl Operators {
    /// The members of `platform`'s organization are operators.
    pub fn of(platform: Platform) -> Self {
        Self(Some(Arc::new(platform)))
    }

    /// The platform, where `org` is its organization.
    pub(crate) fn platform_of(&self, org: &OrgId) -> Option<&Arc<Platform>> {
        self.0.as_ref().filter(|platform| platform.org == *org)
    }
}

impl fmt::Debug for Operators {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Operators").field(&self.0.as_ref().map(|it| &it.org)).finish()
    }
}

/// Shortest and longest reason, in characters.
const REASON_CHARS: std::ops::RangeInclusive<usize> = 10..=500;

/// A reason, as it goes into the trail.
fn reason_of(text: &str) -> Result<String, &'static str> {
    let text = text.trim();
    let is_plain = !crate::extract::has_control_characters(text, false);
    if REASON_CHARS.contains(&text.chars().count()) && is_plain {
        Ok(text.to_owned())
    } else {
        Err("10 to 500 characters, without control characters")
    }
}

fn refused_body(pointer: &'static str, code: &'static str, rule: &'static str) -> ApiError {
    ApiError::new(ErrorCode::ValidationFailed, "One field of the body is not valid.")
        .with_field(pointer, code, rule)
}
