-- A person, across all tenants; `subject` is the identity provider's name for them.
CREATE TABLE users (
    id uuid NOT NULL,
    subject text NOT NULL,
    name text NOT NULL,
    email_norm text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT users_pkey PRIMARY KEY (id),
    CONSTRAINT users_subject_key UNIQUE (subject),
    CONSTRAINT users_subject_check CHECK (length(subject) BETWEEN 1 AND 255),
    CONSTRAINT users_name_check CHECK (length(name) BETWEEN 1 AND 200),
    CONSTRAINT users_email_norm_check CHECK (email_norm = lower(email_norm) AND length(email_norm) <= 320)
);

-- Who belongs to which tenant, as what. `role_version` grows with every change of the role.
CREATE TABLE memberships (
    tenant_id uuid NOT NULL,
    user_id uuid NOT NULL,
    role text NOT NULL,
    role_version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT memberships_pkey PRIMARY KEY (tenant_id, user_id),
    CONSTRAINT memberships_tenant_fkey FOREIGN KEY (tenant_id) REFERENCES tenants (id),
    CONSTRAINT memberships_user_fkey FOREIGN KEY (user_id) REFERENCES users (id),
    CONSTRAINT memberships_role_check
        CHECK (role IN ('owner', 'admin', 'recruiter', 'hiring_manager', 'viewer'))
);
-- A person's organizations, before any tenant is known.
CREATE INDEX memberships_user_idx ON memberships (user_id, tenant_id);

ALTER TABLE memberships ENABLE ROW LEVEL SECURITY;
ALTER TABLE memberships FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON memberships TO portal_app, portal_owner
    USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
CREATE POLICY across_tenants ON memberships FOR SELECT TO portal_search USING (true);

ALTER TABLE users ENABLE ROW LEVEL SECURITY;
ALTER TABLE users FORCE ROW LEVEL SECURITY;
CREATE POLICY provisioning ON users TO portal_owner USING (true) WITH CHECK (true);
CREATE POLICY fellow_members ON users FOR SELECT TO portal_app
    USING (EXISTS (
        SELECT 1 FROM memberships m
        WHERE m.tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid
          AND m.user_id = users.id
    ));
CREATE POLICY across_tenants ON users FOR SELECT TO portal_search USING (true);

GRANT SELECT ON users, memberships TO portal_app, portal_search;
