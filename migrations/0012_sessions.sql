-- Who is signed in where: the truth about sessions. Redis holds copies of it, which may be lost and
-- are never asked whether a session has ended. A row is kept after its end, so that whoever still
-- holds a copy can be told.
CREATE TABLE sessions (
    tenant_id uuid NOT NULL,
    -- What the person's other devices may know of it.
    handle uuid NOT NULL,
    -- SHA-256 of the cookie's value: a dump of this table signs nobody in.
    sid_hash bytea NOT NULL,
    user_id uuid NOT NULL,
    -- That of session_epochs when it began; it ends when the epoch moves on.
    epoch bigint NOT NULL,
    csrf_token text NOT NULL,
    subject text NOT NULL,
    idp_issuer text NOT NULL,
    idp_sid text,
    agent text NOT NULL DEFAULT '',
    address text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    -- Coarse: written every few minutes while the session is in use.
    touched_at timestamptz NOT NULL DEFAULT now(),
    absolute_expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    revoked_for text,
    -- The identity provider's tokens, sealed; each refresh makes a new version.
    tokens bytea,
    tokens_version integer NOT NULL DEFAULT 0,
    access_expires_at timestamptz,
    -- Whoever refreshes them now, and until when nobody else may try.
    refresh_lock uuid,
    refresh_not_before timestamptz,
    CONSTRAINT sessions_pkey PRIMARY KEY (tenant_id, handle),
    CONSTRAINT sessions_sid_hash_key UNIQUE (tenant_id, sid_hash),
    CONSTRAINT sessions_tenant_fkey FOREIGN KEY (tenant_id) REFERENCES tenants (id),
    CONSTRAINT sessions_user_fkey FOREIGN KEY (user_id) REFERENCES users (id),
    CONSTRAINT sessions_sid_hash_check CHECK (length(sid_hash) = 32),
    CONSTRAINT sessions_csrf_token_check CHECK (length(csrf_token) BETWEEN 16 AND 128),
    CONSTRAINT sessions_subject_check CHECK (length(subject) BETWEEN 1 AND 255),
    CONSTRAINT sessions_idp_issuer_check CHECK (length(idp_issuer) BETWEEN 1 AND 2048),
    CONSTRAINT sessions_idp_sid_check CHECK (length(idp_sid) BETWEEN 1 AND 512),
    CONSTRAINT sessions_agent_check CHECK (length(agent) <= 100),
    CONSTRAINT sessions_address_check CHECK (length(address) <= 64),
    CONSTRAINT sessions_revoked_check CHECK ((revoked_at IS NULL) = (revoked_for IS NULL)),
    CONSTRAINT sessions_tokens_check CHECK (length(tokens) <= 65536)
);
-- Before the tenant is known: by cookie, by the identity provider's session, by its subject.
CREATE INDEX sessions_sid_idx ON sessions (sid_hash);
CREATE INDEX sessions_idp_sid_idx ON sessions (idp_issuer, idp_sid) WHERE idp_sid IS NOT NULL;
CREATE INDEX sessions_subject_idx ON sessions (subject);
-- A person's devices.
CREATE INDEX sessions_user_idx ON sessions (tenant_id, user_id, created_at);
-- What is over and may be cleared away.
CREATE INDEX sessions_end_idx ON sessions (absolute_expires_at);

-- Grows when all of a person's sessions in a tenant end. A sign-in that runs at the same moment and
-- has not seen that is over before it is used.
CREATE TABLE session_epochs (
    tenant_id uuid NOT NULL,
    user_id uuid NOT NULL,
    epoch bigint NOT NULL,
    CONSTRAINT session_epochs_pkey PRIMARY KEY (tenant_id, user_id),
    CONSTRAINT session_epochs_tenant_fkey FOREIGN KEY (tenant_id) REFERENCES tenants (id),
    CONSTRAINT session_epochs_user_fkey FOREIGN KEY (user_id) REFERENCES users (id)
);

ALTER TABLE sessions ENABLE ROW LEVEL SECURITY;
ALTER TABLE sessions FORCE ROW LEVEL SECURITY;
ALTER TABLE session_epochs ENABLE ROW LEVEL SECURITY;
ALTER TABLE session_epochs FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON sessions TO portal_app, portal_owner
    USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
CREATE POLICY tenant_isolation ON session_epochs TO portal_app, portal_owner
    USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
CREATE POLICY look_ups ON sessions FOR SELECT TO portal_search USING (true);
CREATE POLICY look_ups ON session_epochs FOR SELECT TO portal_search USING (true);
CREATE POLICY across_tenants ON sessions TO portal_worker USING (true);

GRANT SELECT, INSERT, UPDATE ON sessions, session_epochs TO portal_app;
-- Neither the look-ups nor the workers see tokens.
GRANT SELECT (tenant_id, handle, sid_hash, user_id, epoch, csrf_token, subject, idp_issuer, idp_sid,
              created_at, touched_at, absolute_expires_at, revoked_at, access_expires_at)
    ON sessions TO portal_search;
GRANT SELECT ON session_epochs TO portal_search;
GRANT SELECT (tenant_id, handle, absolute_expires_at), DELETE ON sessions TO portal_worker;

-- The session of a cookie, while it lasts. Idleness is the caller's to judge: how much of it is
-- allowed is a setting.
CREATE FUNCTION resolve_session(wanted bytea)
RETURNS TABLE (
    tenant_id uuid, org_id text, handle uuid, user_id uuid, user_name text, user_email text,
    subject text, idp_sid text, csrf_token text, created_at timestamptz, touched_at timestamptz,
    absolute_expires_at timestamptz, access_expires_at timestamptz
)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, public, pg_temp
BEGIN ATOMIC
    SELECT s.tenant_id, t.org_id, s.handle, s.user_id, u.name, u.email_norm, s.subject, s.idp_sid,
           s.csrf_token, s.created_at, s.touched_at, s.absolute_expires_at, s.access_expires_at
    FROM sessions s
    JOIN tenants t ON t.id = s.tenant_id
    JOIN users u ON u.id = s.user_id
    LEFT JOIN session_epochs e ON e.tenant_id = s.tenant_id AND e.user_id = s.user_id
    WHERE s.sid_hash = wanted AND s.revoked_at IS NULL AND s.absolute_expires_at > now()
      AND s.epoch = coalesce(e.epoch, 0);
END;

-- Where somebody is signed in, for a logout that comes from the identity provider.
CREATE FUNCTION find_sessions_by_idp_sid(wanted_issuer text, wanted_sid text)
RETURNS TABLE (tenant_id uuid, org_id text, user_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 2
SET search_path = pg_catalog, public, pg_temp
BEGIN ATOMIC
    SELECT DISTINCT s.tenant_id, t.org_id, s.user_id
    FROM sessions s
    JOIN tenants t ON t.id = s.tenant_id
    WHERE s.idp_issuer = wanted_issuer AND s.idp_sid = wanted_sid
      AND s.revoked_at IS NULL AND s.absolute_expires_at > now();
END;

CREATE FUNCTION find_sessions_by_subject(wanted_subject text)
RETURNS TABLE (tenant_id uuid, org_id text, user_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 2
SET search_path = pg_catalog, public, pg_temp
BEGIN ATOMIC
    SELECT DISTINCT s.tenant_id, t.org_id, s.user_id
    FROM sessions s
    JOIN tenants t ON t.id = s.tenant_id
    WHERE s.subject = wanted_subject
      AND s.revoked_at IS NULL AND s.absolute_expires_at > now();
END;

-- Writes down that a session is in use, wherever it is. The owner owns it, as it does sign-ins: the
-- caller is in no tenant yet.
CREATE FUNCTION touch_session(wanted bytea)
RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
    found_tenant uuid;
    outer_tenant constant text := coalesce(current_setting('app.tenant_id', true), '');
BEGIN
    SELECT r.tenant_id INTO found_tenant FROM resolve_session(wanted) r;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    PERFORM set_config('app.tenant_id', found_tenant::text, true);
    UPDATE sessions s SET touched_at = now()
    WHERE s.tenant_id = found_tenant AND s.sid_hash = wanted AND s.touched_at < now()
      AND s.revoked_at IS NULL;
    PERFORM set_config('app.tenant_id', outer_tenant, true);
END
$$;

REVOKE ALL ON FUNCTION resolve_session(bytea) FROM PUBLIC;
REVOKE ALL ON FUNCTION find_sessions_by_idp_sid(text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION find_sessions_by_subject(text) FROM PUBLIC;
REVOKE ALL ON FUNCTION touch_session(bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION touch_session(bytea) TO portal_app;

GRANT CREATE ON SCHEMA public TO portal_search;
ALTER FUNCTION resolve_session(bytea) OWNER TO portal_search;
ALTER FUNCTION find_sessions_by_idp_sid(text, text) OWNER TO portal_search;
ALTER FUNCTION find_sessions_by_subject(text) OWNER TO portal_search;
REVOKE CREATE ON SCHEMA public FROM portal_search;
SET LOCAL ROLE portal_search;
GRANT EXECUTE ON FUNCTION resolve_session(bytea) TO portal_app, portal_owner;
GRANT EXECUTE ON FUNCTION find_sessions_by_idp_sid(text, text) TO portal_app;
GRANT EXECUTE ON FUNCTION find_sessions_by_subject(text) TO portal_app;
RESET ROLE;
