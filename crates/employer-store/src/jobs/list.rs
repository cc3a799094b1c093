//! Lists of jobs, a page at a time.

use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

use tenancy::{JobId, JobView};

use super::filter::{CursorKey, JobCursor, JobFilter, JobPage, JobQuery};
use super::model::{JobLocation, JobSummary};
use super::predicate::{Predicate, matching_jobs};
use super::read::{salary, word};
use super::vocabulary::JobSort;
use crate::error::StoreError;
use crate::tenant_db::TenantTx;

/// A row of a list: the summary, and what lists are sorted by.
#[derive(Debug)]
struct ListRow {
    id: Uuid,
    slug: String,
    requisition: String,
    title: String,
    status: String,
    department: Option<String>,
    employment_type: String,
    experience_level: Option<String>,
    workplace: String,
    locations: Json<Vec<JobLocation>>,
    skills: Vec<String>,
    salary_min: Option<i64>,
    salary_max: Option<i64>,
    salary_currency: Option<String>,
    salary_period: Option<String>,
    openings: i32,
    published_at: Option<OffsetDateTime>,
    valid_through: Option<OffsetDateTime>,
    created_at: OffsetDateTime,
    updated_at: OffsetDateTime,
    version: i32,
    listed_at: OffsetDateTime,
    title_key: String,
    salary_yearly: i64,
    rank: f32,
}

/// Gives the page of `query`. A cursor that does not fit the order is an inconsistency of the
/// caller, who signs cursors together with their order.
pub async fn list_jobs(tx: &mut TenantTx, query: &JobQuery) -> Result<JobPage, StoreError> {
    let mut predicate = Predicate::new(tx.tenant(), query.view, &query.filter);
    if query.limit == 0 || !predicate.narrow(tx).await? {
        return Ok(JobPage { jobs: Vec::new(), next: None });
    }
    let sort = query.effective_sort();
    if query.after.as_ref().is_some_and(|cursor| !cursor.key.fits(sort)) {
        return Err(StoreError::inconsistent("list cursor"));
    }
    let mut rows = fetch(tx, &predicate, query, sort).await?;
    let limit = usize::from(query.limit);
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| has_more).map(|row| row.cursor(sort));
    let jobs = rows.into_iter().map(JobSummary::try_from).collect::<Result<_, _>>()?;
    Ok(JobPage { jobs, next })
}

/// Counts the jobs that the filter lets through.
pub async fn count_jobs(
    tx: &mut TenantTx,
    view: JobView,
    filter: &JobFilter,
) -> Result<i64, StoreError> {
    let mut predicate = Predicate::new(tx.tenant(), view, filter);
    if !predicate.narrow(tx).await? {
        return Ok(0);
    }
    let row = if predicate.text.is_some() {
        matching_jobs!(
            CountRow, predicate,
            r#"SELECT count(*) AS "count!""#,
            from " FROM search_jobs($14) j", probe "", where ["true"], []
        )
        .fetch_one(tx.connection())
        .await?
    } else {
        matching_jobs!(
            CountRow, predicate,
            r#"SELECT count(*) AS "count!""#,
            from " FROM jobs j", probe "", where ["$14::text IS NULL"], []
        )
        .fetch_one(tx.connection())
        .await?
    };
    Ok(row.count)
}

#[derive(Debug)]
struct CountRow {
    count: i64,
}

/// A page from one source in one order. The page is found first, by its keys alone, and then
/// filled.
macro_rules! page_from {
    (
        $tx:ident, $predicate:ident, $query:ident, from $source:literal, probe $probe:literal,
        if $guard:literal,
        after $after:literal, order by $order:literal, key $key:expr
    ) => {
        matching_jobs!(
            ListRow, $predicate,
            "WITH page AS (
SELECT j.id, j.listed_at, j.updated_at, j.title_key, j.salary_yearly, ",
            from $source, probe $probe,
            where [$guard, " AND ", $after],
            ["
ORDER BY ", $order, "
OFFSET $17 LIMIT $18
)
SELECT f.id, f.slug, f.requisition, f.title, f.status, f.department, f.employment_type,
       f.experience_level, f.workplace, f.salary_min, f.salary_max, f.salary_currency,
       f.salary_period, f.openings, f.published_at, f.valid_through, f.created_at, f.updated_at,
       f.version, f.listed_at, f.title_key, f.salary_yearly, j.rank AS \"rank!\",
       (SELECT coalesce(jsonb_agg(jsonb_build_object(
            'country', l.country, 'region', l.region, 'city', l.city) ORDER BY l.ord), '[]')
        FROM job_locations l WHERE l.tenant_id = $1 AND l.job_id = j.id
       ) AS \"locations!: Json<Vec<JobLocation>>\",
       ARRAY(SELECT s.skill FROM job_skills s
             WHERE s.tenant_id = $1 AND s.job_id = j.id ORDER BY s.ord) AS \"skills!\"
FROM page j
JOIN jobs f ON f.tenant_id = $1 AND f.id = j.id
ORDER BY ", $order],
            $key,
            $query.after.as_ref().map(|cursor| cursor.id.as_uuid()) as Option<Uuid>,
            i64::from($query.skip),
            i64::from($query.limit) + 1,
        )
        .fetch_all($tx.connection())
        .await?
    };
}

/// One statement an order, with and without a text: an index serves an order only where the order
/// stands in the statement.
macro_rules! page {
    (
        $tx:ident, $predicate:ident, $query:ident,
        after $after:literal, order by $order:literal, key $key:expr
    ) => {
        if $predicate.text.is_some() {
            page_from!(
                $tx, $predicate, $query, from "j.rank FROM search_jobs($14) j", probe "",
                if "true",
                after $after, order by $order, key $key
            )
        } else {
            page_from!(
                $tx, $predicate, $query, from "0::real AS rank FROM jobs j", probe " OFFSET 0",
                if "$14::text IS NULL", after $after, order by $order, key $key
            )
        }
    };
}

async fn fetch(
    tx: &mut TenantTx,
    predicate: &Predicate,
    query: &JobQuery,
    sort: JobSort,
) -> Result<Vec<ListRow>, StoreError> {
    let key = query.after.as_ref().map(|cursor| &cursor.key);
    Ok(match sort {
        JobSort::Newest => page!(
            tx, predicate, query,
            after "($15::timestamptz IS NULL OR (j.listed_at, j.id) < ($15, $16))",
            order by "j.listed_at DESC, j.id DESC", key instant(key)?
        ),
        JobSort::Oldest => page!(
            tx, predicate, query,
            after "($15::timestamptz IS NULL OR (j.listed_at, j.id) > ($15, $16))",
            order by "j.listed_at, j.id", key instant(key)?
        ),
        JobSort::Updated => page!(
            tx, predicate, query,
            after "($15::timestamptz IS NULL OR (j.updated_at, j.id) < ($15, $16))",
            order by "j.updated_at DESC, j.id DESC", key instant(key)?
        ),
        JobSort::Title => page!(
            tx, predicate, query,
            after "($15::text IS NULL OR (j.title_key, j.id) > ($15, $16))",
            order by "j.title_key, j.id", key text(key)
        ),
        JobSort::SalaryHigh => page!(
            tx, predicate, query,
            after "($15::int8 IS NULL OR (j.salary_yearly, j.id) < ($15, $16))",
            order by "j.salary_yearly DESC, j.id DESC", key number(key)
        ),
        JobSort::Relevance => page_from!(
            tx, predicate, query, from "j.rank FROM search_jobs($14) j", probe "",
                if "true",
            after "($15::real IS NULL OR (j.rank, j.id) < ($15, $16))",
            order by "j.rank DESC, j.id DESC", key rank(key)
        ),
    })
}

fn instant(key: Option<&CursorKey>) -> Result<Option<OffsetDateTime>, StoreError> {
    let Some(CursorKey::Time(microseconds)) = key else { return Ok(None) };
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(*microseconds) * 1_000)
        .map(Some)
        .map_err(|_| StoreError::inconsistent("list cursor"))
}

fn text(key: Option<&CursorKey>) -> Option<&str> {
    if let Some(CursorKey::Text(text)) = key { Some(text) } else { None }
}

const fn number(key: Option<&CursorKey>) -> Option<i64> {
    if let Some(CursorKey::Number(number)) = key { Some(*number) } else { None }
}

const fn rank(key: Option<&CursorKey>) -> Option<f32> {
    if let Some(CursorKey::Rank(rank)) = key { Some(*rank) } else { None }
}

impl ListRow {
    fn cursor(&self, sort: JobSort) -> JobCursor {
        let key = match sort {
            JobSort::Newest | JobSort::Oldest => CursorKey::Time(microseconds(self.listed_at)),
            JobSort::Updated => CursorKey::Time(microseconds(self.updated_at)),
            JobSort::Title => CursorKey::Text(self.title_key.clone()),
            JobSort::SalaryHigh => CursorKey::Number(self.salary_yearly),
            JobSort::Relevance => CursorKey::Rank(self.rank),
        };
        JobCursor { key, id: JobId::from_uuid(self.id) }
    }
}

/// Postgres keeps microseconds, so nothing is lost.
fn microseconds(at: OffsetDateTime) -> i64 {
    i64::try_from(at.unix_timestamp_nanos() / 1_000).unwrap_or(i64::MAX)
}

impl TryFrom<ListRow> for JobSummary {
    type Error = StoreError;

    fn try_from(row: ListRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: JobId::from_uuid(row.id),
            slug: row.slug,
            requisition: row.requisition,
            title: row.title,
            status: word(&row.status)?,
            department: row.department,
            employment_type: word(&row.employment_type)?,
            experience_level: row.experience_level.as_deref().map(word).transpose()?,
            workplace: word(&row.workplace)?,
            locations: row.locations.0,
            skills: row.skills,
            salary: salary(row.salary_min, row.salary_max, row.salary_currency, row.salary_period)?,
            openings: row.openings,
            published_at: row.published_at,
            valid_through: row.valid_through,
            created_at: row.created_at,
            updated_at: row.updated_at,
            version: row.version,
        })
    }
}
