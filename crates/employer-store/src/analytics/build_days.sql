-- Builds days of a tenant: their sums, of whatever is counted, and those of all jobs and sources.
WITH RECURSIVE kinds AS (
    -- One look into the index for each kind; there is no list of them.
    (SELECT m.kind FROM metric_hours m WHERE m.tenant_id = $1 ORDER BY m.kind LIMIT 1)
    UNION ALL
    SELECT (SELECT m.kind FROM metric_hours m
            WHERE m.tenant_id = $1 AND m.kind > k.kind ORDER BY m.kind LIMIT 1)
    FROM kinds k WHERE k.kind IS NOT NULL
), days AS (
    SELECT d.starts_at, d.ends_at
    FROM unnest($2::timestamptz[], $3::timestamptz[]) AS d (starts_at, ends_at)
), built AS (
    INSERT INTO metric_built_days (tenant_id, starts_at, ends_at)
    SELECT $1, d.starts_at, d.ends_at FROM days d
), sums AS MATERIALIZED (
    SELECT d.starts_at, m.kind, m.job_id, m.source, sum(m.n) AS n, max(m.revised_at) AS revised_at
    FROM days d
    CROSS JOIN kinds k
    CROSS JOIN LATERAL (
        SELECT m.kind, m.job_id, m.source, m.n, m.revised_at FROM metric_hours m
        WHERE m.tenant_id = $1 AND m.kind = k.kind
          AND m.bucket >= d.starts_at AND m.bucket < d.ends_at
        OFFSET 0
    ) m
    GROUP BY 1, 2, 3, 4
), totals AS (
    INSERT INTO metric_day_totals (tenant_id, starts_at, kind, n, revised_at)
    SELECT $1, s.starts_at, s.kind, sum(s.n), max(s.revised_at) FROM sums s GROUP BY 2, 3
)
INSERT INTO metric_days (tenant_id, starts_at, kind, job_id, source, n, revised_at)
SELECT $1, s.starts_at, s.kind, s.job_id, s.source, s.n, s.revised_at
FROM sums s
ORDER BY 2, 3, 4, 5
