-- Comparisons of the figures with the log of events, over all tenants. Whoever writes the row of a
-- time makes that comparison; the others read what came of it.
CREATE TABLE rollup_audits (
    due_at timestamptz NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    compared bigint,
    drifting bigint,
    CONSTRAINT rollup_audits_pkey PRIMARY KEY (due_at),
    CONSTRAINT rollup_audits_finished_check
        CHECK ((finished_at IS NULL) = (compared IS NULL) AND (compared IS NULL) = (drifting IS NULL))
);
ALTER TABLE rollup_audits ENABLE ROW LEVEL SECURITY;
ALTER TABLE rollup_audits FORCE ROW LEVEL SECURITY;
CREATE POLICY workers_only ON rollup_audits TO portal_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON rollup_audits TO portal_worker;

-- What is compared is looked for by time.
CREATE INDEX event_log_occurred_idx ON event_log (tenant_id, occurred_at);
