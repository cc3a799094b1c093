-- What is made next: the oldest of a tenant that has none in the making, and among tenants that whose
-- turn was longest ago. Everybody who looks at the same moment finds the same row of a tenant, and one
-- of them gets it, so that a tenant has one at a time.
WITH heads AS (
    SELECT DISTINCT ON (e.tenant_id) e.tenant_id, e.id, e.created_at
    FROM exports e
    JOIN tenants t ON t.id = e.tenant_id
    WHERE e.state IN ('queued', 'running') AND e.due_at <= now() AND e.deleted_at IS NULL
      AND e.attempts < $2 AND e.expires_at > now() AND t.status = 'active'
      AND NOT EXISTS (
          SELECT 1 FROM exports busy
          WHERE busy.tenant_id = e.tenant_id AND busy.state = 'running' AND busy.due_at > now()
            AND busy.deleted_at IS NULL)
    ORDER BY e.tenant_id, e.created_at, e.id
), turns AS (
    SELECT h.*, (SELECT max(d.started_at) FROM exports d WHERE d.tenant_id = h.tenant_id) AS served_at
    FROM heads h
), next AS (
    SELECT e.tenant_id, e.id
    FROM turns h
    JOIN exports e ON e.tenant_id = h.tenant_id AND e.id = h.id
    -- Asked once more: another instance may just have taken it.
    WHERE e.state IN ('queued', 'running') AND e.due_at <= now() AND e.deleted_at IS NULL
    ORDER BY h.served_at NULLS FIRST, h.created_at
    LIMIT 1
    FOR UPDATE OF e SKIP LOCKED
)
UPDATE exports e
SET state = 'running', attempts = e.attempts + 1, started_at = clock_timestamp(),
    due_at = clock_timestamp() + make_interval(secs => $1)
FROM next
JOIN tenants t ON t.id = next.tenant_id
WHERE e.tenant_id = next.tenant_id AND e.id = next.id
RETURNING e.tenant_id, t.org_id, e.id, e.created_by, e.attempts, e.first_day, e.last_day,
          e.time_zone, e.grain, e.job_id, e.source
