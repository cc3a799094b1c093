-- Files of figures that somebody asked for: the queue of what is to be made, and afterwards what is
-- kept. The file itself is in the file store, under a name made of tenant, export and attempt.
CREATE TABLE exports (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    created_by uuid NOT NULL,
    state text NOT NULL DEFAULT 'queued',
    failed_for text,
    -- What was asked for. The days and the zone are those of when it was; the job may be gone by now.
    first_day date NOT NULL,
    last_day date NOT NULL,
    time_zone text NOT NULL,
    grain text NOT NULL,
    job_id uuid,
    -- As roll-ups have it: empty for those of whom nobody knows.
    source text,
    -- How often somebody began with it; the number of the attempt that holds it while it runs.
    attempts smallint NOT NULL DEFAULT 0,
    -- When it may be taken: to be made, or, once it is over, to be removed. While somebody has it,
    -- when others may believe that they died.
    due_at timestamptz NOT NULL DEFAULT now(),
    bytes bigint,
    lines bigint,
    as_of timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz,
    finished_at timestamptz,
    expires_at timestamptz NOT NULL,
    -- Nobody finds it any more; its file is still to be deleted.
    deleted_at timestamptz,
    CONSTRAINT exports_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT exports_tenant_fkey FOREIGN KEY (tenant_id) REFERENCES tenants (id),
    CONSTRAINT exports_created_by_fkey FOREIGN KEY (created_by) REFERENCES users (id),
    CONSTRAINT exports_state_check CHECK (state IN ('queued', 'running', 'ready', 'failed')),
    CONSTRAINT exports_failed_check CHECK (
        (state = 'failed') = (failed_for IS NOT NULL)
        AND failed_for IN ('not_allowed', 'too_large', 'job_gone', 'gave_up')),
    CONSTRAINT exports_days_check CHECK (first_day <= last_day),
    CONSTRAINT exports_time_zone_check CHECK (length(time_zone) BETWEEN 1 AND 64),
    CONSTRAINT exports_grain_check CHECK (grain IN ('hour', 'day', 'week', 'month')),
    CONSTRAINT exports_source_check CHECK (length(source) <= 50),
    CONSTRAINT exports_finished_check
        CHECK ((state IN ('ready', 'failed')) = (finished_at IS NOT NULL)),
    CONSTRAINT exports_ready_check CHECK ((state = 'ready')
        = (bytes IS NOT NULL AND lines IS NOT NULL AND as_of IS NOT NULL))
);
-- What is to be made. There is little of it: few of one tenant are open at a time.
CREATE INDEX exports_due_idx ON exports (tenant_id, created_at) WHERE state IN ('queued', 'running');
-- What is to be removed.
CREATE INDEX exports_end_idx ON exports (expires_at);
CREATE INDEX exports_deleted_idx ON exports (deleted_at) WHERE deleted_at IS NOT NULL;

ALTER TABLE exports ENABLE ROW LEVEL SECURITY;
ALTER TABLE exports FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON exports TO portal_app, portal_owner
    USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
CREATE POLICY across_tenants ON exports TO portal_worker USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE ON exports TO portal_app;
GRANT SELECT, UPDATE, DELETE ON exports TO portal_worker;
