-- Keys for machines. The key itself is kept by nobody: what is stored is its public beginning, to
-- find it by, and the SHA-256 of the whole.
CREATE TABLE api_keys (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    prefix text NOT NULL,
    key_sha256 bytea NOT NULL,
    name text NOT NULL,
    scopes text[] NOT NULL,
    -- The member whose power the key is a part of; without a membership it has none.
    created_by uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    -- Coarse: written some time after the use.
    last_used_at timestamptz,
    revoked_at timestamptz,
    CONSTRAINT api_keys_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT api_keys_prefix_key UNIQUE (tenant_id, prefix),
    CONSTRAINT api_keys_tenant_fkey FOREIGN KEY (tenant_id) REFERENCES tenants (id),
    CONSTRAINT api_keys_created_by_fkey FOREIGN KEY (created_by) REFERENCES users (id),
    CONSTRAINT api_keys_prefix_check CHECK (prefix ~ '^epk_[0-9A-Za-z]{12}$'),
    CONSTRAINT api_keys_key_sha256_check CHECK (octet_length(key_sha256) = 32),
    CONSTRAINT api_keys_name_check CHECK (length(name) BETWEEN 1 AND 100),
    CONSTRAINT api_keys_scopes_check CHECK (cardinality(scopes) BETWEEN 1 AND 32)
);
-- Before the tenant is known.
CREATE INDEX api_keys_prefix_idx ON api_keys (prefix);

ALTER TABLE api_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE api_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON api_keys TO portal_app, portal_owner
    USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
CREATE POLICY look_ups ON api_keys FOR SELECT TO portal_search USING (true);
CREATE POLICY across_tenants ON api_keys TO portal_worker USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE (revoked_at) ON api_keys TO portal_app;
GRANT SELECT ON api_keys TO portal_search;
-- Workers write down the use of keys; neither hashes nor names are for them.
GRANT SELECT (tenant_id, id, last_used_at), UPDATE (last_used_at) ON api_keys TO portal_worker;

-- The keys that begin like this and are in force, each with what its creator is now.
CREATE FUNCTION resolve_api_keys(wanted_prefix text)
RETURNS TABLE (
    tenant_id uuid, org_id text, tenant_status text, key_id uuid, key_sha256 bytea, scopes text[],
    creator uuid, creator_role text, expires_at timestamptz
)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, public, pg_temp
BEGIN ATOMIC
    SELECT t.id, t.org_id, t.status, k.id, k.key_sha256, k.scopes, k.created_by, m.role,
           k.expires_at
    FROM api_keys k
    JOIN tenants t ON t.id = k.tenant_id
    JOIN memberships m ON m.tenant_id = k.tenant_id AND m.user_id = k.created_by
    WHERE k.prefix = wanted_prefix AND k.revoked_at IS NULL AND t.status <> 'archived'
    LIMIT 10;
END;

-- The tenant of an organization, for machines that the identity provider vouches for.
CREATE FUNCTION resolve_tenant(wanted_org_id text)
RETURNS TABLE (tenant_id uuid, tenant_status text)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, public, pg_temp
BEGIN ATOMIC
    SELECT t.id, t.status FROM tenants t
    WHERE t.org_id = wanted_org_id AND t.status <> 'archived';
END;

REVOKE ALL ON FUNCTION resolve_api_keys(text) FROM PUBLIC;
REVOKE ALL ON FUNCTION resolve_tenant(text) FROM PUBLIC;
GRANT CREATE ON SCHEMA public TO portal_search;
ALTER FUNCTION resolve_api_keys(text) OWNER TO portal_search;
ALTER FUNCTION resolve_tenant(text) OWNER TO portal_search;
REVOKE CREATE ON SCHEMA public FROM portal_search;
SET LOCAL ROLE portal_search;
GRANT EXECUTE ON FUNCTION resolve_api_keys(text) TO portal_app;
GRANT EXECUTE ON FUNCTION resolve_tenant(text) TO portal_app;
RESET ROLE;
