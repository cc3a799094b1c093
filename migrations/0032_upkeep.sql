-- Work that keeps the house in order and that one instance does at a time, in turns: it says how far
-- it has come, and whoever takes the next turn goes on from there.
CREATE TABLE chores (
    name text NOT NULL,
    -- Rises with each turn. Whoever held an earlier one writes nothing here any more.
    turn bigint NOT NULL DEFAULT 1,
    held_until timestamptz NOT NULL,
    rests_until timestamptz NOT NULL DEFAULT now(),
    position text,
    -- What is noteworthy, counted in the round that is under way, and in the last that ended.
    found bigint NOT NULL DEFAULT 0,
    last_found bigint,
    ended_at timestamptz,
    CONSTRAINT chores_pkey PRIMARY KEY (name),
    CONSTRAINT chores_name_check CHECK (name ~ '^[a-z_]{1,40}$'),
    CONSTRAINT chores_position_check CHECK (length(position) <= 8000),
    CONSTRAINT chores_ended_check CHECK ((last_found IS NULL) = (ended_at IS NULL))
);
ALTER TABLE chores ENABLE ROW LEVEL SECURITY;
ALTER TABLE chores FORCE ROW LEVEL SECURITY;
CREATE POLICY workers_only ON chores TO portal_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE ON chores TO portal_worker;

-- What happened before this moment may be gone from the log of events. It is moved before anything is
-- deleted: figures of earlier times must not be made anew from what is left.
CREATE TABLE event_log_bounds (
    is_only boolean NOT NULL DEFAULT true,
    complete_since timestamptz NOT NULL,
    CONSTRAINT event_log_bounds_pkey PRIMARY KEY (is_only),
    CONSTRAINT event_log_bounds_only_check CHECK (is_only),
    CONSTRAINT event_log_bounds_quarter_check
        CHECK (date_bin('15 minutes', complete_since, '2000-01-01 00:00+00') = complete_since)
);
INSERT INTO event_log_bounds (complete_since) VALUES ('2000-01-01 00:00+00');
ALTER TABLE event_log_bounds ENABLE ROW LEVEL SECURITY;
ALTER TABLE event_log_bounds FORCE ROW LEVEL SECURITY;
CREATE POLICY workers_only ON event_log_bounds TO portal_worker USING (true) WITH CHECK (true);
CREATE POLICY owner_reads ON event_log_bounds FOR SELECT TO portal_owner USING (true);
GRANT SELECT, UPDATE ON event_log_bounds TO portal_worker;

-- The index that is there serves: (tenant_id, occurred_at), one tenant after another.
GRANT DELETE ON event_log TO portal_worker;

-- Which stored files a row names. Not what people call them, nor whose they are.
CREATE POLICY across_tenants_read ON candidate_files FOR SELECT TO portal_worker USING (true);
GRANT SELECT (tenant_id, storage_key, created_at) ON candidate_files TO portal_worker;
