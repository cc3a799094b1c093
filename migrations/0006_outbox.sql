-- What happened and is not yet told to everybody: written by the transaction that caused it,
-- deleted when it has been told.
CREATE TABLE outbox (
    tenant_id uuid NOT NULL,
    id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    kind text NOT NULL,
    subject uuid,
    payload jsonb NOT NULL DEFAULT '{}',
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT outbox_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT outbox_tenant_fkey FOREIGN KEY (tenant_id) REFERENCES tenants (id),
    CONSTRAINT outbox_kind_check CHECK (kind ~ '^[a-z_]+\.[a-z_]+$')
);
-- Told in the order in which it was written, over all tenants.
CREATE INDEX outbox_order_idx ON outbox (id);
-- Rows live for milliseconds; without this, dead ones outnumber live ones by far.
ALTER TABLE outbox SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

ALTER TABLE outbox ENABLE ROW LEVEL SECURITY;
ALTER TABLE outbox FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON outbox TO portal_app, portal_owner
    USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
CREATE POLICY across_tenants ON outbox TO portal_worker USING (true) WITH CHECK (true);

GRANT SELECT, INSERT ON outbox TO portal_app;
-- UPDATE is for row locks; nothing changes a row.
GRANT SELECT, INSERT, UPDATE, DELETE ON outbox TO portal_worker;
