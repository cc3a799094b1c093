-- The roll-ups of some time, beside what the log comes to: counted by the rule of the statement that
-- writes them, and by nothing that it wrote. Views are in no log.
WITH logged AS (
    SELECT l.job_id, coalesce(l.source, '') AS source, metric.kind,
           date_bin('15 minutes', l.occurred_at, '2000-01-01 00:00+00') AS bucket, count(*) AS n
    FROM event_log l
    CROSS JOIN LATERAL (
        VALUES (l.kind),
               (CASE WHEN l.stage_to IS NOT NULL THEN 'entered.' || l.stage_to
                     WHEN l.stage_from IS NOT NULL THEN 'entered.withdrawn' END),
               ('left.' || l.stage_from)
    ) AS metric (kind)
    WHERE l.tenant_id = $1 AND l.occurred_at >= $3 AND l.occurred_at < $4
      AND l.kind = ANY($2) AND metric.kind IS NOT NULL
    GROUP BY 1, 2, 3, 4
), kept AS (
    SELECT m.job_id, m.source, m.kind, m.bucket, m.n
    FROM metric_hours m
    WHERE m.tenant_id = $1 AND m.bucket >= $3 AND m.bucket < $4 AND m.kind <> 'job.viewed'
)
SELECT count(*) AS "compared!",
       count(*) FILTER (WHERE l.n IS DISTINCT FROM k.n) AS "drifting!",
       coalesce(sum(coalesce(l.n, 0)) FILTER (WHERE starts_with(kind, 'application.')), 0)::bigint
           AS "events!"
FROM logged l
FULL JOIN kept k USING (job_id, source, kind, bucket)
