//! Key ids that the issuer was asked about and does not know.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How long an answer is remembered.
const REMEMBERED_FOR: Duration = Duration::from_mins(5);

/// Most that are remembered; the oldest is forgotten first.
const MAX_REMEMBERED: usize = 128;

/// Spares the issuer the same question: somebody who goes on sending a token of a key that is gone
/// must not use up the one attempt that there is for a key that is new.
#[derive(Debug, Default)]
pub(super) struct UnknownKeys(Mutex<VecDeque<(String, Instant)>>);

impl UnknownKeys {
    /// Whether this id is remembered.
    pub(super) fn contains(&self, key_id: &str) -> bool {
        let mut remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while remembered.front().is_some_and(|(_, at)| at.elapsed() >= REMEMBERED_FOR) {
            remembered.pop_front();
        }
        remembered.iter().any(|(known, _)| known == key_id)
    }

    /// Remembers an id that the issuer has just been asked about.
    pub(super) fn remember(&self, key_id: &str) {
        let mut remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= MAX_REMEMBERED {
            remembered.pop_front();
        }
        remembered.push_back((key_id.to_owned(), Instant::now()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn they_are_forgotten_after_a_while_and_are_never_many() {
        let unknown = UnknownKeys::default();
        for number in 0..=MAX_REMEMBERED {
            unknown.remember(&format!("k{number}"));
        }
        assert!(!unknown.contains("k0") && unknown.contains("k1") && unknown.contains("k128"));
        tokio::time::advance(REMEMBERED_FOR).await;
        assert!(!unknown.contains("k128"));
    }
}
