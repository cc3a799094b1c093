//! One attempt at a file: read from one moment of the database, part by part into the file store.

use std::time::Duration;

use employer_store::analytics::Export;
use employer_store::exports::queue::Claimed;
use employer_store::exports::{FailedFor, Made, allow_time};
use employer_store::jobs::find_job;
use employer_store::{StoreError, TenantDb, team};
use tenancy::{JobView, Permission, TenantScope};

use crate::analytics::csv::Parts;
use crate::files::{FileError, Files, Unclaimed};

/// Longest time for a statement: nobody waits for an answer, and years of figures are sorted before
/// the first of them is there.
const STATEMENT: Duration = Duration::from_secs(60);

/// Why an attempt made no file.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unmade {
    #[error("the database did not give the figures")]
    Store(#[from] StoreError),
    #[error("the file could not be kept")]
    Files(#[from] FileError),
    #[error("it took too long")]
    TooLong,
    /// Another attempt would end the same way.
    #[error("it cannot be made: {}", .0.as_str())]
    Never(FailedFor),
}

/// Makes the file of an attempt, no larger than `most`. Dropped before its end nothing is kept.
pub(super) async fn make(
    db: &TenantDb,
    files: &Files,
    (scope, claimed): (&TenantScope, &Claimed),
    most: u64,
) -> Result<(Unclaimed, Made), Unmade> {
    let mut tx = db.begin_snapshot(scope).await?;
    let asker = team::find_member(&mut tx, claimed.asker).await?;
    let grant = asker.map(|member| member.role.grant(Permission::AnalyticsExport));
    let view = grant.and_then(|grant| JobView::from_grant(grant, Some(claimed.asker)));
    let view = view.ok_or(Unmade::Never(FailedFor::NotAllowed))?;
    if let Some(job) = claimed.wanted.job
        && find_job(&mut tx, view, job).await?.is_none()
    {
        return Err(Unmade::Never(FailedFor::JobGone));
    }
    allow_time(&mut tx, STATEMENT).await?;
    let question = claimed.wanted.question(view);
    let mut parts = Parts::of(Export::begin(tx, &question, claimed.wanted.grain).await?);
    let mut arriving = files.begin(claimed.id.as_uuid(), &claimed.storage_key()).await?;
    let mut bytes = 0_u64;
    while let Some(part) = parts.next().await? {
        bytes = bytes.saturating_add(part.len() as u64);
        if bytes > most {
            return Err(Unmade::Never(FailedFor::TooLarge));
        }
        arriving.write(part).await?;
    }
    let made = Made {
        bytes: i64::try_from(bytes).unwrap_or(i64::MAX),
        lines: i64::try_from(parts.lines()).unwrap_or(i64::MAX),
        as_of: parts.export().as_of(),
    };
    // The store may take its time with the end; the database is not kept waiting for it.
    drop(parts);
    Ok((arriving.finish().await?, made))
}
