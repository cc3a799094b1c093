-- Tables are looked up row by row through LATERAL, and only what this statement has made itself is
-- joined: with nested loops off (see fan_out.rs) no guess of the planner about how much that is makes
-- it compare everything with everything, or read a whole table.
WITH claimed AS MATERIALIZED (
    SELECT o.tenant_id, o.id, o.event_id, o.kind, o.subject, o.actor, o.payload, o.at, o.acted
    FROM outbox o
    WHERE NOT o.fanned_out AND o.parked_at IS NULL AND o.kind = ANY($1)
      AND (o.retry_at IS NULL OR o.retry_at <= clock_timestamp())
      AND ($3::bigint IS NULL OR o.id = $3)
    ORDER BY o.id
    LIMIT $4
    FOR UPDATE SKIP LOCKED
), rules AS MATERIALIZED (
    SELECT * FROM unnest($6::text[], $7::text[], $8::text[], $9::bool[])
        AS r (event, notice, audience, is_mailed)
), reach AS MATERIALIZED (
    SELECT * FROM unnest($10::text[], $11::text[], $12::bool[])
        AS r (notice, role, is_assigned_only)
), events AS MATERIALIZED (
    SELECT c.*, r.notice, r.audience, r.is_mailed,
           CASE WHEN starts_with(c.kind, 'job.') THEN c.subject
                ELSE (c.payload ->> 'job')::uuid END AS job_id,
           CASE WHEN starts_with(c.kind, 'application.') THEN c.subject
                ELSE (c.payload ->> 'application')::uuid END AS application_id,
           -- What is told late counts where it belongs, within bounds: nobody's clock rewrites what
           -- is long over, or counts ahead.
           least(greatest(coalesce((c.payload ->> 'occurred_at')::timestamptz, c.at),
                          c.at - interval '72 hours'),
                 c.at + interval '5 minutes') AS occurred_at
    FROM claimed c
    LEFT JOIN LATERAL (
        SELECT l.event_id FROM event_log l
        WHERE l.tenant_id = c.tenant_id AND l.event_id = c.event_id
        LIMIT 1
    ) known ON true
    LEFT JOIN rules r ON r.event = c.kind
    -- A request that was sent twice has one event.
    WHERE known.event_id IS NULL
), reached AS MATERIALIZED (
    SELECT e.tenant_id, m.user_id, m.created_at AS joined_at, e.event_id, e.notice, e.job_id,
           e.application_id, e.actor, e.at,
           jsonb_strip_nulls(e.payload - '{v,job,application,user,users,change,occurred_at}'::text[]) AS data,
           coalesce((p.choices #>> ARRAY[e.notice, 'mail'])::boolean, e.is_mailed) AS is_mailed,
           row_number() OVER (PARTITION BY e.tenant_id, m.user_id ORDER BY e.id) AS nth,
           count(*) OVER (PARTITION BY e.tenant_id, m.user_id) AS many
    FROM events e
    CROSS JOIN LATERAL (
        SELECT m.user_id, m.role, m.created_at FROM memberships m
        WHERE m.tenant_id = e.tenant_id AND e.notice IS NOT NULL
        OFFSET 0
    ) m
    JOIN reach r ON r.notice = e.notice AND r.role = m.role
    LEFT JOIN LATERAL (
        SELECT p.choices FROM notification_preferences p
        WHERE p.tenant_id = e.tenant_id AND p.user_id = m.user_id
        LIMIT 1
    ) p ON true
    LEFT JOIN LATERAL (
        SELECT t.user_id FROM job_team t
        WHERE r.is_assigned_only AND t.tenant_id = e.tenant_id AND t.job_id = e.job_id
          AND t.user_id = m.user_id
        LIMIT 1
    ) t ON true
    WHERE m.user_id IS DISTINCT FROM e.actor
      AND CASE e.audience
          WHEN 'subject' THEN m.user_id = e.subject
          WHEN 'asker' THEN m.user_id::text = e.payload ->> 'user'
          WHEN 'named' THEN e.payload -> 'users' @> to_jsonb(m.user_id::text)
          ELSE true END
      AND (NOT r.is_assigned_only OR t.user_id IS NOT NULL)
      AND coalesce((p.choices #>> ARRAY[e.notice, 'in_app'])::boolean, true)
), heads AS (
    -- In the order of the key: whoever locks several does so in the same order.
    INSERT INTO feed_heads AS h (tenant_id, user_id, epoch, seq, unread)
    SELECT tenant_id, user_id, (extract(epoch FROM min(joined_at)) * 1000)::bigint,
           count(*), count(*)
    FROM reached
    GROUP BY tenant_id, user_id
    ORDER BY tenant_id, user_id
    ON CONFLICT (tenant_id, user_id) DO UPDATE
    SET seq = h.seq + excluded.seq, unread = h.unread + excluded.unread
    RETURNING h.tenant_id, h.user_id, h.seq
), inbox AS (
    INSERT INTO notifications (tenant_id, user_id, seq, event_id, kind, job_id, application_id,
                               actor, data, created_at, mail_due_at)
    SELECT r.tenant_id, r.user_id, h.seq - r.many + r.nth, r.event_id, r.notice, r.job_id,
           r.application_id, r.actor, r.data, r.at,
           CASE WHEN r.is_mailed THEN clock_timestamp() + make_interval(secs => $5) END
    FROM reached r
    JOIN heads h ON h.tenant_id = r.tenant_id AND h.user_id = r.user_id
    RETURNING tenant_id, user_id, seq, event_id
), told AS (
    SELECT tenant_id, event_id, array_agg(user_id ORDER BY user_id) AS users,
           array_agg(seq ORDER BY user_id) AS seqs
    FROM inbox
    GROUP BY tenant_id, event_id
), logged AS (
    INSERT INTO event_log (tenant_id, event_id, kind, subject, job_id, application_id, actor,
                           stage_from, stage_to, source, occurred_at, received_at)
    SELECT e.tenant_id, e.event_id, e.kind, e.subject, e.job_id, e.application_id, e.actor,
           CASE WHEN starts_with(e.kind, 'application.') THEN e.payload ->> 'from' END,
           CASE WHEN starts_with(e.kind, 'application.') THEN e.payload ->> 'to' END,
           CASE WHEN starts_with(e.kind, 'application.') THEN nullif(e.payload ->> 'source', '') END,
           e.occurred_at, e.at
    FROM events e
    WHERE e.kind = ANY($2)
    RETURNING tenant_id, kind, job_id, stage_from, stage_to, source, occurred_at
), counted AS (
    INSERT INTO metric_hours AS m (tenant_id, job_id, source, kind, bucket, n, revised_at)
    SELECT l.tenant_id, l.job_id, coalesce(l.source, ''), metric.kind, quarter.bucket, count(*),
           -- Five minutes after its end a quarter of an hour counts as known.
           CASE WHEN quarter.bucket < now() - interval '20 minutes' THEN now() END
    FROM logged l
    CROSS JOIN LATERAL (
        VALUES (date_bin('15 minutes', l.occurred_at, '2000-01-01 00:00+00'))
    ) AS quarter (bucket)
    CROSS JOIN LATERAL (
        VALUES (l.kind),
               ('entered.' || coalesce(l.stage_to,
                   CASE WHEN l.stage_from IS NOT NULL THEN 'withdrawn' END)),
               ('left.' || l.stage_from)
    ) AS metric (kind)
    WHERE starts_with(l.kind, 'application.') AND metric.kind IS NOT NULL
    GROUP BY 1, 2, 3, 4, 5
    ORDER BY 1, 2, 3, 4, 5
    ON CONFLICT (tenant_id, job_id, source, kind, bucket) DO UPDATE
    SET n = m.n + excluded.n, updated_at = now(),
        revised_at = coalesce(excluded.revised_at, m.revised_at)
), webhooks AS (
    INSERT INTO webhook_deliveries (tenant_id, endpoint_id, event_id, kind, body)
    SELECT e.tenant_id, w.id, e.event_id, e.kind,
           webhook_body(e.kind, e.subject, e.payload, e.at)
    FROM events e
    CROSS JOIN LATERAL (
        SELECT w.id FROM webhook_endpoints w
        WHERE w.tenant_id = e.tenant_id AND w.status = 'enabled'
          AND (w.kinds = '{}' OR e.kind = ANY(w.kinds))
        OFFSET 0
    ) w
    WHERE e.kind = ANY($13)
    ON CONFLICT DO NOTHING
    RETURNING event_id
), deleted AS (
    DELETE FROM outbox o
    WHERE NOT o.fanned_out AND o.parked_at IS NULL
      AND o.id = ANY(ARRAY(SELECT c.id FROM claimed c WHERE c.acted))
), marked AS (
    UPDATE outbox o SET fanned_out = true
    WHERE NOT o.fanned_out AND o.parked_at IS NULL
      AND o.id = ANY(ARRAY(SELECT c.id FROM claimed c WHERE NOT c.acted))
)
SELECT c.tenant_id AS "tenant_id!", c.event_id AS "event_id!", c.kind AS "kind!", c.subject,
       c.actor, c.at AS "at!", e.job_id, e.application_id,
       e.id IS NULL AS "is_known_already!",
       c.event_id IN (SELECT w.event_id FROM webhooks w) AS "has_webhooks!",
       coalesce(t.users, CASE WHEN h.user_id IS NOT NULL THEN ARRAY[h.user_id] END,
                ARRAY[]::uuid[]) AS "users!",
       coalesce(t.seqs, CASE WHEN h.user_id IS NOT NULL THEN ARRAY[h.seq] END,
                ARRAY[]::bigint[]) AS "seqs!"
FROM claimed c
LEFT JOIN events e ON e.tenant_id = c.tenant_id AND e.id = c.id
LEFT JOIN told t ON t.tenant_id = c.tenant_id AND t.event_id = c.event_id
LEFT JOIN LATERAL (
    SELECT h.user_id, h.seq FROM feed_heads h
    WHERE c.kind = 'feed.changed' AND h.tenant_id = c.tenant_id AND h.user_id = c.subject
    LIMIT 1
) h ON true
ORDER BY c.id
