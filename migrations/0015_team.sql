-- The team of a tenant changes through the portal: the application writes memberships, inside the
-- walls of row level security. People stay shared, and are made by a function alone.
ALTER TABLE memberships ADD COLUMN roles_as_of timestamptz;
COMMENT ON COLUMN memberships.roles_as_of IS
    'The time of the newest event of the identity provider that the role accounts for';
GRANT INSERT, DELETE ON memberships TO portal_app;
GRANT UPDATE (role, role_version, roles_as_of, updated_at) ON memberships TO portal_app;

-- Somebody is asked to join. The ticket comes back with the sign-in; only its SHA-256 is kept.
CREATE TABLE invitations (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    email_norm text NOT NULL,
    role text NOT NULL,
    ticket_hash bytea NOT NULL,
    provider_id text NOT NULL,
    invited_by uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    accepted_at timestamptz,
    accepted_by uuid,
    withdrawn_at timestamptz,
    CONSTRAINT invitations_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT invitations_ticket_key UNIQUE (tenant_id, ticket_hash),
    CONSTRAINT invitations_tenant_fkey FOREIGN KEY (tenant_id) REFERENCES tenants (id),
    CONSTRAINT invitations_invited_by_fkey FOREIGN KEY (invited_by) REFERENCES users (id),
    CONSTRAINT invitations_accepted_by_fkey FOREIGN KEY (accepted_by) REFERENCES users (id),
    CONSTRAINT invitations_email_norm_check
        CHECK (email_norm = lower(email_norm) AND length(email_norm) BETWEEN 3 AND 320),
    CONSTRAINT invitations_role_check
        CHECK (role IN ('owner', 'admin', 'recruiter', 'hiring_manager', 'viewer')),
    CONSTRAINT invitations_ticket_hash_check CHECK (length(ticket_hash) = 32),
    CONSTRAINT invitations_provider_id_check CHECK (length(provider_id) BETWEEN 1 AND 128),
    CONSTRAINT invitations_end_check CHECK (accepted_at IS NULL OR withdrawn_at IS NULL),
    CONSTRAINT invitations_accepted_check CHECK ((accepted_at IS NULL) = (accepted_by IS NULL))
);
-- One address is invited once at a time. Whoever invites again withdraws what has expired.
CREATE UNIQUE INDEX invitations_open_key ON invitations (tenant_id, email_norm)
    WHERE accepted_at IS NULL AND withdrawn_at IS NULL;

ALTER TABLE invitations ENABLE ROW LEVEL SECURITY;
ALTER TABLE invitations FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON invitations TO portal_app, portal_owner
    USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
GRANT SELECT, INSERT ON invitations TO portal_app;
GRANT UPDATE (accepted_at, accepted_by, withdrawn_at) ON invitations TO portal_app;

-- What the identity provider has sent and must not count twice: ids of logout tokens and of
-- events, as hashes, for as long as a repetition is possible. Nobody reads it but the functions.
CREATE TABLE provider_messages (
    kind text NOT NULL,
    id_hash bytea NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT provider_messages_pkey PRIMARY KEY (kind, id_hash),
    CONSTRAINT provider_messages_kind_check CHECK (kind ~ '^[a-z_]{1,32}$'),
    CONSTRAINT provider_messages_id_hash_check CHECK (length(id_hash) = 32)
);
CREATE INDEX provider_messages_expiry_idx ON provider_messages (expires_at);
ALTER TABLE provider_messages ENABLE ROW LEVEL SECURITY;
ALTER TABLE provider_messages FORCE ROW LEVEL SECURITY;
CREATE POLICY functions_only ON provider_messages TO portal_owner USING (true) WITH CHECK (true);

CREATE FUNCTION is_provider_message_known(wanted_kind text, wanted_hash bytea)
RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
BEGIN ATOMIC
    SELECT EXISTS (
        SELECT 1 FROM provider_messages p
        WHERE p.kind = wanted_kind AND p.id_hash = wanted_hash AND p.expires_at > now()
    );
END;

-- True where the message was not known before. Clears away some of what has expired.
CREATE FUNCTION remember_provider_message(given_kind text, given_hash bytea, until timestamptz)
RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
    DELETE FROM provider_messages p USING (
        SELECT kind, id_hash FROM provider_messages WHERE expires_at <= now()
        ORDER BY expires_at LIMIT 100 FOR UPDATE SKIP LOCKED
    ) expired
    WHERE p.kind = expired.kind AND p.id_hash = expired.id_hash;
    INSERT INTO provider_messages AS p (kind, id_hash, expires_at)
    VALUES (given_kind, given_hash, until)
    ON CONFLICT (kind, id_hash) DO UPDATE SET expires_at = excluded.expires_at
    WHERE p.expires_at <= now();
    RETURN FOUND;
END
$$;

-- The person behind a subject who has just signed in, made where there is none.
CREATE FUNCTION provision_user(
    new_id uuid, wanted_subject text, given_name text, given_email text
)
RETURNS uuid
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
    INSERT INTO users (id, subject, name, email_norm)
    VALUES (new_id, wanted_subject, given_name, lower(given_email))
    ON CONFLICT (subject) DO NOTHING;
    RETURN (SELECT u.id FROM users u WHERE u.subject = wanted_subject);
END
$$;

-- The tenant of an organization, before the person who comes from there is a member of it.
CREATE FUNCTION resolve_organization(wanted_org_id text)
RETURNS TABLE (tenant_id uuid, status text)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, public, pg_temp
BEGIN ATOMIC
    SELECT t.id, t.status FROM tenants t
    WHERE t.org_id = wanted_org_id AND t.status <> 'archived';
END;

REVOKE ALL ON FUNCTION is_provider_message_known(text, bytea) FROM PUBLIC;
REVOKE ALL ON FUNCTION remember_provider_message(text, bytea, timestamptz) FROM PUBLIC;
REVOKE ALL ON FUNCTION provision_user(uuid, text, text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION resolve_organization(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION is_provider_message_known(text, bytea) TO portal_app;
GRANT EXECUTE ON FUNCTION remember_provider_message(text, bytea, timestamptz) TO portal_app;
GRANT EXECUTE ON FUNCTION provision_user(uuid, text, text, text) TO portal_app;

GRANT CREATE ON SCHEMA public TO portal_search;
ALTER FUNCTION resolve_organization(text) OWNER TO portal_search;
REVOKE CREATE ON SCHEMA public FROM portal_search;
SET LOCAL ROLE portal_search;
GRANT EXECUTE ON FUNCTION resolve_organization(text) TO portal_app;
RESET ROLE;
