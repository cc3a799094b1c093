-- Answers to POST requests that carried an Idempotency-Key, kept to be given again.
CREATE TABLE idempotency_keys (
    tenant_id uuid NOT NULL,
    route text NOT NULL,
    key text NOT NULL,
    body_sha256 bytea NOT NULL,
    status smallint NOT NULL,
    headers jsonb NOT NULL,
    body bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    CONSTRAINT idempotency_keys_pkey PRIMARY KEY (tenant_id, route, key),
    CONSTRAINT idempotency_keys_tenant_fkey FOREIGN KEY (tenant_id) REFERENCES tenants (id),
    CONSTRAINT idempotency_keys_route_check CHECK (length(route) BETWEEN 1 AND 200),
    CONSTRAINT idempotency_keys_key_check CHECK (length(key) BETWEEN 1 AND 255),
    CONSTRAINT idempotency_keys_sha_check CHECK (octet_length(body_sha256) = 32),
    CONSTRAINT idempotency_keys_status_check CHECK (status BETWEEN 100 AND 599),
    CONSTRAINT idempotency_keys_body_check CHECK (octet_length(body) <= 1048576)
);
CREATE INDEX idempotency_keys_expiry_idx ON idempotency_keys (expires_at);

ALTER TABLE idempotency_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE idempotency_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON idempotency_keys TO portal_app, portal_owner
    USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
CREATE POLICY across_tenants ON idempotency_keys TO portal_worker USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE ON idempotency_keys TO portal_app;
GRANT SELECT, DELETE ON idempotency_keys TO portal_worker;
