//! Which job a view is of, remembered for a moment.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use employer_store::StoreError;
use employer_store::public_board::PublicDb;
use tenancy::{JobId, TenantId};
use tokio::time::Instant;

/// How long an answer is believed. A view of a job that has just closed may still count.
const KEPT: Duration = Duration::from_secs(10);
/// Most answers that are kept.
const MAX_KEPT: usize = 10_000;

type Answer = Option<(TenantId, JobId)>;

/// What the last askers were told.
#[derive(Debug, Default)]
pub(super) struct JobLookup(Mutex<HashMap<(String, String), (Instant, Answer)>>);

impl JobLookup {
    /// The published job with this name on the board with that one.
    pub(super) async fn find(
        &self,
        db: &PublicDb,
        board: &str,
        job: &str,
    ) -> Result<Answer, StoreError> {
        let key = (board.to_owned(), job.to_owned());
        let now = Instant::now();
        if let Some(answer) = self.kept(&key, now) {
            return Ok(answer);
        }
        let answer = match db.find_board(board).await? {
            Some(board) => db.find_job(&board, job).await?.map(|job| (board.tenant, job.id)),
            None => None,
        };
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MAX_KEPT {
            kept.retain(|_, (at, _)| now.duration_since(*at) < KEPT);
        }
        if kept.len() < MAX_KEPT {
            kept.insert(key, (now, answer));
        }
        Ok(answer)
    }

    fn kept(&self, key: &(String, String), now: Instant) -> Option<Answer> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, answer) = kept.get(key)?;
        (now.duration_since(*at) < KEPT).then_some(*answer)
    }
}
