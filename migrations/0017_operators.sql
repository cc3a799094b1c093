-- Platform operators: they see which tenants there are and whether they may work, never what is in
-- them. What they do to a tenant stands in that tenant's own trail.
CREATE POLICY platform ON tenants FOR SELECT TO portal_ops USING (true);
CREATE POLICY platform_status ON tenants FOR UPDATE TO portal_ops
    USING (status IN ('active', 'suspended')) WITH CHECK (status IN ('active', 'suspended'));
GRANT SELECT (id, org_id, slug, name, status, plan, created_at, updated_at) ON tenants
    TO portal_ops;
GRANT UPDATE (status, updated_at) ON tenants TO portal_ops;

CREATE POLICY platform ON outbox FOR INSERT TO portal_ops
    WITH CHECK (kind IN ('tenant.suspended', 'tenant.resumed'));
CREATE POLICY platform_own ON outbox FOR SELECT TO portal_ops
    USING (kind IN ('tenant.suspended', 'tenant.resumed'));
GRANT INSERT ON outbox TO portal_ops;
GRANT SELECT (tenant_id, id, kind, at) ON outbox TO portal_ops;

CREATE POLICY platform ON audit_log FOR INSERT TO portal_ops
    WITH CHECK (starts_with(actor, 'operator:'));
GRANT INSERT ON audit_log TO portal_ops;
GRANT SELECT ON _sqlx_migrations TO portal_ops;

-- An operator who looks at the portal as a member does. It belongs to one of the operator's own
-- sessions, which stays what it is: whatever is lost, nobody gains by it.
CREATE TABLE impersonations (
    id uuid NOT NULL,
    -- SHA-256 of what only the operator's session knows.
    session_hash bytea NOT NULL,
    operator_id uuid NOT NULL,
    member_tenant uuid NOT NULL,
    member_id uuid NOT NULL,
    reason text NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    ends_at timestamptz NOT NULL,
    ended_at timestamptz,
    CONSTRAINT impersonations_pkey PRIMARY KEY (id),
    CONSTRAINT impersonations_operator_fkey FOREIGN KEY (operator_id) REFERENCES users (id),
    CONSTRAINT impersonations_tenant_fkey FOREIGN KEY (member_tenant) REFERENCES tenants (id),
    CONSTRAINT impersonations_member_fkey FOREIGN KEY (member_id) REFERENCES users (id),
    CONSTRAINT impersonations_session_hash_check CHECK (length(session_hash) = 32),
    CONSTRAINT impersonations_reason_check CHECK (length(reason) BETWEEN 10 AND 500),
    CONSTRAINT impersonations_end_check CHECK (ends_at <= started_at + interval '30 minutes')
);
-- A session is in one place at a time.
CREATE UNIQUE INDEX impersonations_session_key ON impersonations (session_hash)
    WHERE ended_at IS NULL;

ALTER TABLE impersonations ENABLE ROW LEVEL SECURITY;
ALTER TABLE impersonations FORCE ROW LEVEL SECURITY;
CREATE POLICY provisioning ON impersonations TO portal_owner USING (true) WITH CHECK (true);
CREATE POLICY platform ON impersonations TO portal_ops USING (true) WITH CHECK (true);
CREATE POLICY look_ups ON impersonations FOR SELECT TO portal_search USING (true);
GRANT SELECT, INSERT ON impersonations TO portal_ops;
GRANT UPDATE (ended_at) ON impersonations TO portal_ops;
GRANT SELECT ON impersonations TO portal_search;

-- A member by the address that they gave to the support: operators have no list of members.
CREATE FUNCTION find_member_by_email(wanted_tenant uuid, wanted_email text)
RETURNS TABLE (user_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, public, pg_temp
BEGIN ATOMIC
    SELECT u.id
    FROM tenants t
    JOIN memberships m ON m.tenant_id = t.id
    JOIN users u ON u.id = m.user_id
    WHERE t.id = wanted_tenant AND t.status = 'active' AND u.email_norm = lower(wanted_email)
    ORDER BY u.id
    LIMIT 1;
END;

CREATE FUNCTION resolve_impersonation(wanted bytea)
RETURNS TABLE (
    id uuid, operator_id uuid, tenant_id uuid, org_id text, user_id uuid, subject text,
    user_name text, user_email text, reason text, ends_at timestamptz
)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, public, pg_temp
BEGIN ATOMIC
    SELECT i.id, i.operator_id, t.id, t.org_id, u.id, u.subject, u.name, u.email_norm, i.reason,
           i.ends_at
    FROM impersonations i
    JOIN tenants t ON t.id = i.member_tenant
    JOIN users u ON u.id = i.member_id
    WHERE i.session_hash = wanted AND i.ended_at IS NULL AND i.ends_at > now();
END;

REVOKE ALL ON FUNCTION find_member_by_email(uuid, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION resolve_impersonation(bytea) FROM PUBLIC;
GRANT CREATE ON SCHEMA public TO portal_search;
ALTER FUNCTION find_member_by_email(uuid, text) OWNER TO portal_search;
ALTER FUNCTION resolve_impersonation(bytea) OWNER TO portal_search;
REVOKE CREATE ON SCHEMA public FROM portal_search;
SET LOCAL ROLE portal_search;
GRANT EXECUTE ON FUNCTION find_member_by_email(uuid, text) TO portal_ops;
GRANT EXECUTE ON FUNCTION resolve_impersonation(bytea) TO portal_ops;
RESET ROLE;
