-- What is taken next. Tenants have their turns by how much of theirs is in hand, and so have the
-- endpoints of one; among equals chance decides, so that nobody stands behind somebody else for good.
-- `now()` is the moment of the statement, and bounds how far an index is read; `clock_timestamp()`
-- would be asked for each row, of which an endpoint that is slow has very many.
WITH RECURSIVE busy AS (
    -- Found by skipping along the index: one with very many deliveries costs no more than one with
    -- few.
    (SELECT tenant_id, endpoint_id FROM webhook_deliveries
     WHERE status = 'pending' ORDER BY tenant_id, endpoint_id LIMIT 1)
    UNION ALL
    SELECT further.tenant_id, further.endpoint_id
    FROM busy CROSS JOIN LATERAL (
        SELECT d.tenant_id, d.endpoint_id FROM webhook_deliveries d
        WHERE d.status = 'pending'
          AND (d.tenant_id, d.endpoint_id) > (busy.tenant_id, busy.endpoint_id)
        ORDER BY d.tenant_id, d.endpoint_id LIMIT 1
    ) further
), held AS (
    SELECT busy.tenant_id, busy.endpoint_id, h.n,
           (sum(h.n) OVER (PARTITION BY busy.tenant_id))::bigint AS of_tenant
    FROM busy CROSS JOIN LATERAL (
        SELECT count(*) AS n FROM webhook_deliveries d
        WHERE d.tenant_id = busy.tenant_id AND d.endpoint_id = busy.endpoint_id
          AND d.status = 'pending' AND d.in_hand
          AND d.next_attempt_at > now()
          AND d.next_attempt_at <= now() + make_interval(secs => $4)
    ) h
), ready AS (
    SELECT w.tenant_id, w.id, h.n, h.of_tenant,
           CASE WHEN w.failures >= $5 THEN 1 ELSE $2::bigint END - h.n AS free
    FROM held h
    JOIN webhook_endpoints w ON w.tenant_id = h.tenant_id AND w.id = h.endpoint_id
    JOIN tenants t ON t.id = w.tenant_id
    WHERE w.status = 'enabled' AND w.resting_until <= now()
      AND t.status = 'active' AND h.of_tenant < $3
), waiting AS (
    SELECT one.tenant_id, one.endpoint_id, one.event_id,
           ready.of_tenant + row_number() OVER (
               PARTITION BY one.tenant_id ORDER BY ready.n + one.nth, random()
           ) AS turn
    FROM ready CROSS JOIN LATERAL (
        SELECT oldest.*, row_number() OVER () AS nth
        FROM (
            SELECT d.tenant_id, d.endpoint_id, d.event_id FROM webhook_deliveries d
            WHERE d.tenant_id = ready.tenant_id AND d.endpoint_id = ready.id
              AND d.status = 'pending' AND d.next_attempt_at <= now()
              AND d.attempts < $6
            ORDER BY d.next_attempt_at
            LIMIT greatest(ready.free, 0)
        ) oldest
    ) one
), next AS (
    SELECT * FROM waiting WHERE turn <= $3 ORDER BY turn, random() LIMIT $1
), due AS (
    SELECT d.tenant_id, d.endpoint_id, d.event_id
    FROM next n
    JOIN webhook_deliveries d ON d.tenant_id = n.tenant_id
        AND d.endpoint_id = n.endpoint_id AND d.event_id = n.event_id
    -- Asked once more: another instance may just have taken it.
    WHERE d.status = 'pending' AND d.next_attempt_at <= now()
    FOR UPDATE OF d SKIP LOCKED
)
UPDATE webhook_deliveries d
SET attempts = d.attempts + 1, in_hand = true,
    next_attempt_at = clock_timestamp() + make_interval(secs => $4)
FROM due
JOIN webhook_endpoints w ON w.tenant_id = due.tenant_id AND w.id = due.endpoint_id
WHERE d.tenant_id = due.tenant_id AND d.endpoint_id = due.endpoint_id
  AND d.event_id = due.event_id
RETURNING d.tenant_id, d.endpoint_id, d.event_id, d.body, d.attempts, d.scheduled,
          w.url, w.secret, w.failures,
          CASE WHEN w.old_secret_until > now() THEN w.old_secret END AS old_secret
