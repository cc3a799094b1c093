//! Data to look at and data to measure with, written in the owner's role.
//!
//! [`load_demo`] puts the employers of `demo/` into a database: 180 jobs that read as real ones.
//! [`generate_load`] makes any number of jobs over any number of tenants from one integer. Both
//! leave tenants that exist alone, so that a second run changes nothing and brings nothing back
//! that somebody has deleted. They write no events: whoever could have cached an answer about a
//! tenant cannot have done so before the tenant existed.
//!
//! The owner is under forced row level security like everybody else; rows are copied to a
//! temporary table and moved from there with the tenant set, never around the policies.
//!
//! ```
//! use employer_store::DatabaseSettings;
//! use employer_store::seed::{self, LoadPlan, SeedError};
//! use time::OffsetDateTime;
//!
//! async fn fill(owner: &DatabaseSettings, today: OffsetDateTime) -> Result<(), SeedError> {
//!     seed::load_demo(owner, today).await?;
//!     let plan = LoadPlan { jobs: 300_000, tenants: 500, zipf: true, seed: 1 };
//!     let report = seed::generate_load(owner, &plan, today, |_| {}).await?;
//!     assert!(report.jobs <= 300_000);
//!     Ok(())
//! }
//! ```

mod applicants;
mod applicants_rows;
mod copy_text;
mod data;
mod demo;
mod generator;
mod load;
mod people;
mod plan;
mod platform;
mod report;
mod rows;
mod stream;
mod writer;

pub use demo::load_demo;
pub use load::generate_load;
pub use plan::LoadPlan;
pub use platform::DEMO_PLATFORM_ORG;
pub use report::{
    DirectoryMembership, DirectoryOrganization, DirectoryPerson, SeedError, SeedProgress,
    SeedReport, SignInDirectory,
};

/// The people of the demo data and where they belong, as `dev-auth0 --directory` reads it.
pub const DEMO_DIRECTORY_JSON: &str = include_str!("../../demo/people.json");
