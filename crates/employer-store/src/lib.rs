//! Postgres under row level security: the only crate that knows SQL.
//!
//! Used by the API, the event relay and the portal's own commands. It hands out no pool and no
//! connection: [`TenantDb::begin`] opens a transaction of one tenant, and the functions of
//! [`jobs`], [`sessions`], [`idempotency`] and [`audit`] work in it. What is asked before a tenant is known goes
//! through [`identity`]; what workers do over all tenants goes through [`WorkerDb`], and what
//! platform operators do through [`operator`].
//!
//! Invariants:
//! - Two walls stand between tenants, and each holds alone: every statement carries the tenant as
//!   a predicate, and every table has row level security, forced, for a role that neither owns
//!   the table nor may bypass it. [`TenantDb::verify`] refuses to start otherwise.
//! - A change and the event that tells of it are committed together or not at all.
//! - Stored instants are the database's, so that instances agree on them.
//!
//! ```
//! use employer_store::jobs::{self, JobFilter, JobPage, JobQuery, JobSort, JobStatus};
//! use employer_store::{StoreError, TenantDb};
//! use tenancy::{JobView, TenantScope};
//!
//! async fn newest_drafts(db: &TenantDb, scope: &TenantScope) -> Result<JobPage, StoreError> {
//!     let query = JobQuery {
//!         view: JobView::All,
//!         filter: JobFilter { statuses: vec![JobStatus::Draft], ..JobFilter::default() },
//!         sort: JobSort::Newest,
//!         after: None,
//!         skip: 0,
//!         limit: 20,
//!     };
//!     jobs::list_jobs(&mut db.begin_read(scope).await?, &query).await
//! }
//! ```

pub mod analytics;
pub mod api_keys;
pub mod applications;
pub mod audit;
pub mod chores;
mod database;
mod error;
pub mod exports;
pub mod feed;
pub mod files;
pub mod idempotency;
pub mod identity;
pub mod invitations;
pub mod jobs;
pub mod migrate;
pub mod operator;
mod outage;
pub mod outbox;
pub mod preferences;
pub mod provider_messages;
pub mod public_board;
pub mod seed;
pub mod sessions;
pub mod streams;
pub mod team;
mod tenant_db;
#[cfg(feature = "testing")]
pub mod testing;
mod verify;
pub mod webhooks;
mod words;
mod worker_db;

pub use database::{DatabaseSettings, PoolFigures, PoolWatch, check_address};
pub use error::StoreError;
pub use outbox::OutboxEvent;
pub use tenant_db::{TenantDb, TenantTx};
pub use worker_db::WorkerDb;
