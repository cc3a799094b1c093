-- From an event to the people who should hear of it. One row of the outbox goes through two lanes:
-- what must be acted on (access, cache), and what is to be told (inboxes, figures). It is deleted
-- when both are through with it.

-- A uuid of version 7 for rows that are written by SQL alone: time first, so that it indexes well.
CREATE FUNCTION new_event_id() RETURNS uuid
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT encode(set_bit(set_bit(overlay(
        uuid_send(gen_random_uuid())
        PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3)
        FROM 1 FOR 6), 52, 1), 53, 1), 'hex')::uuid;
END;
REVOKE ALL ON FUNCTION new_event_id() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION new_event_id() TO portal_app, portal_worker, portal_ops;

ALTER TABLE outbox
    ADD COLUMN event_id uuid NOT NULL DEFAULT new_event_id(),
    -- The person who did it: they are not told of their own deeds.
    ADD COLUMN actor uuid,
    ADD COLUMN acted boolean NOT NULL DEFAULT false,
    ADD COLUMN fanned_out boolean NOT NULL DEFAULT false,
    -- Times that telling of this row failed although the database was well.
    ADD COLUMN attempts smallint NOT NULL DEFAULT 0,
    ADD COLUMN retry_at timestamptz,
    -- Given up, and left for a person to look at; others go on.
    ADD COLUMN parked_at timestamptz,
    -- What the last failure was: a class of errors, never a message, which may quote a row.
    ADD COLUMN last_error text,
    ADD CONSTRAINT outbox_last_error_check CHECK (length(last_error) <= 40);
-- What was there before this version was made for the first lane alone.
UPDATE outbox SET fanned_out = true;

-- Each lane finds what it has still to do, and nothing else, in the order of writing.
DROP INDEX outbox_order_idx;
CREATE INDEX outbox_act_idx ON outbox (id) WHERE NOT acted;
CREATE INDEX outbox_fan_out_idx ON outbox (id) WHERE NOT fanned_out AND parked_at IS NULL;
CREATE INDEX outbox_parked_idx ON outbox (parked_at) WHERE parked_at IS NOT NULL;

-- What happened, once and for good: figures can be counted anew from it.
CREATE TABLE event_log (
    tenant_id uuid NOT NULL,
    event_id uuid NOT NULL,
    kind text NOT NULL,
    subject uuid,
    job_id uuid,
    application_id uuid,
    actor uuid,
    stage_from text,
    stage_to text,
    source text,
    occurred_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT event_log_pkey PRIMARY KEY (tenant_id, event_id),
    CONSTRAINT event_log_tenant_fkey FOREIGN KEY (tenant_id) REFERENCES tenants (id),
    CONSTRAINT event_log_kind_check CHECK (kind ~ '^[a-z_]+\.[a-z_]+$'),
    CONSTRAINT event_log_stage_check CHECK (stage_from ~ '^[a-z_]{1,32}$' AND stage_to ~ '^[a-z_]{1,32}$'),
    CONSTRAINT event_log_source_check CHECK (length(source) BETWEEN 1 AND 100)
);
CREATE INDEX event_log_kind_idx ON event_log (tenant_id, kind, occurred_at);

-- How often something happened within an hour (UTC). A job's events have its id; an empty source is
-- an unknown one. Whoever writes several rows writes them in the order of the key.
CREATE TABLE metric_hours (
    tenant_id uuid NOT NULL,
    job_id uuid NOT NULL,
    source text NOT NULL DEFAULT '',
    kind text NOT NULL,
    bucket timestamptz NOT NULL,
    n bigint NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT metric_hours_pkey PRIMARY KEY (tenant_id, job_id, source, kind, bucket),
    CONSTRAINT metric_hours_tenant_fkey FOREIGN KEY (tenant_id) REFERENCES tenants (id),
    CONSTRAINT metric_hours_source_check CHECK (length(source) <= 100),
    CONSTRAINT metric_hours_kind_check CHECK (kind ~ '^[a-z_]+(\.[a-z_]+)?$' AND length(kind) <= 64),
    CONSTRAINT metric_hours_bucket_check CHECK (date_trunc('hour', bucket, 'UTC') = bucket),
    CONSTRAINT metric_hours_n_check CHECK (n >= 0)
);
CREATE INDEX metric_hours_bucket_idx ON metric_hours (tenant_id, kind, bucket);

-- A member's inbox: the number of its last notification, and how many of them wait to be read. Rows
-- of several members are locked in the order of the key.
CREATE TABLE feed_heads (
    tenant_id uuid NOT NULL,
    user_id uuid NOT NULL,
    -- Another epoch, another numbering: what somebody remembers of the old one means nothing.
    epoch bigint NOT NULL,
    seq bigint NOT NULL,
    unread bigint NOT NULL,
    CONSTRAINT feed_heads_pkey PRIMARY KEY (tenant_id, user_id),
    CONSTRAINT feed_heads_member_fkey FOREIGN KEY (tenant_id, user_id)
        REFERENCES memberships (tenant_id, user_id) ON DELETE CASCADE,
    CONSTRAINT feed_heads_seq_check CHECK (seq >= 0 AND epoch > 0),
    CONSTRAINT feed_heads_unread_check CHECK (unread >= 0)
);
-- A head is written with every notification; room in its page keeps that cheap.
ALTER TABLE feed_heads SET (fillfactor = 50);

-- What a member is told. `seq` has no gaps until the oldest are purged. Ids only: what a job or a
-- candidate is called is read from where it stands, by whoever may.
CREATE TABLE notifications (
    tenant_id uuid NOT NULL,
    user_id uuid NOT NULL,
    seq bigint NOT NULL,
    event_id uuid NOT NULL,
    kind text NOT NULL,
    job_id uuid,
    application_id uuid,
    actor uuid,
    data jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    seen_at timestamptz,
    read_at timestamptz,
    archived_at timestamptz,
    -- From when on it may be told by e-mail; none where it need not be, or has been.
    mail_due_at timestamptz,
    CONSTRAINT notifications_pkey PRIMARY KEY (tenant_id, user_id, seq),
    CONSTRAINT notifications_event_key UNIQUE (tenant_id, user_id, event_id),
    CONSTRAINT notifications_head_fkey FOREIGN KEY (tenant_id, user_id)
        REFERENCES feed_heads (tenant_id, user_id) ON DELETE CASCADE,
    CONSTRAINT notifications_kind_check CHECK (kind ~ '^[a-z_]{1,40}$'),
    CONSTRAINT notifications_data_check
        CHECK (jsonb_typeof(data) = 'object' AND octet_length(data::text) <= 2048)
);
CREATE INDEX notifications_unread_idx ON notifications (tenant_id, user_id, seq)
    WHERE read_at IS NULL AND archived_at IS NULL;
CREATE INDEX notifications_mail_idx ON notifications (mail_due_at, tenant_id, user_id)
    WHERE mail_due_at IS NOT NULL;
-- What is old is looked for over all tenants, now and then.
CREATE INDEX notifications_age_idx ON notifications USING brin (created_at);

-- What a member wants to hear of, and how. A row holds only what differs from the usual, so that a
-- kind that comes later is not silently off.
CREATE TABLE notification_preferences (
    tenant_id uuid NOT NULL,
    user_id uuid NOT NULL,
    -- {"<kind>": {"in_app": bool, "mail": bool}}, each part where it differs.
    choices jsonb NOT NULL DEFAULT '{}',
    -- Whether mails are gathered: 'off', 'hourly', or 'daily' at `digest_minute` of the day.
    digest text NOT NULL DEFAULT 'off',
    digest_minute smallint NOT NULL DEFAULT 480,
    -- No mail between these minutes of the day; over midnight where the end is the smaller.
    quiet_from smallint,
    quiet_until smallint,
    -- The zone of those minutes; the tenant's where none is given.
    time_zone text,
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT notification_preferences_pkey PRIMARY KEY (tenant_id, user_id),
    CONSTRAINT notification_preferences_member_fkey FOREIGN KEY (tenant_id, user_id)
        REFERENCES memberships (tenant_id, user_id) ON DELETE CASCADE,
    CONSTRAINT notification_preferences_choices_check
        CHECK (jsonb_typeof(choices) = 'object' AND octet_length(choices::text) <= 4096),
    CONSTRAINT notification_preferences_digest_check CHECK (digest IN ('off', 'hourly', 'daily')),
    CONSTRAINT notification_preferences_minutes_check CHECK (
        digest_minute BETWEEN 0 AND 1439
        AND num_nonnulls(quiet_from, quiet_until) IN (0, 2)
        AND quiet_from BETWEEN 0 AND 1439 AND quiet_until BETWEEN 0 AND 1439
        AND quiet_from <> quiet_until),
    CONSTRAINT notification_preferences_zone_check CHECK (length(time_zone) BETWEEN 1 AND 64)
);

ALTER TABLE event_log ENABLE ROW LEVEL SECURITY;
ALTER TABLE event_log FORCE ROW LEVEL SECURITY;
ALTER TABLE metric_hours ENABLE ROW LEVEL SECURITY;
ALTER TABLE metric_hours FORCE ROW LEVEL SECURITY;
ALTER TABLE feed_heads ENABLE ROW LEVEL SECURITY;
ALTER TABLE feed_heads FORCE ROW LEVEL SECURITY;
ALTER TABLE notifications ENABLE ROW LEVEL SECURITY;
ALTER TABLE notifications FORCE ROW LEVEL SECURITY;
ALTER TABLE notification_preferences ENABLE ROW LEVEL SECURITY;
ALTER TABLE notification_preferences FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant_isolation ON event_log TO portal_app, portal_owner
    USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
CREATE POLICY tenant_isolation ON metric_hours TO portal_app, portal_owner
    USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
CREATE POLICY tenant_isolation ON feed_heads TO portal_app, portal_owner
    USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
CREATE POLICY tenant_isolation ON notifications TO portal_app, portal_owner
    USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
CREATE POLICY tenant_isolation ON notification_preferences TO portal_app, portal_owner
    USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);

CREATE POLICY across_tenants ON event_log TO portal_worker USING (true) WITH CHECK (true);
CREATE POLICY across_tenants ON metric_hours TO portal_worker USING (true) WITH CHECK (true);
CREATE POLICY across_tenants ON feed_heads TO portal_worker USING (true) WITH CHECK (true);
CREATE POLICY across_tenants ON notifications TO portal_worker USING (true) WITH CHECK (true);
CREATE POLICY across_tenants ON notification_preferences FOR SELECT TO portal_worker USING (true);
CREATE POLICY across_tenants_read ON memberships FOR SELECT TO portal_worker USING (true);
CREATE POLICY across_tenants_read ON job_team FOR SELECT TO portal_worker USING (true);

GRANT SELECT ON event_log, metric_hours, feed_heads, notifications TO portal_app;
GRANT UPDATE (unread) ON feed_heads TO portal_app;
GRANT UPDATE (seen_at, read_at, archived_at, mail_due_at) ON notifications TO portal_app;
GRANT SELECT, INSERT, UPDATE ON notification_preferences TO portal_app;

GRANT SELECT, INSERT ON event_log TO portal_worker;
GRANT SELECT, INSERT, UPDATE ON metric_hours TO portal_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON feed_heads, notifications TO portal_worker;
GRANT SELECT ON notification_preferences TO portal_worker;
-- Who hears of what follows from role and team. Names and addresses are not for the worker.
GRANT SELECT (tenant_id, user_id, role, created_at) ON memberships TO portal_worker;
GRANT SELECT (tenant_id, job_id, user_id) ON job_team TO portal_worker;

-- The `valid_through` that people have been told of: once for each.
ALTER TABLE jobs ADD COLUMN expiry_told_for timestamptz;
GRANT UPDATE (expiry_told_for) ON jobs TO portal_worker;
