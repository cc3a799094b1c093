//! Lists of applications, a page at a time.

use serde::{Deserialize, Serialize};
use tenancy::{ApplicationId, JobId, JobView};
use time::OffsetDateTime;
use uuid::Uuid;

use super::model::{Applicant, ApplicationSummary, JobName};
use super::vocabulary::{ApplicationSort, ApplicationStatus, StageKind};
use crate::error::StoreError;
use crate::jobs::word;
use crate::tenant_db::TenantTx;

/// Which applications are wanted. Values of one field are alternatives, fields narrow each other;
/// an empty field does not narrow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApplicationFilter {
    /// For this job.
    pub job: Option<JobId>,
    /// In any of these stages.
    pub stages: Vec<StageKind>,
    /// In any of these states.
    pub statuses: Vec<ApplicationStatus>,
    /// From any of these sources.
    pub sources: Vec<String>,
    /// Submitted first at or after this instant.
    pub submitted_after: Option<OffsetDateTime>,
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct ApplicationQuery {
    /// Whose jobs' applications.
    pub view: JobView,
    /// Which of them are wanted.
    pub filter: ApplicationFilter,
    /// In which order.
    pub sort: ApplicationSort,
    /// Where the previous page ended; of the same filter and order.
    pub after: Option<ApplicationCursor>,
    /// How many to pass over.
    pub skip: u32,
    /// How many a page has at most.
    pub limit: u16,
}

/// Where a page ended. It is not a secret and not a proof: whoever hands it to clients signs it
/// together with the list that it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApplicationCursor {
    /// When the last one was submitted, in microseconds since 1970.
    pub at: i64,
    /// The last one.
    pub id: ApplicationId,
}

/// A page, and where the next one begins.
#[derive(Clone, Debug, PartialEq)]
pub struct ApplicationPage {
    /// The applications, in the order asked for.
    pub applications: Vec<ApplicationSummary>,
    /// Where the next page begins; absent on the last one.
    pub next: Option<ApplicationCursor>,
}

#[derive(Debug)]
struct ListRow {
    id: Uuid,
    job_id: Uuid,
    title: String,
    candidate_id: Uuid,
    name: String,
    email_norm: String,
    phone: Option<String>,
    locale: Option<String>,
    stage: String,
    status: String,
    reject_reason: Option<String>,
    source: Option<String>,
    submissions: i32,
    files: i64,
    submitted_at: OffsetDateTime,
    resubmitted_at: Option<OffsetDateTime>,
    stage_since: OffsetDateTime,
    updated_at: OffsetDateTime,
    version: i32,
}

/// The filter in the shape that statements take. Every predicate has the form `$n IS NULL OR ..`
/// and vanishes where the value is absent: connections plan each statement for the values at hand.
struct Predicate {
    tenant: Uuid,
    assigned: Option<Uuid>,
    job: Option<Uuid>,
    /// One value alone keeps the order of an index; a list of values does not.
    stage: Option<&'static str>,
    stages: Option<Vec<String>>,
    status: Option<&'static str>,
    statuses: Option<Vec<String>>,
    sources: Option<Vec<String>>,
    submitted_after: Option<OffsetDateTime>,
}

impl Predicate {
    fn new(tenant: Uuid, view: JobView, filter: &ApplicationFilter) -> Self {
        let (stage, stages) =
            one_or_many(&filter.stages.iter().copied().map(StageKind::as_str).collect::<Vec<_>>());
        let (status, statuses) = one_or_many(
            &filter.statuses.iter().copied().map(ApplicationStatus::as_str).collect::<Vec<_>>(),
        );
        Self {
            tenant,
            assigned: match view {
                JobView::Assigned(user) => Some(user.as_uuid()),
                JobView::All | JobView::Published => None,
            },
            job: filter.job.map(JobId::as_uuid),
            stage,
            stages,
            status,
            statuses,
            sources: (!filter.sources.is_empty()).then(|| filter.sources.clone()),
            submitted_after: filter.submitted_after,
        }
    }
}

fn one_or_many(words: &[&'static str]) -> (Option<&'static str>, Option<Vec<String>>) {
    match words {
        [] => (None, None),
        [one] => (Some(*one), None),
        many => (None, Some(many.iter().map(|word| (*word).to_owned()).collect())),
    }
}

/// One statement an order: an index serves an order only where the order stands in the statement.
macro_rules! matching {
    ($row:ident, $predicate:ident, $before:literal, [$($behind:literal),*] $(, $value:expr)* $(,)?) => {
        sqlx::query_as!(
            $row,
            $before + "
FROM applications a
WHERE a.tenant_id = $1
  AND ($2::uuid IS NULL OR EXISTS (
      SELECT 1 FROM job_team m
      WHERE m.tenant_id = $1 AND m.job_id = a.job_id AND m.user_id = $2))
  AND ($3::uuid IS NULL OR a.job_id = $3)
  AND ($4::text IS NULL OR a.stage = $4)
  AND ($5::text[] IS NULL OR a.stage = ANY($5))
  AND ($6::text IS NULL OR a.status = $6)
  AND ($7::text[] IS NULL OR a.status = ANY($7))
  AND ($8::text[] IS NULL OR a.source = ANY($8))
  AND ($9::timestamptz IS NULL OR a.submitted_at >= $9)
" $(+ $behind)*,
            $predicate.tenant,
            $predicate.assigned as Option<Uuid>,
            $predicate.job as Option<Uuid>,
            $predicate.stage as Option<&str>,
            $predicate.stages.as_deref() as Option<&[String]>,
            $predicate.status as Option<&str>,
            $predicate.statuses.as_deref() as Option<&[String]>,
            $predicate.sources.as_deref() as Option<&[String]>,
            $predicate.submitted_after as Option<OffsetDateTime>,
            $($value,)*
        )
    };
}

macro_rules! page {
    ($tx:ident, $predicate:ident, $query:ident, after $after:literal, order by $order:literal) => {
        matching!(
            ListRow, $predicate,
            "WITH page AS (
SELECT a.id, a.submitted_at",
            ["  AND ", $after, "
ORDER BY ", $order, "
OFFSET $12 LIMIT $13
)
SELECT f.id, f.job_id, j.title, f.candidate_id, c.name, c.email_norm, c.phone, c.locale, f.stage,
       f.status, f.reject_reason, f.source, f.submissions,
       (SELECT count(*) FROM candidate_files k
        WHERE k.tenant_id = $1 AND k.application_id = f.id) AS \"files!\",
       f.submitted_at, f.resubmitted_at, f.stage_since, f.updated_at, f.version
FROM page a
JOIN applications f ON f.tenant_id = $1 AND f.id = a.id
JOIN jobs j ON j.tenant_id = $1 AND j.id = f.job_id
JOIN candidates c ON c.tenant_id = $1 AND c.id = f.candidate_id
ORDER BY ", $order],
            instant($query.after)? as Option<OffsetDateTime>,
            $query.after.map(|cursor| cursor.id.as_uuid()) as Option<Uuid>,
            i64::from($query.skip),
            i64::from($query.limit) + 1,
        )
        .fetch_all($tx.connection())
        .await?
    };
}

/// Gives the page of `query`.
pub async fn list_applications(
    tx: &mut TenantTx,
    query: &ApplicationQuery,
) -> Result<ApplicationPage, StoreError> {
    let predicate = Predicate::new(tx.tenant(), query.view, &query.filter);
    let mut rows = match query.sort {
        ApplicationSort::Newest => page!(
            tx, predicate, query,
            after "($10::timestamptz IS NULL OR (a.submitted_at, a.id) < ($10, $11))",
            order by "a.submitted_at DESC, a.id DESC"
        ),
        ApplicationSort::Oldest => page!(
            tx, predicate, query,
            after "($10::timestamptz IS NULL OR (a.submitted_at, a.id) > ($10, $11))",
            order by "a.submitted_at, a.id"
        ),
    };
    let limit = usize::from(query.limit);
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| has_more).map(ListRow::cursor);
    let applications =
        rows.into_iter().map(ApplicationSummary::try_from).collect::<Result<_, _>>()?;
    Ok(ApplicationPage { applications, next })
}

/// Counts the applications that the filter lets through.
pub async fn count_applications(
    tx: &mut TenantTx,
    view: JobView,
    filter: &ApplicationFilter,
) -> Result<i64, StoreError> {
    #[derive(Debug)]
    struct CountRow {
        count: i64,
    }
    let predicate = Predicate::new(tx.tenant(), view, filter);
    let row = matching!(CountRow, predicate, r#"SELECT count(*) AS "count!""#, [])
        .fetch_one(tx.connection())
        .await?;
    Ok(row.count)
}

fn instant(after: Option<ApplicationCursor>) -> Result<Option<OffsetDateTime>, StoreError> {
    let Some(cursor) = after else { return Ok(None) };
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(cursor.at) * 1_000)
        .map(Some)
        .map_err(|_| StoreError::inconsistent("list cursor"))
}

impl ListRow {
    fn cursor(&self) -> ApplicationCursor {
        // Postgres keeps microseconds, so nothing is lost.
        let at = i64::try_from(self.submitted_at.unix_timestamp_nanos() / 1_000);
        ApplicationCursor { at: at.unwrap_or(i64::MAX), id: ApplicationId::from_uuid(self.id) }
    }
}

impl TryFrom<ListRow> for ApplicationSummary {
    type Error = StoreError;

    fn try_from(row: ListRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: ApplicationId::from_uuid(row.id),
            job: JobName { id: JobId::from_uuid(row.job_id), title: row.title },
            candidate: Applicant {
                id: row.candidate_id,
                name: row.name,
                email: row.email_norm,
                phone: row.phone,
                locale: row.locale,
            },
            stage: word(&row.stage)?,
            status: word(&row.status)?,
            reject_reason: row.reject_reason.as_deref().map(word).transpose()?,
            source: row.source,
            submissions: row.submissions,
            files: row.files,
            submitted_at: row.submitted_at,
            resubmitted_at: row.resubmitted_at,
            stage_since: row.stage_since,
            updated_at: row.updated_at,
            version: row.version,
        })
    }
}
