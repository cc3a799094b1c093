//! What a run did, and who can sign in afterwards.

use serde::{Deserialize, Serialize};

use crate::error::StoreError;

/// Why data could not be made or written.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// The plan cannot be carried out.
    #[error("{0}")]
    Plan(&'static str),
    /// The data that is compiled in contradicts itself.
    #[error("the demo data names {what} that it does not define: {name}")]
    Undefined {
        /// The kind of thing.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// The data that is compiled in cannot be read.
    #[error("{file} cannot be read")]
    Data {
        /// The file of `demo/`.
        file: &'static str,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// The database did not take it.
    #[error("the data could not be stored")]
    Store(#[source] StoreError),
}

impl From<StoreError> for SeedError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<sqlx::Error> for SeedError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// How far a run has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SeedProgress {
    /// Tenants that are done with, those that existed before included.
    pub tenants: usize,
    /// Their jobs.
    pub jobs: u64,
}

/// What a run wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeedReport {
    /// Tenants made.
    pub tenants: u64,
    /// Tenants that existed before and were left alone, with everything in them.
    pub tenants_left_alone: u64,
    /// People made.
    pub people: u64,
    /// Memberships made.
    pub memberships: u64,
    /// Jobs made.
    pub jobs: u64,
    /// Places of those jobs.
    pub locations: u64,
    /// Skills of those jobs.
    pub skills: u64,
    /// Assignments of people to those jobs.
    pub team: u64,
    /// Applications made.
    pub applications: u64,
    /// Everybody who can sign in, made just now or before; the largest tenant's people first.
    pub directory: SignInDirectory,
}

impl SeedReport {
    /// The organization with the most jobs and the people in it, to be printed.
    pub fn largest(&self) -> Option<(&DirectoryOrganization, Vec<&DirectoryPerson>)> {
        let organization = self.directory.organizations.first()?;
        let belongs = |person: &&DirectoryPerson| {
            person.memberships.iter().any(|membership| membership.org == organization.id)
        };
        Some((organization, self.directory.people.iter().filter(belongs).collect()))
    }
}

/// Organizations and people in the form that `dev-auth0 --directory` reads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignInDirectory {
    /// The organizations.
    pub organizations: Vec<DirectoryOrganization>,
    /// The people.
    pub people: Vec<DirectoryPerson>,
}

/// An organization as the identity provider knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectoryOrganization {
    /// `org_…`
    pub id: String,
    /// The tenant's slug.
    pub name: String,
    /// The tenant's name.
    pub display_name: String,
}

/// A person as the identity provider knows them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectoryPerson {
    /// `auth0|…`
    pub subject: String,
    /// Their name.
    pub name: String,
    /// Their address, in a domain that belongs to nobody.
    pub email: String,
    /// Where they belong.
    pub memberships: Vec<DirectoryMembership>,
}

/// Where a person belongs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectoryMembership {
    /// The organization's id.
    pub org: String,
    /// The role, as [`tenancy::Role`] writes it.
    pub role: String,
}
