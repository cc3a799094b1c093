//! What the jobs under a filter have, counted.

use tenancy::JobView;

use super::figures::{JobFacets, ValueCount};
use super::filter::JobFilter;
use super::predicate::{Predicate, matching_jobs};
use crate::error::StoreError;
use crate::tenant_db::TenantTx;

/// Counts states, kinds of contract, workplaces, departments, skills and cities of the jobs that
/// the whole filter lets through.
pub async fn job_facets(
    tx: &mut TenantTx,
    view: JobView,
    filter: &JobFilter,
) -> Result<JobFacets, StoreError> {
    let mut predicate = Predicate::new(tx.tenant(), view, filter);
    let mut facets = JobFacets::default();
    if !predicate.narrow(tx).await? {
        return Ok(facets);
    }
    for row in count_values(tx, &predicate).await? {
        let counts = match row.facet.as_str() {
            "status" => &mut facets.status,
            "employment_type" => &mut facets.employment_type,
            "workplace" => &mut facets.workplace,
            "department" => &mut facets.department,
            "skill" => &mut facets.skill,
            "location" => &mut facets.location,
            _ => continue,
        };
        counts.push(ValueCount { value: row.value, count: row.count });
    }
    Ok(facets)
}

#[derive(Debug)]
struct FacetRow {
    facet: String,
    value: String,
    count: i64,
}

/// Skills and cities are counted by their keys, which disregard case, and shown in the spelling
/// that comes first among the jobs counted: those of other jobs may not show.
macro_rules! facets_from {
    ($predicate:ident, from $source:literal, if $guard:literal) => {
        matching_jobs!(
            FacetRow, $predicate,
            "WITH matching AS MATERIALIZED (
SELECT j.id, j.status, j.employment_type, j.workplace, j.department",
            from $source, probe "",
            where [$guard],
            [r#"
), counted AS (
    SELECT CASE grouping(m.status, m.employment_type, m.workplace, m.department)
               WHEN 7 THEN 'status' WHEN 11 THEN 'employment_type'
               WHEN 13 THEN 'workplace' ELSE 'department' END AS facet,
           coalesce(m.status, m.employment_type, m.workplace, m.department) AS value,
           NULL::text AS spelling, count(*) AS count
    FROM matching m
    GROUP BY GROUPING SETS ((m.status), (m.employment_type), (m.workplace), (m.department))
    UNION ALL
    SELECT 'skill', s.skill_key, min(s.skill COLLATE "C") COLLATE "default", count(*)
    FROM matching m
    JOIN job_skills s ON s.tenant_id = $1 AND s.job_id = m.id
    GROUP BY s.skill_key
    UNION ALL
    SELECT 'location', l.city_key, min(l.city COLLATE "C") COLLATE "default",
           count(DISTINCT l.job_id)
    FROM matching m
    JOIN job_locations l ON l.tenant_id = $1 AND l.job_id = m.id
    WHERE l.city_key IS NOT NULL
    GROUP BY l.city_key
), ranked AS (
    SELECT c.*, row_number() OVER (PARTITION BY c.facet ORDER BY c.count DESC, c.value) AS place
    FROM counted c
    WHERE c.value IS NOT NULL
)
SELECT r.facet AS "facet!", r.count AS "count!", coalesce(r.spelling, r.value) AS "value!"
FROM ranked r
WHERE r.place <= 20
ORDER BY r.facet, r.place"#]
        )
    };
}

async fn count_values(
    tx: &mut TenantTx,
    predicate: &Predicate,
) -> Result<Vec<FacetRow>, StoreError> {
    Ok(if predicate.text.is_some() {
        facets_from!(predicate, from " FROM search_jobs($14) j", if "true")
            .fetch_all(tx.connection())
            .await?
    } else {
        facets_from!(predicate, from " FROM jobs j", if "$14::text IS NULL")
            .fetch_all(tx.connection())
            .await?
    })
}
