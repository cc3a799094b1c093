-- What is asked before a tenant is known. portal_search owns the look-ups: it may read members of
-- all tenants, may write nothing and may not log in. An unknown subject or organization gives no
-- row, and so does an archived tenant; a suspended one is shown as such to its members only.
CREATE FUNCTION resolve_membership(wanted_subject text, wanted_org_id text)
RETURNS TABLE (
    tenant_id uuid, org_id text, user_id uuid, role text, role_version integer,
    user_name text, user_email text, tenant_name text, tenant_slug text, tenant_status text,
    time_zone text, locale text, currency text
)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, public, pg_temp
BEGIN ATOMIC
    SELECT t.id, t.org_id, u.id, m.role, m.role_version, u.name, u.email_norm,
           t.name, t.slug, t.status, t.time_zone, t.locale, t.currency
    FROM users u
    JOIN memberships m ON m.user_id = u.id
    JOIN tenants t ON t.id = m.tenant_id
    WHERE u.subject = wanted_subject AND t.org_id = wanted_org_id AND t.status <> 'archived';
END;

CREATE FUNCTION list_organizations(wanted_subject text)
RETURNS TABLE (org_id text, name text, slug text, role text)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 5
SET search_path = pg_catalog, public, pg_temp
BEGIN ATOMIC
    SELECT t.org_id, t.name, t.slug, m.role
    FROM users u
    JOIN memberships m ON m.user_id = u.id
    JOIN tenants t ON t.id = m.tenant_id
    WHERE u.subject = wanted_subject AND t.status = 'active'
    ORDER BY t.name, t.org_id
    LIMIT 500;
END;

-- Takes over what the identity provider says about a member and leaves an audit row. The owner
-- owns it, because the application may not write shared tables; the owner is under the policies
-- too, so the tenant is set for the length of the call.
CREATE FUNCTION record_sign_in(
    wanted_subject text, wanted_org_id text, given_name text, given_email text, audit_id uuid
)
RETURNS SETOF uuid
LANGUAGE plpgsql VOLATILE SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
    member record;
    outer_tenant constant text := coalesce(current_setting('app.tenant_id', true), '');
BEGIN
    SELECT * INTO member FROM resolve_membership(wanted_subject, wanted_org_id);
    IF NOT FOUND THEN
        RETURN;
    END IF;
    UPDATE users u
    SET name = coalesce(nullif(given_name, ''), u.name),
        email_norm = coalesce(nullif(lower(given_email), ''), u.email_norm),
        updated_at = now()
    WHERE u.id = member.user_id
      AND (u.name, u.email_norm) IS DISTINCT FROM (
          coalesce(nullif(given_name, ''), u.name),
          coalesce(nullif(lower(given_email), ''), u.email_norm));
    PERFORM set_config('app.tenant_id', member.tenant_id::text, true);
    INSERT INTO audit_log (tenant_id, id, actor, action, resource)
    VALUES (member.tenant_id, audit_id, 'user:' || member.user_id, 'authn_login_success',
            'user:' || member.user_id);
    PERFORM set_config('app.tenant_id', outer_tenant, true);
    RETURN NEXT member.user_id;
END
$$;

REVOKE ALL ON FUNCTION resolve_membership(text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION list_organizations(text) FROM PUBLIC;
REVOKE ALL ON FUNCTION record_sign_in(text, text, text, text, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION record_sign_in(text, text, text, text, uuid) TO portal_app;

-- A new owner of a function needs CREATE on its schema, for this one statement only. What the old
-- owner was granted goes over with it, so the rights are given by the new one.
GRANT CREATE ON SCHEMA public TO portal_search;
ALTER FUNCTION resolve_membership(text, text) OWNER TO portal_search;
ALTER FUNCTION list_organizations(text) OWNER TO portal_search;
REVOKE CREATE ON SCHEMA public FROM portal_search;
SET LOCAL ROLE portal_search;
GRANT EXECUTE ON FUNCTION resolve_membership(text, text) TO portal_app, portal_owner;
GRANT EXECUTE ON FUNCTION list_organizations(text) TO portal_app;
RESET ROLE;
