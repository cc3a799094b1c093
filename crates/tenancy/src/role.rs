//! Roles of members, and the text they are stored and sent as.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The role of a member in one tenant. Ordered from least to most powerful.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads published work and counts; changes nothing.
    Viewer,
    /// Works on the jobs they are assigned to.
    HiringManager,
    /// Runs jobs and applications.
    Recruiter,
    /// Runs the tenant, up to other admins.
    Admin,
    /// Owns the tenant.
    Owner,
}

impl Role {
    /// Every role, least powerful first.
    pub const ALL: [Self; 5] =
        [Self::Viewer, Self::HiringManager, Self::Recruiter, Self::Admin, Self::Owner];

    /// The stable name in rows, tokens and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::HiringManager => "hiring_manager",
            Self::Recruiter => "recruiter",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }
}

/// The text names no role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a role is one of owner, admin, recruiter, hiring_manager, viewer")]
pub struct UnknownRole;

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or(UnknownRole)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}
