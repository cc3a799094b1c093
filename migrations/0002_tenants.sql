-- One employer, and one Auth0 organization, a row. Shared: it has no tenant_id, it is the tenant.
CREATE TABLE tenants (
    id uuid NOT NULL,
    org_id text NOT NULL,
    slug text NOT NULL,
    name text NOT NULL,
    status text NOT NULL DEFAULT 'active',
    time_zone text NOT NULL DEFAULT 'UTC',
    locale text NOT NULL DEFAULT 'en',
    currency text NOT NULL DEFAULT 'USD',
    pay_range_required boolean NOT NULL DEFAULT false,
    plan text NOT NULL DEFAULT 'standard',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT tenants_pkey PRIMARY KEY (id),
    CONSTRAINT tenants_org_id_key UNIQUE (org_id),
    CONSTRAINT tenants_slug_key UNIQUE (slug),
    CONSTRAINT tenants_org_id_check CHECK (org_id ~ '^org_[A-Za-z0-9]{1,64}$'),
    CONSTRAINT tenants_slug_check CHECK (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$' AND length(slug) <= 63),
    CONSTRAINT tenants_name_check CHECK (length(name) BETWEEN 1 AND 200),
    CONSTRAINT tenants_status_check CHECK (status IN ('active', 'suspended', 'archived')),
    CONSTRAINT tenants_currency_check CHECK (currency ~ '^[A-Z]{3}$'),
    CONSTRAINT tenants_plan_check CHECK (plan ~ '^[a-z][a-z_]{0,31}$')
);

ALTER TABLE tenants ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenants FORCE ROW LEVEL SECURITY;

-- Tenants are made by the owner (provisioning); the application sees the one it acts in.
CREATE POLICY provisioning ON tenants TO portal_owner USING (true) WITH CHECK (true);
CREATE POLICY own_tenant ON tenants FOR SELECT TO portal_app
    USING (id = nullif(current_setting('app.tenant_id', true), '')::uuid);
CREATE POLICY across_tenants ON tenants FOR SELECT TO portal_worker, portal_search USING (true);

GRANT SELECT ON tenants TO portal_app, portal_worker, portal_search;
