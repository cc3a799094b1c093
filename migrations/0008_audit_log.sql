-- Who did what, when and from where. Append only: no role of the running portal may change or
-- delete a row.
CREATE TABLE audit_log (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    actor text NOT NULL,
    action text NOT NULL,
    resource text NOT NULL,
    detail jsonb NOT NULL DEFAULT '{}',
    ip inet,
    CONSTRAINT audit_log_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT audit_log_tenant_fkey FOREIGN KEY (tenant_id) REFERENCES tenants (id),
    CONSTRAINT audit_log_actor_check CHECK (length(actor) BETWEEN 1 AND 200),
    CONSTRAINT audit_log_action_check CHECK (length(action) BETWEEN 1 AND 100),
    CONSTRAINT audit_log_resource_check CHECK (length(resource) BETWEEN 1 AND 300)
);
CREATE INDEX audit_log_at_idx ON audit_log (tenant_id, at, id);

ALTER TABLE audit_log ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_log FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON audit_log TO portal_app, portal_owner
    USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
CREATE POLICY across_tenants ON audit_log FOR INSERT TO portal_worker WITH CHECK (true);

GRANT SELECT, INSERT ON audit_log TO portal_app;
GRANT INSERT ON audit_log TO portal_worker;
