-- Mails about notifications that nobody has read. The queue is notifications.mail_due_at.

-- What a mail to one member needs to know: who they are, and when they want to hear. The worker may
-- read neither names nor addresses by itself; it asks for one member at a time, and only of those
-- whom a mail is due to.
CREATE FUNCTION find_mail_addressee(wanted_tenant uuid, wanted_user uuid)
RETURNS TABLE (
    user_name text, user_email text, tenant_name text, is_active boolean, time_zone text,
    digest text, digest_minute smallint, quiet_from smallint, quiet_until smallint
)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, public, pg_temp
BEGIN ATOMIC
    SELECT u.name, u.email_norm, t.name, t.status = 'active',
           coalesce(p.time_zone, t.time_zone), coalesce(p.digest, 'off'),
           coalesce(p.digest_minute, 480::smallint), p.quiet_from, p.quiet_until
    FROM memberships m
    JOIN users u ON u.id = m.user_id
    JOIN tenants t ON t.id = m.tenant_id
    LEFT JOIN notification_preferences p
        ON p.tenant_id = m.tenant_id AND p.user_id = m.user_id
    WHERE m.tenant_id = wanted_tenant AND m.user_id = wanted_user
      AND EXISTS (
          SELECT 1 FROM notifications n
          WHERE n.tenant_id = m.tenant_id AND n.user_id = m.user_id
            AND n.mail_due_at IS NOT NULL
      );
END;

-- What jobs are called, for whoever is told of them.
CREATE FUNCTION list_job_titles(wanted_tenant uuid, wanted_jobs uuid[])
RETURNS TABLE (job_id uuid, title text)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 10
SET search_path = pg_catalog, public, pg_temp
BEGIN ATOMIC
    SELECT j.id, j.title FROM jobs j
    WHERE j.tenant_id = wanted_tenant AND j.id = ANY (wanted_jobs)
    LIMIT 100;
END;

-- Turns mail off for these kinds, for somebody who followed the link in one. The link is proof
-- enough for that and for nothing else. False where they are no member any more.
CREATE FUNCTION turn_mail_off(wanted_tenant uuid, wanted_user uuid, kinds text[], audit_id uuid)
RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
    outer_tenant constant text := coalesce(current_setting('app.tenant_id', true), '');
    is_done boolean;
BEGIN
    PERFORM set_config('app.tenant_id', wanted_tenant::text, true);
    INSERT INTO notification_preferences AS p (tenant_id, user_id, choices)
    SELECT m.tenant_id, m.user_id, (
        SELECT jsonb_object_agg(kind, '{"mail": false}'::jsonb) FROM unnest(kinds) AS kind
    )
    FROM memberships m WHERE m.tenant_id = wanted_tenant AND m.user_id = wanted_user
    ON CONFLICT (tenant_id, user_id) DO UPDATE
    SET choices = p.choices || (
            SELECT jsonb_object_agg(
                kind, coalesce(p.choices -> kind, '{}') || '{"mail": false}'::jsonb)
            FROM unnest(kinds) AS kind
        ),
        updated_at = now();
    is_done := FOUND;
    IF is_done THEN
        UPDATE notifications SET mail_due_at = NULL
        WHERE tenant_id = wanted_tenant AND user_id = wanted_user AND mail_due_at IS NOT NULL;
        INSERT INTO audit_log (tenant_id, id, actor, action, resource)
        VALUES (wanted_tenant, audit_id, 'user:' || wanted_user, 'mail_turned_off',
                'user:' || wanted_user);
    END IF;
    PERFORM set_config('app.tenant_id', outer_tenant, true);
    RETURN is_done;
END
$$;

REVOKE ALL ON FUNCTION find_mail_addressee(uuid, uuid) FROM PUBLIC;
REVOKE ALL ON FUNCTION list_job_titles(uuid, uuid[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION turn_mail_off(uuid, uuid, text[], uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION turn_mail_off(uuid, uuid, text[], uuid) TO portal_app;

CREATE POLICY look_ups ON notification_preferences FOR SELECT TO portal_search USING (true);
CREATE POLICY look_ups ON notifications FOR SELECT TO portal_search USING (true);
GRANT SELECT ON notification_preferences TO portal_search;
GRANT SELECT (tenant_id, user_id, mail_due_at) ON notifications TO portal_search;

GRANT CREATE ON SCHEMA public TO portal_search;
ALTER FUNCTION find_mail_addressee(uuid, uuid) OWNER TO portal_search;
ALTER FUNCTION list_job_titles(uuid, uuid[]) OWNER TO portal_search;
REVOKE CREATE ON SCHEMA public FROM portal_search;
SET LOCAL ROLE portal_search;
GRANT EXECUTE ON FUNCTION find_mail_addressee(uuid, uuid) TO portal_worker;
GRANT EXECUTE ON FUNCTION list_job_titles(uuid, uuid[]) TO portal_worker;
RESET ROLE;
