//! Files that no row names are deleted, and rows whose file is not there are told of.
//!
//! A résumé is stored before the row that names it, so that a crash or a lost answer can leave one
//! that nobody will ever ask for. What is younger than the grace may still get its row, and what is of
//! no tenant of this database may be somebody else's: neither is touched.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use employer_store::chores::{self, Turn};
use employer_store::files::{self as rows, FileKey};
use employer_store::{StoreError, WorkerDb, exports};
use futures_util::{StreamExt as _, stream};
use portal_api::files::{FileError, FileStore, Listed};
use portal_api::metrics::UpkeepFigures;
use serde::{Deserialize, Serialize};
use tenancy::{Clock, TenantId};
use time::OffsetDateTime;
use tokio::time::timeout;
use uuid::Uuid;

use crate::chore::Chore;

/// The name of the chore.
const FILES: &str = "stored_files";

/// How often an instance looks whether there is a turn to take.
const STEP: Duration = Duration::from_secs(300);

/// Longest time for a turn, and how long it stays with an instance that says nothing more.
const DEADLINE: Duration = Duration::from_secs(240);
const HOLD: Duration = Duration::from_secs(300);

/// Longest wait for one answer of the store.
const CALL: Duration = Duration::from_secs(30);

/// Pause after all files have been looked at.
const REST: Duration = Duration::from_secs(6 * 3_600);

/// Files looked at in one step, and steps of one turn.
const PAGE: usize = 1_000;
const PAGES: usize = 20;

/// Files deleted, or asked for, at the same time.
const AT_ONCE: usize = 8;

/// Most missing files of one step that are asked for by name.
const ASKED_FOR: usize = 100;

/// What is kept under one prefix, `prefix/<tenant>/…`, and the rows that name it.
#[async_trait]
pub(crate) trait Named: fmt::Debug + Send + Sync {
    /// What its keys begin with, before the first slash.
    fn prefix(&self) -> &'static str;

    /// Those of `keys` that a row names, or will.
    async fn named(&self, db: &WorkerDb, keys: &[FileKey]) -> Result<HashSet<String>, StoreError>;

    /// Files that rows of before `before` name and that must therefore be there, between two of them.
    /// Nothing where rows may outlive their files.
    async fn wanted(
        &self,
        _db: &WorkerDb,
        _between: (Option<&FileKey>, Option<&FileKey>),
        _before: OffsetDateTime,
        _limit: i64,
    ) -> Result<Vec<FileKey>, StoreError> {
        Ok(Vec::new())
    }
}

/// What people have sent along with their applications.
#[derive(Debug)]
pub(crate) struct Resumes;

#[async_trait]
impl Named for Resumes {
    fn prefix(&self) -> &'static str {
        "resumes"
    }

    async fn named(&self, db: &WorkerDb, keys: &[FileKey]) -> Result<HashSet<String>, StoreError> {
        rows::named(db, keys).await
    }

    async fn wanted(
        &self,
        db: &WorkerDb,
        (after, until): (Option<&FileKey>, Option<&FileKey>),
        before: OffsetDateTime,
        limit: i64,
    ) -> Result<Vec<FileKey>, StoreError> {
        rows::named_between(db, after, until, before, limit).await
    }
}

/// Figures that somebody asked for as a file. Its worker removes them with their rows; what is left here
/// is of a process that died in between. Rows outlive their files, so none is missed.
#[derive(Debug)]
pub(crate) struct Exports;

#[async_trait]
impl Named for Exports {
    fn prefix(&self) -> &'static str {
        "exports"
    }

    async fn named(&self, db: &WorkerDb, keys: &[FileKey]) -> Result<HashSet<String>, StoreError> {
        exports::queue::named(db, keys).await
    }
}

/// Why a turn ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SweepError {
    #[error("the file store does not answer")]
    Files(#[from] FileError),
    #[error("the database does not answer")]
    Rows(#[from] StoreError),
}

/// How far a round has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Position {
    prefix: String,
    /// The last file that was looked at.
    listed: Option<String>,
    /// The last of them whose key is one of ours, up to which rows were compared.
    compared: Option<String>,
}

/// Looks at all files, step by step.
#[derive(Debug)]
pub(crate) struct FileSweep {
    pub(crate) store: Arc<dyn FileStore>,
    pub(crate) db: WorkerDb,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) kinds: Vec<Box<dyn Named>>,
    /// How old a file must be to be deleted.
    pub(crate) grace: Duration,
    pub(crate) figures: UpkeepFigures,
}

impl Chore for FileSweep {
    const NAME: &'static str = "look at stored files";
    const EVERY: Duration = STEP;
    const DEADLINE: Duration = DEADLINE;

    type Failure = SweepError;

    async fn look(&self) -> Result<(), SweepError> {
        if let Some(turn) = chores::take_turn(&self.db, FILES, HOLD).await? {
            self.sweep(turn, PAGES).await?;
        }
        self.figures.set_search(chores::last_round(&self.db, FILES).await?);
        Ok(())
    }
}

impl FileSweep {
    /// Goes on with a round for so many pages.
    async fn sweep(&self, mut turn: Turn, pages: usize) -> Result<(), SweepError> {
        let now = self.clock.now();
        let mut position = self.position(&turn);
        for _ in 0..pages {
            let Some(kind) = self.kinds.iter().find(|kind| kind.prefix() == position.prefix) else {
                return Ok(turn.end_round(&self.db, REST).await?);
            };
            let (next, missing) = self.page(kind.as_ref(), &position, now).await?;
            position = next;
            let written = serde_json::to_string(&position).ok();
            if !turn.reach(&self.db, written, missing).await? {
                return Ok(());
            }
        }
        Ok(turn.put_down(&self.db).await?)
    }

    fn position(&self, turn: &Turn) -> Position {
        let written = turn.position().and_then(|text| serde_json::from_str(text).ok());
        written.unwrap_or_else(|| self.beginning(0))
    }

    /// The beginning of a kind; of none behind the last.
    fn beginning(&self, index: usize) -> Position {
        let prefix = self.kinds.get(index).map(|kind| kind.prefix().to_owned());
        Position { prefix: prefix.unwrap_or_default(), ..Position::default() }
    }

    /// Looks at the next page of a kind. Answers where that has come to, and how many files of rows
    /// were missing.
    async fn page(
        &self,
        kind: &dyn Named,
        position: &Position,
        now: OffsetDateTime,
    ) -> Result<(Position, u64), SweepError> {
        let before = now - self.grace;
        let listed = self.store.list(kind.prefix(), position.listed.as_deref(), PAGE);
        let listed = in_time(listed).await?;
        let is_last = listed.len() < PAGE;
        let keys = |files: &mut dyn Iterator<Item = &Listed>| -> Vec<FileKey> {
            files.filter_map(|file| ours(kind.prefix(), &file.key)).collect()
        };
        let all = keys(&mut listed.iter());
        let old = keys(&mut listed.iter().filter(|file| file.modified < before));
        self.delete_orphans(kind, old, listed.len() - all.len()).await?;
        let after = position.compared.as_deref().and_then(|key| ours(kind.prefix(), key));
        let until = if is_last { None } else { all.last() };
        let mut missing = 0;
        if is_last || until.is_some() {
            let limit = i64::try_from(2 * PAGE).unwrap_or(i64::MAX);
            let wanted = kind.wanted(&self.db, (after.as_ref(), until), before, limit).await?;
            missing = self.tell_missing(wanted, &listed).await?;
        }
        if is_last {
            let index = self.kinds.iter().position(|one| one.prefix() == kind.prefix());
            return Ok((
                self.beginning(index.map_or(self.kinds.len(), |index| index + 1)),
                missing,
            ));
        }
        let next = Position {
            prefix: position.prefix.clone(),
            listed: listed.last().map(|file| file.key.clone()),
            compared: until.map(|key| key.storage_key.clone()).or(position.compared.clone()),
        };
        Ok((next, missing))
    }

    async fn delete_orphans(
        &self,
        kind: &dyn Named,
        old: Vec<FileKey>,
        unknown: usize,
    ) -> Result<(), SweepError> {
        let count = old.len();
        let mut orphans = rows::of_known_tenants(&self.db, old).await?;
        let strangers = unknown + count - orphans.len();
        if strangers > 0 {
            tracing::warn!(
                files.count = strangers,
                files.prefix = kind.prefix(),
                "stored files belong to no organization of this database; they stay"
            );
        }
        let named = kind.named(&self.db, &orphans).await?;
        orphans.retain(|key| !named.contains(&key.storage_key));
        let mut deleted = stream::iter(orphans)
            .map(|key| async move { in_time(self.store.delete(&key.storage_key)).await })
            .buffer_unordered(AT_ONCE);
        let mut count = 0_u64;
        let mut failed = None;
        while let Some(outcome) = deleted.next().await {
            match outcome {
                Ok(()) => count += 1,
                Err(error) => failed = Some(error),
            }
        }
        self.figures.add_files(count);
        if count > 0 {
            tracing::info!(files.deleted = count, "deleted stored files that no row named");
        }
        failed.map_or(Ok(()), |error| Err(error.into()))
    }

    /// Tells of rows whose file was not listed, once each has been asked for by name.
    async fn tell_missing(
        &self,
        mut wanted: Vec<FileKey>,
        listed: &[Listed],
    ) -> Result<u64, SweepError> {
        let there: HashSet<&str> = listed.iter().map(|file| file.key.as_str()).collect();
        wanted.retain(|key| !there.contains(key.storage_key.as_str()));
        let unasked = wanted.len().saturating_sub(ASKED_FOR);
        wanted.truncate(ASKED_FOR);
        let mut asked = stream::iter(wanted)
            .map(|key| async move {
                let found = in_time(self.store.holds(&key.storage_key)).await;
                found.map(|is_there| (key, is_there))
            })
            .buffer_unordered(AT_ONCE);
        let mut missing = 0;
        while let Some(answer) = asked.next().await {
            let (key, is_there) = answer?;
            if !is_there {
                missing += 1;
                tracing::error!(
                    tenant.id = %key.tenant,
                    file.key = key.storage_key,
                    "a row names a file that is not in the store"
                );
            }
        }
        // Where so many are missing, the others are as well.
        Ok(missing + if missing == 0 { 0 } else { unasked as u64 })
    }
}

async fn in_time<T>(call: impl Future<Output = Result<T, FileError>>) -> Result<T, FileError> {
    let answer = timeout(CALL, call).await;
    answer.unwrap_or_else(|elapsed| Err(FileError::Unavailable(Box::new(elapsed))))
}

/// A key as we make them: `prefix/<tenant>/<name>`.
fn ours(prefix: &str, key: &str) -> Option<FileKey> {
    let (tenant, name) = key.strip_prefix(prefix)?.strip_prefix('/')?.split_once('/')?;
    let uuid = Uuid::try_parse(tenant).ok()?;
    let is_ours = uuid.simple().to_string() == tenant && !name.is_empty();
    is_ours.then(|| FileKey { tenant: TenantId::from_uuid(uuid), storage_key: key.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_we_make_are_ours() {
        let tenant = Uuid::from_u128(7);
        let whole = format!("resumes/{}/{}", tenant.simple(), Uuid::nil().simple());
        let known = ours("resumes", &whole).unwrap();
        assert_eq!((known.tenant.as_uuid(), known.storage_key.as_str()), (tenant, whole.as_str()));
        for other in [
            "resumes",
            "resumes/",
            "resumes/a/b",
            "other/00000000000000000000000000000007/b",
            "resumes/00000000000000000000000000000007",
            "resumes/00000000000000000000000000000007/",
            "resumes/00000000-0000-0000-0000-000000000007/b",
            "resumes/0000000000000000000000000000000A/b",
        ] {
            assert_eq!(ours("resumes", other), None, "{other}");
        }
    }
}
