-- Where a tenant's own systems want to hear of its events, and what became of telling them.
CREATE TABLE webhook_endpoints (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    url text NOT NULL,
    description text NOT NULL DEFAULT '',
    -- The kinds of events it is told of; none named means all of them.
    kinds text[] NOT NULL DEFAULT '{}',
    -- What messages are signed with, sealed for this row; and the one before it, while both hold.
    secret bytea NOT NULL,
    old_secret bytea,
    old_secret_until timestamptz,
    -- paused by people; disabled by us, for what disabled_for says.
    status text NOT NULL DEFAULT 'enabled',
    disabled_for text,
    disabled_at timestamptz,
    -- Attempts that failed since the last one that succeeded, and since when.
    failures integer NOT NULL DEFAULT 0,
    failing_since timestamptz,
    -- Nothing is sent before: it failed several times in a row, or asked for it.
    resting_until timestamptz NOT NULL DEFAULT '-infinity',
    version integer NOT NULL DEFAULT 1,
    created_by uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT webhook_endpoints_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT webhook_endpoints_tenant_fkey FOREIGN KEY (tenant_id) REFERENCES tenants (id),
    CONSTRAINT webhook_endpoints_created_by_fkey FOREIGN KEY (created_by) REFERENCES users (id),
    CONSTRAINT webhook_endpoints_url_check CHECK (length(url) BETWEEN 8 AND 2048),
    CONSTRAINT webhook_endpoints_description_check CHECK (length(description) <= 200),
    CONSTRAINT webhook_endpoints_kinds_check CHECK (cardinality(kinds) <= 50),
    CONSTRAINT webhook_endpoints_secret_check CHECK (octet_length(secret) BETWEEN 24 AND 512),
    CONSTRAINT webhook_endpoints_old_secret_check CHECK (
        octet_length(old_secret) BETWEEN 24 AND 512
        AND (old_secret IS NULL) = (old_secret_until IS NULL)),
    CONSTRAINT webhook_endpoints_status_check CHECK (status IN ('enabled', 'paused', 'disabled')),
    CONSTRAINT webhook_endpoints_disabled_check CHECK (
        (status = 'disabled') = (disabled_for IS NOT NULL)
        AND (disabled_for IS NULL) = (disabled_at IS NULL)
        AND disabled_for IN ('failing', 'gone'))
);

-- One event at one endpoint. It is the queue, and afterwards the log.
CREATE TABLE webhook_deliveries (
    tenant_id uuid NOT NULL,
    endpoint_id uuid NOT NULL,
    -- Of the event; with the endpoint it is the delivery's own name, so that no event is told twice.
    event_id uuid NOT NULL,
    kind text NOT NULL,
    -- What is sent, to the byte: a repetition is signed anew and says the same.
    body text NOT NULL,
    status text NOT NULL DEFAULT 'pending',
    attempts smallint NOT NULL DEFAULT 0,
    -- Steps of the schedule that are used up; many where people asked for one attempt.
    scheduled smallint NOT NULL DEFAULT 0,
    -- When it is to be tried; while somebody tries it, when others may believe that they died.
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    in_hand boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    CONSTRAINT webhook_deliveries_pkey PRIMARY KEY (tenant_id, endpoint_id, event_id),
    CONSTRAINT webhook_deliveries_endpoint_fkey FOREIGN KEY (tenant_id, endpoint_id)
        REFERENCES webhook_endpoints (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT webhook_deliveries_kind_check CHECK (kind ~ '^[a-z_]+\.[a-z_]+$'),
    CONSTRAINT webhook_deliveries_body_check CHECK (octet_length(body) <= 16384),
    CONSTRAINT webhook_deliveries_status_check
        CHECK (status IN ('pending', 'delivered', 'failed')),
    CONSTRAINT webhook_deliveries_finished_check
        CHECK ((status = 'pending') = (finished_at IS NULL))
);
-- What is to be sent, an endpoint at a time: one with many does not hide the others.
CREATE INDEX webhook_deliveries_due_idx
    ON webhook_deliveries (tenant_id, endpoint_id, next_attempt_at) WHERE status = 'pending';
-- What may be cleared away.
CREATE INDEX webhook_deliveries_end_idx ON webhook_deliveries (finished_at)
    WHERE finished_at IS NOT NULL;
ALTER TABLE webhook_deliveries
    SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);

-- What came of each attempt.
CREATE TABLE webhook_attempts (
    tenant_id uuid NOT NULL,
    endpoint_id uuid NOT NULL,
    event_id uuid NOT NULL,
    number smallint NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    duration_ms integer NOT NULL,
    outcome text NOT NULL,
    status_code smallint,
    -- The beginning of what the receiver answered.
    answer text NOT NULL DEFAULT '',
    CONSTRAINT webhook_attempts_pkey PRIMARY KEY (tenant_id, endpoint_id, event_id, number),
    CONSTRAINT webhook_attempts_delivery_fkey FOREIGN KEY (tenant_id, endpoint_id, event_id)
        REFERENCES webhook_deliveries (tenant_id, endpoint_id, event_id) ON DELETE CASCADE,
    CONSTRAINT webhook_attempts_outcome_check CHECK (outcome ~ '^[a-z_]{1,32}$'),
    CONSTRAINT webhook_attempts_status_code_check CHECK (status_code BETWEEN 100 AND 999),
    CONSTRAINT webhook_attempts_answer_check CHECK (octet_length(answer) <= 4096)
);

ALTER TABLE webhook_endpoints ENABLE ROW LEVEL SECURITY;
ALTER TABLE webhook_endpoints FORCE ROW LEVEL SECURITY;
ALTER TABLE webhook_deliveries ENABLE ROW LEVEL SECURITY;
ALTER TABLE webhook_deliveries FORCE ROW LEVEL SECURITY;
ALTER TABLE webhook_attempts ENABLE ROW LEVEL SECURITY;
ALTER TABLE webhook_attempts FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON webhook_endpoints TO portal_app, portal_owner
    USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
CREATE POLICY tenant_isolation ON webhook_deliveries TO portal_app, portal_owner
    USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
CREATE POLICY tenant_isolation ON webhook_attempts TO portal_app, portal_owner
    USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
CREATE POLICY across_tenants ON webhook_endpoints TO portal_worker USING (true) WITH CHECK (true);
CREATE POLICY across_tenants ON webhook_deliveries TO portal_worker USING (true) WITH CHECK (true);
CREATE POLICY across_tenants ON webhook_attempts TO portal_worker USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE, DELETE ON webhook_endpoints TO portal_app;
GRANT SELECT, INSERT, UPDATE ON webhook_deliveries TO portal_app;
GRANT SELECT ON webhook_attempts TO portal_app;
GRANT SELECT ON webhook_endpoints TO portal_worker;
GRANT UPDATE (secret, old_secret, old_secret_until, status, disabled_for, disabled_at, failures,
              failing_since, resting_until, version, updated_at)
    ON webhook_endpoints TO portal_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON webhook_deliveries TO portal_worker;
GRANT SELECT, INSERT ON webhook_attempts TO portal_worker;

-- What a receiver is told of an event: ids and states, nothing that names a person.
CREATE FUNCTION webhook_body(
    event_kind text, event_subject uuid, event_payload jsonb, happened_at timestamptz
)
RETURNS text
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT jsonb_build_object(
        'type', event_kind,
        'timestamp', to_char(happened_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
        'data', CASE split_part(event_kind, '.', 1)
            WHEN 'application' THEN jsonb_build_object('application', event_subject)
                || coalesce((
                    SELECT jsonb_object_agg(field.key, field.value)
                    FROM jsonb_each(event_payload) AS field
                    WHERE field.key IN ('job', 'application', 'source', 'from', 'to', 'reason')
                ), '{}')
            WHEN 'job' THEN jsonb_strip_nulls(jsonb_build_object(
                'job', event_subject,
                'from', event_payload -> 'change' -> 'before',
                'to', event_payload -> 'change' -> 'after'))
            WHEN 'member' THEN jsonb_build_object('member', event_subject)
            ELSE jsonb_build_object()
        END
    )::text;
END;

REVOKE ALL ON FUNCTION webhook_body(text, uuid, jsonb, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION webhook_body(text, uuid, jsonb, timestamptz)
    TO portal_app, portal_worker;
