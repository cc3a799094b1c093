-- For which request and from where a row was written, what came of it, and how many deeds it stands
-- for. The request and the address come with the transaction, so that whatever writes a row in it
-- need not know of them.
ALTER TABLE audit_log
    ADD COLUMN request_id uuid DEFAULT nullif(current_setting('app.request_id', true), '')::uuid,
    ADD COLUMN result text NOT NULL DEFAULT 'done',
    ADD COLUMN repeats integer NOT NULL DEFAULT 1,
    ADD CONSTRAINT audit_log_result_check CHECK (result IN ('done', 'refused', 'failed')),
    ADD CONSTRAINT audit_log_repeats_check CHECK (repeats >= 1),
    ALTER COLUMN ip SET DEFAULT nullif(current_setting('app.client_ip', true), '')::inet;

-- What happens before a tenant is known, or where there is none. Shared: no tenant's data is in it.
-- Append only for all roles of the running portal but the worker, which forgets what is old.
CREATE TABLE security_log (
    id uuid NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    actor text NOT NULL,
    action text NOT NULL,
    resource text NOT NULL,
    result text NOT NULL,
    repeats integer NOT NULL DEFAULT 1,
    request_id uuid,
    ip inet,
    detail jsonb NOT NULL DEFAULT '{}',
    CONSTRAINT security_log_pkey PRIMARY KEY (id),
    CONSTRAINT security_log_actor_check CHECK (length(actor) BETWEEN 1 AND 200),
    CONSTRAINT security_log_action_check CHECK (length(action) BETWEEN 1 AND 100),
    CONSTRAINT security_log_resource_check CHECK (length(resource) BETWEEN 1 AND 300),
    CONSTRAINT security_log_result_check CHECK (result IN ('done', 'refused', 'failed')),
    CONSTRAINT security_log_repeats_check CHECK (repeats >= 1)
);
CREATE INDEX security_log_at_idx ON security_log (at);

ALTER TABLE security_log ENABLE ROW LEVEL SECURITY;
ALTER TABLE security_log FORCE ROW LEVEL SECURITY;
CREATE POLICY provisioning ON security_log TO portal_owner USING (true) WITH CHECK (true);
CREATE POLICY across_tenants ON security_log TO portal_worker USING (true) WITH CHECK (true);
CREATE POLICY across_tenants_read ON security_log FOR SELECT TO portal_ops USING (true);

-- SELECT is for finding what is old; the worker reads nothing else of it.
GRANT INSERT, DELETE ON security_log TO portal_worker;
GRANT SELECT (id, at) ON security_log TO portal_worker;
GRANT SELECT ON security_log TO portal_ops;
