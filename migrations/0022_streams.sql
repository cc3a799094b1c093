-- What has become of people who have a stream of events open, many of them at once: one question
-- answers whether each may look on, at what, and how far their inbox goes.
CREATE POLICY look_ups ON job_team FOR SELECT TO portal_search USING (true);
CREATE POLICY look_ups ON feed_heads FOR SELECT TO portal_search USING (true);
GRANT SELECT (tenant_id, job_id, user_id) ON job_team TO portal_search;
GRANT SELECT ON feed_heads TO portal_search;

-- No row where the session is over, the person is no member any more, or the tenant may not be
-- worked in. Whoever asks names the session by its hash, so the answer tells nobody of others.
CREATE FUNCTION check_streams(
    tenants uuid[], users uuid[], sids bytea[], idle_seconds double precision
)
RETURNS TABLE (
    place bigint, role text, jobs uuid[], epoch bigint, seq bigint, unread bigint
)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 100
SET search_path = pg_catalog, public, pg_temp
BEGIN ATOMIC
    SELECT w.place, m.role,
           CASE WHEN m.role = 'hiring_manager' THEN ARRAY(
               SELECT j.job_id FROM job_team j
               WHERE j.tenant_id = w.tenant_id AND j.user_id = w.user_id
           ) ELSE ARRAY[]::uuid[] END,
           -- Whoever was never told anything has no row yet; its numbering is known beforehand.
           coalesce(h.epoch, (extract(epoch FROM m.created_at) * 1000)::bigint),
           coalesce(h.seq, 0), coalesce(h.unread, 0)
    FROM unnest(tenants, users, sids) WITH ORDINALITY AS w (tenant_id, user_id, sid, place)
    JOIN sessions s
        ON s.tenant_id = w.tenant_id AND s.sid_hash = w.sid AND s.user_id = w.user_id
    JOIN tenants t ON t.id = w.tenant_id AND t.status = 'active'
    JOIN memberships m ON m.tenant_id = w.tenant_id AND m.user_id = w.user_id
    LEFT JOIN session_epochs e ON e.tenant_id = w.tenant_id AND e.user_id = w.user_id
    LEFT JOIN feed_heads h ON h.tenant_id = w.tenant_id AND h.user_id = w.user_id
    WHERE s.revoked_at IS NULL AND s.absolute_expires_at > now()
      AND s.touched_at > now() - make_interval(secs => idle_seconds)
      AND s.epoch = coalesce(e.epoch, 0);
END;

REVOKE ALL ON FUNCTION check_streams(uuid[], uuid[], bytea[], double precision) FROM PUBLIC;
GRANT CREATE ON SCHEMA public TO portal_search;
ALTER FUNCTION check_streams(uuid[], uuid[], bytea[], double precision) OWNER TO portal_search;
REVOKE CREATE ON SCHEMA public FROM portal_search;
SET LOCAL ROLE portal_search;
GRANT EXECUTE ON FUNCTION check_streams(uuid[], uuid[], bytea[], double precision) TO portal_app;
RESET ROLE;
