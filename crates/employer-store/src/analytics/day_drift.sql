-- Some of a tenant's built days, in their order, beside what their quarters of an hour come to; and
-- their totals beside what the days come to.
WITH RECURSIVE kinds AS (
    (SELECT m.kind FROM metric_hours m WHERE m.tenant_id = $1 ORDER BY m.kind LIMIT 1)
    UNION ALL
    SELECT (SELECT m.kind FROM metric_hours m
            WHERE m.tenant_id = $1 AND m.kind > k.kind ORDER BY m.kind LIMIT 1)
    FROM kinds k WHERE k.kind IS NOT NULL
), built AS MATERIALIZED (
    SELECT b.starts_at, b.ends_at FROM metric_built_days b
    WHERE b.tenant_id = $1 AND ($2::timestamptz IS NULL OR b.starts_at > $2)
    ORDER BY b.starts_at
    LIMIT $3
), kept AS MATERIALIZED (
    SELECT d.starts_at, d.kind, d.job_id, d.source, d.n, d.revised_at
    FROM built b
    CROSS JOIN LATERAL (
        SELECT * FROM metric_days d WHERE d.tenant_id = $1 AND d.starts_at = b.starts_at OFFSET 0
    ) d
), both_sides AS (
    SELECT b.starts_at, m.kind, m.job_id, m.source, -m.n AS n, m.revised_at, false AS is_kept
    FROM built b
    CROSS JOIN kinds k
    CROSS JOIN LATERAL (
        SELECT * FROM metric_hours m
        WHERE m.tenant_id = $1 AND m.kind = k.kind
          AND m.bucket >= b.starts_at AND m.bucket < b.ends_at
        OFFSET 0
    ) m
    UNION ALL
    SELECT k.starts_at, k.kind, k.job_id, k.source, k.n, k.revised_at, true FROM kept k
    UNION ALL
    -- Totals name no job.
    SELECT k.starts_at, k.kind, NULL, NULL, -k.n, k.revised_at, false FROM kept k
    UNION ALL
    SELECT t.starts_at, t.kind, NULL, NULL, t.n, t.revised_at, true
    FROM built b
    JOIN metric_day_totals t ON t.tenant_id = $1 AND t.starts_at = b.starts_at
), compared AS (
    SELECT sum(s.n) <> 0 OR bool_and(s.is_kept) OR NOT bool_or(s.is_kept)
           OR max(s.revised_at) FILTER (WHERE s.is_kept)
              IS DISTINCT FROM max(s.revised_at) FILTER (WHERE NOT s.is_kept) AS is_drifting
    FROM both_sides s
    GROUP BY s.starts_at, s.kind, s.job_id, s.source
)
SELECT (SELECT count(*) FROM built) AS "days!", (SELECT max(b.starts_at) FROM built b) AS last,
       count(*) AS "compared!", count(*) FILTER (WHERE c.is_drifting) AS "drifting!"
FROM compared c
