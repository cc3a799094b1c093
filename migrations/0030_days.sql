-- Sums by the day of the tenant's own zone, made from the quarters of an hour once nothing should be
-- added to them any more. A day that is built has all its sums, so that a report may take them in
-- place of the quarters wherever the whole day counts to one step of it.

-- When somebody should look after a tenant's days, and the lock under which they are built.
CREATE TABLE metric_day_work (
    tenant_id uuid NOT NULL,
    -- The zone that its days were last looked after in.
    time_zone text,
    due_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT metric_day_work_pkey PRIMARY KEY (tenant_id),
    CONSTRAINT metric_day_work_tenant_fkey FOREIGN KEY (tenant_id) REFERENCES tenants (id)
);

-- The days that are built, from `starts_at` until `ends_at`, whatever zone that is a day in.
CREATE TABLE metric_built_days (
    tenant_id uuid NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    built_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT metric_built_days_pkey PRIMARY KEY (tenant_id, starts_at),
    CONSTRAINT metric_built_days_work_fkey
        FOREIGN KEY (tenant_id) REFERENCES metric_day_work (tenant_id),
    -- Where a calendar repeats a date, a day has 48 hours.
    CONSTRAINT metric_built_days_length_check
        CHECK (ends_at > starts_at AND ends_at - starts_at <= interval '48 hours')
);

-- Their sums, as detailed as the quarters are.
CREATE TABLE metric_days (
    tenant_id uuid NOT NULL,
    starts_at timestamptz NOT NULL,
    kind text NOT NULL,
    job_id uuid NOT NULL,
    source text NOT NULL,
    n bigint NOT NULL,
    revised_at timestamptz,
    CONSTRAINT metric_days_pkey PRIMARY KEY (tenant_id, starts_at, kind, job_id, source),
    CONSTRAINT metric_days_built_fkey FOREIGN KEY (tenant_id, starts_at)
        REFERENCES metric_built_days (tenant_id, starts_at) ON DELETE CASCADE,
    CONSTRAINT metric_days_n_check CHECK (n >= 0)
);

-- And those of all jobs and sources together, which is what most people look at.
CREATE TABLE metric_day_totals (
    tenant_id uuid NOT NULL,
    starts_at timestamptz NOT NULL,
    kind text NOT NULL,
    n bigint NOT NULL,
    revised_at timestamptz,
    CONSTRAINT metric_day_totals_pkey PRIMARY KEY (tenant_id, starts_at, kind),
    CONSTRAINT metric_day_totals_built_fkey FOREIGN KEY (tenant_id, starts_at)
        REFERENCES metric_built_days (tenant_id, starts_at) ON DELETE CASCADE,
    CONSTRAINT metric_day_totals_n_check CHECK (n >= 0)
);

ALTER TABLE metric_day_work ENABLE ROW LEVEL SECURITY;
ALTER TABLE metric_day_work FORCE ROW LEVEL SECURITY;
ALTER TABLE metric_built_days ENABLE ROW LEVEL SECURITY;
ALTER TABLE metric_built_days FORCE ROW LEVEL SECURITY;
ALTER TABLE metric_days ENABLE ROW LEVEL SECURITY;
ALTER TABLE metric_days FORCE ROW LEVEL SECURITY;
ALTER TABLE metric_day_totals ENABLE ROW LEVEL SECURITY;
ALTER TABLE metric_day_totals FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant_isolation ON metric_day_work TO portal_app, portal_owner
    USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
CREATE POLICY tenant_isolation ON metric_built_days TO portal_app, portal_owner
    USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
CREATE POLICY tenant_isolation ON metric_days TO portal_app, portal_owner
    USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
CREATE POLICY tenant_isolation ON metric_day_totals TO portal_app, portal_owner
    USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);

CREATE POLICY across_tenants ON metric_day_work TO portal_worker USING (true) WITH CHECK (true);
CREATE POLICY across_tenants ON metric_built_days TO portal_worker USING (true) WITH CHECK (true);
CREATE POLICY across_tenants ON metric_days TO portal_worker USING (true) WITH CHECK (true);
CREATE POLICY across_tenants ON metric_day_totals TO portal_worker USING (true) WITH CHECK (true);

GRANT SELECT ON metric_built_days, metric_days, metric_day_totals TO portal_app;
GRANT SELECT, INSERT, UPDATE ON metric_day_work TO portal_worker;
GRANT SELECT, INSERT, DELETE ON metric_built_days TO portal_worker;
-- They go with their day, and are never written twice.
GRANT SELECT, INSERT ON metric_days, metric_day_totals TO portal_worker;

-- Whoever changes a quarter of an hour that may be part of a built day opens the day again, in the
-- same transaction: reports take its quarters until it is built anew. The row of the work is locked
-- first. So a day is not being built meanwhile, and what builds it afterwards sees the change.
CREATE FUNCTION reopen_metric_day() RETURNS trigger
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
DECLARE
    tenant uuid;
    changed timestamptz;
BEGIN
    IF TG_ARGV[0] = 'old' THEN
        tenant := OLD.tenant_id;
        changed := OLD.bucket;
    ELSE
        tenant := NEW.tenant_id;
        changed := NEW.bucket;
    END IF;
    -- A row is locked also where it need not be changed; one transaction changes it once.
    INSERT INTO metric_day_work AS w (tenant_id) VALUES (tenant)
    ON CONFLICT (tenant_id) DO UPDATE SET due_at = excluded.due_at
    WHERE w.due_at <> excluded.due_at;
    DELETE FROM metric_built_days b
    WHERE b.tenant_id = tenant AND b.starts_at <= changed AND b.ends_at > changed
      AND b.starts_at > changed - interval '48 hours';
    RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION reopen_metric_day() FROM PUBLIC;

-- Events count 72 hours back at most, so that hardly anything gets here. A day is built 74 hours after
-- its end; what lies between is far longer than any statement of the portal may take.
CREATE TRIGGER metric_hours_reopens_day AFTER INSERT OR UPDATE ON metric_hours
    FOR EACH ROW WHEN (NEW.bucket < now() - interval '73 hours')
    EXECUTE FUNCTION reopen_metric_day('new');
CREATE TRIGGER metric_hours_reopens_old_day AFTER UPDATE OR DELETE ON metric_hours
    FOR EACH ROW WHEN (OLD.bucket < now() - interval '73 hours')
    EXECUTE FUNCTION reopen_metric_day('old');

-- The sums of a tenant: of these days, which are built, and of the quarters of an hour that lie in
-- these gaps. `whole` asks for those of all jobs and sources together, which name none. It is written
-- so that it becomes part of the statement that asks.
CREATE FUNCTION metric_sums(tenant uuid, whole boolean, kinds text[], days timestamptz[],
                            gap_starts timestamptz[], gap_ends timestamptz[])
RETURNS TABLE (at timestamptz, job_id uuid, source text, kind text, n bigint, revised_at timestamptz)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT t.starts_at, NULL::uuid, NULL::text, t.kind, t.n, t.revised_at
    FROM metric_day_totals t
    WHERE metric_sums.whole AND cardinality(metric_sums.days) > 0
      AND t.tenant_id = metric_sums.tenant
      AND t.kind = ANY (metric_sums.kinds) AND t.starts_at = ANY (metric_sums.days)
    UNION ALL
    SELECT d.starts_at, d.job_id, d.source, d.kind, d.n, d.revised_at
    FROM metric_days d
    WHERE NOT metric_sums.whole AND cardinality(metric_sums.days) > 0
      AND d.tenant_id = metric_sums.tenant
      AND d.kind = ANY (metric_sums.kinds) AND d.starts_at = ANY (metric_sums.days)
    UNION ALL
    SELECT m.bucket, m.job_id, m.source, m.kind, m.n, m.revised_at
    FROM unnest(metric_sums.gap_starts, metric_sums.gap_ends) AS gap (starts_at, ends_at)
    JOIN metric_hours m
      ON m.tenant_id = metric_sums.tenant AND m.kind = ANY (metric_sums.kinds)
     AND m.bucket >= gap.starts_at AND m.bucket < gap.ends_at;
END;
REVOKE ALL ON FUNCTION metric_sums(uuid, boolean, text[], timestamptz[], timestamptz[], timestamptz[])
    FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    metric_sums(uuid, boolean, text[], timestamptz[], timestamptz[], timestamptz[])
    TO portal_app;
