//! The filter as one WHERE clause, shared by lists, counts and facets.
//!
//! Every optional predicate has the form `$n IS NULL OR ..`. Connections plan each statement for
//! the values at hand (`plan_cache_mode = force_custom_plan`), so an absent one vanishes before an
//! index is chosen.

use std::collections::HashSet;

use tenancy::JobView;
use time::OffsetDateTime;
use uuid::Uuid;

use super::filter::JobFilter;
use super::limits::MAX_TEXT_CHARS;
use super::vocabulary::JobStatus;
use crate::error::StoreError;
use crate::tenant_db::TenantTx;

/// A place, a skill or a person that has at most this many jobs is looked up first, and the jobs
/// are read by id. One with more is found often enough when jobs are walked in the order asked
/// for. Without this, a filter that matches nothing would walk over all jobs of the tenant.
const MAX_NARROWED: usize = 2_000;

/// A filter in the shape that statements take.
#[derive(Debug)]
pub(super) struct Predicate {
    pub(super) tenant: Uuid,
    pub(super) without_drafts: bool,
    pub(super) assigned: Option<Uuid>,
    /// One state alone keeps the order of an index; a list of states does not.
    pub(super) status: Option<&'static str>,
    pub(super) statuses: Option<Vec<String>>,
    pub(super) workplaces: Option<Vec<String>>,
    pub(super) employment_types: Option<Vec<String>>,
    pub(super) departments: Option<Vec<String>>,
    pub(super) skills: Option<Vec<String>>,
    pub(super) location: Option<String>,
    pub(super) salary_min: Option<i64>,
    pub(super) posted_after: Option<OffsetDateTime>,
    pub(super) ids: Option<Vec<Uuid>>,
    pub(super) text: Option<String>,
}

impl Predicate {
    pub(super) fn new(tenant: Uuid, view: JobView, filter: &JobFilter) -> Self {
        let words = |words: Vec<&str>| {
            (!words.is_empty()).then(|| words.into_iter().map(str::to_owned).collect::<Vec<_>>())
        };
        let (status, statuses) = match filter.statuses.as_slice() {
            [one] => (Some(one.as_str()), None),
            many => (None, words(many.iter().map(|s| JobStatus::as_str(*s)).collect())),
        };
        Self {
            tenant,
            without_drafts: view == JobView::Published,
            assigned: match view {
                JobView::Assigned(user) => Some(user.as_uuid()),
                JobView::All | JobView::Published => None,
            },
            status,
            statuses,
            workplaces: words(filter.workplaces.iter().map(|w| w.as_str()).collect()),
            employment_types: words(filter.employment_types.iter().map(|e| e.as_str()).collect()),
            departments: (!filter.departments.is_empty())
                .then(|| filter.departments.iter().map(|d| without_nul(d)).collect()),
            skills: (!filter.skills.is_empty())
                .then(|| filter.skills.iter().map(|s| fold(s)).collect()),
            location: filter.location.as_deref().map(fold),
            salary_min: filter.salary_min,
            posted_after: filter.posted_after,
            ids: None,
            text: filter.text.as_deref().map(searchable),
        }
    }

    /// Looks up the jobs of a rare place, skill or person; false where nothing can match.
    pub(super) async fn narrow(&mut self, tx: &mut TenantTx) -> Result<bool, StoreError> {
        if self.text.is_some() {
            // The search has narrowed already.
            return Ok(true);
        }
        let limit = i64::try_from(MAX_NARROWED + 1).unwrap_or(i64::MAX);
        if let Some(user) = self.assigned {
            let found = sqlx::query_scalar!(
                "SELECT job_id FROM job_team WHERE tenant_id = $1 AND user_id = $2 LIMIT $3",
                self.tenant,
                user,
                limit,
            );
            self.keep(found.fetch_all(tx.connection()).await?);
        }
        if let Some(location) = &self.location {
            let found = sqlx::query_scalar!(
                "SELECT job_id FROM job_locations
                 WHERE tenant_id = $1
                   AND (city_key = $2 OR region_key = $2 OR country = upper($2)) LIMIT $3",
                self.tenant,
                location,
                limit,
            );
            self.keep(found.fetch_all(tx.connection()).await?);
        }
        if let Some(skills) = &self.skills {
            let found = sqlx::query_scalar!(
                "SELECT job_id FROM job_skills
                 WHERE tenant_id = $1 AND skill_key = ANY($2) LIMIT $3",
                self.tenant,
                skills,
                limit,
            );
            self.keep(found.fetch_all(tx.connection()).await?);
        }
        Ok(self.ids.as_ref().is_none_or(|ids| !ids.is_empty()))
    }

    fn keep(&mut self, found: Vec<Uuid>) {
        if found.len() > MAX_NARROWED {
            return;
        }
        let found: HashSet<Uuid> = found.into_iter().collect();
        self.ids = Some(match self.ids.take() {
            None => found.into_iter().collect(),
            Some(ids) => ids.into_iter().filter(|id| found.contains(id)).collect(),
        });
    }
}

/// A checked statement over the jobs that a [`Predicate`] lets through. `$source` names them `j`:
/// the table itself, or, for a text, the function that searches it. Parameters 1 to 14 are the
/// predicate's; further ones begin at 15. Who needs only the first jobs that match passes
/// `" OFFSET 0"` as `$probe`: places, skills and teams are then looked up job by job, instead of
/// being collected for the whole tenant first.
macro_rules! matching_jobs {
    (
        $row:ty, $predicate:expr,
        $head:literal, from $source:literal, probe $probe:literal,
        where [$($and:literal),+], [$($tail:literal),*]
        $(, $argument:expr)* $(,)?
    ) => {
        sqlx::query_as!(
            $row,
            $head
                + $source
                + r#"
WHERE j.tenant_id = $1
  AND (NOT $2::bool OR j.status <> 'draft')
  AND ($3::uuid IS NULL OR EXISTS (
      SELECT 1 FROM job_team m
      WHERE m.tenant_id = $1 AND m.job_id = j.id AND m.user_id = $3"#
                + $probe
                + r#"))
  AND ($4::text IS NULL OR j.status = $4)
  AND ($5::text[] IS NULL OR j.status = ANY($5))
  AND ($6::text[] IS NULL OR j.workplace = ANY($6))
  AND ($7::text[] IS NULL OR j.employment_type = ANY($7))
  AND ($8::text[] IS NULL OR j.department = ANY($8))
  AND ($9::text[] IS NULL OR EXISTS (
      SELECT 1 FROM job_skills s
      WHERE s.tenant_id = $1 AND s.job_id = j.id AND s.skill_key = ANY($9)"#
                + $probe
                + r#"))
  AND ($10::text IS NULL OR EXISTS (
      SELECT 1 FROM job_locations l
      WHERE l.tenant_id = $1 AND l.job_id = j.id
        AND (l.city_key = $10 OR l.region_key = $10 OR l.country = upper($10))"#
                + $probe
                + r#"))
  AND ($11::int8 IS NULL OR j.salary_yearly >= $11)
  AND ($12::timestamptz IS NULL OR (j.listed_at >= $12 AND j.published_at >= $12))
  AND ($13::uuid[] IS NULL OR j.id = ANY($13))
  AND "#
                $(+ $and)+
                $(+ $tail)*,
            $predicate.tenant,
            $predicate.without_drafts,
            $predicate.assigned as Option<uuid::Uuid>,
            $predicate.status as Option<&str>,
            $predicate.statuses.as_deref() as Option<&[String]>,
            $predicate.workplaces.as_deref() as Option<&[String]>,
            $predicate.employment_types.as_deref() as Option<&[String]>,
            $predicate.departments.as_deref() as Option<&[String]>,
            $predicate.skills.as_deref() as Option<&[String]>,
            $predicate.location.as_deref() as Option<&str>,
            $predicate.salary_min as Option<i64>,
            $predicate.posted_after as Option<time::OffsetDateTime>,
            $predicate.ids.as_deref() as Option<&[uuid::Uuid]>,
            $predicate.text.as_deref() as Option<&str>
            $(, $argument)*
        )
    };
}
pub(super) use matching_jobs;

/// As `lower(.. COLLATE "und-x-icu")` of the generated keys has it.
fn fold(text: &str) -> String {
    without_nul(text.trim()).to_lowercase()
}

/// Bounds a search text and takes out what Postgres text cannot hold.
fn searchable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(MAX_TEXT_CHARS)
        .collect::<String>()
        .trim()
        .to_owned()
}

fn without_nul(text: &str) -> String {
    text.chars().filter(|c| *c != '\0').collect()
}
