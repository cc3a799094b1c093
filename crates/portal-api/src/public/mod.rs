//! What everybody may do without signing in: apply for a published job, and look at one.
//!
//! There is no session here and no cookie is read, so a page of any origin may send an application
//! and read what becomes of it. Nothing here reaches tables with people in them: applications go in
//! through one function of the database, in a role that has no other right.

pub(crate) mod apply;
mod digest;
mod form;
mod limits;
mod lookup;
mod multipart;
mod upload;
pub(crate) mod view;
mod views;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, HeaderName, HeaderValue};
use employer_store::public_board::PublicDb;
use tokio::sync::Semaphore;

pub use views::{ViewBatch, ViewCounts};

use self::lookup::JobLookup;
use crate::error::ApiError;
use crate::files::{FileStore, Files};
use crate::state::{Phase, PortalState};

/// Applications that wait for their turn at one instance; more are sent away.
const MAX_WAITING: usize = 200;

/// Bounds of what the public sends.
#[derive(Clone, Copy, Debug)]
pub struct BoardSettings {
    /// Largest résumé in bytes.
    pub resume_max_bytes: u64,
    /// How long an application may take to arrive.
    pub upload_timeout: Duration,
    /// Longest wait for a turn where a board takes more applications than it should.
    pub queue_timeout: Duration,
}

/// What the public's routes work with.
pub struct PublicBoard {
    pub(crate) db: PublicDb,
    pub(crate) files: Files,
    pub(crate) settings: BoardSettings,
    views: ViewCounts,
    lookup: JobLookup,
    waiting: Semaphore,
}

impl PublicBoard {
    /// Over these; nobody has come yet. To be called on the runtime that ends last: it deletes the
    /// files that nobody claims.
    pub fn new(
        db: PublicDb,
        files: Arc<dyn FileStore>,
        views: ViewCounts,
        settings: BoardSettings,
    ) -> Self {
        Self {
            db,
            files: Files::new(files),
            settings,
            views,
            lookup: JobLookup::default(),
            waiting: Semaphore::new(MAX_WAITING),
        }
    }

    /// Waits for files that are being put in order; part of the shutdown.
    pub async fn drain(&self) {
        self.files.drain().await;
    }
}

impl fmt::Debug for PublicBoard {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("PublicBoard")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// Refuses until the database role and the tables have been checked.
fn refuse_while_starting(state: &PortalState) -> Result<(), ApiError> {
    if state.lifecycle.phase() == Phase::Starting {
        return Err(ApiError::unavailable("the database has not been checked yet"));
    }
    Ok(())
}

/// Lets pages of every origin read the answer: it says nothing that depends on who asks.
fn for_everybody(mut response: HttpResponse) -> HttpResponse {
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    let policy = HeaderName::from_static("cross-origin-resource-policy");
    headers.insert(policy, HeaderValue::from_static("cross-origin"));
    headers.insert(actix_web::http::header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
