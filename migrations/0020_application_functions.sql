-- What the public board does. portal_public may read public_jobs and call these; it has no right
-- to any table with people in it, so that no fault of a handler shows one.

-- The board with this name, where there is one: of an active tenant that has not switched it off.
-- Which of these is the reason for an empty answer is nobody's business.
CREATE FUNCTION resolve_board(wanted_slug text)
RETURNS TABLE (tenant_id uuid, org_id text, name text, consent_version text)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, public, pg_temp
BEGIN ATOMIC
    SELECT t.id, t.org_id, t.name, s.consent_version
    FROM tenants t
    LEFT JOIN board_settings s ON s.tenant_id = t.id
    WHERE t.slug = wanted_slug AND t.status = 'active' AND coalesce(s.is_enabled, true);
END;

-- The pipeline that a tenant begins with. Its ids follow from the tenant's, so that two who need
-- it first make the same rows.
CREATE FUNCTION ensure_own_pipeline(tenant uuid)
RETURNS void
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, public, pg_temp
BEGIN ATOMIC
    INSERT INTO job_stages (tenant_id, id, ord, name, kind)
    SELECT tenant, md5('stage/' || tenant || '/' || s.kind)::uuid, s.ord, s.name, s.kind
    FROM (VALUES (1, 'Applied', 'applied'), (2, 'Screening', 'screen'),
                 (3, 'Interview', 'interview'), (4, 'Offer', 'offer'), (5, 'Hired', 'hired'),
                 (6, 'Rejected', 'rejected')) AS s (ord, name, kind)
    ON CONFLICT DO NOTHING;
END;

-- Takes an application in: candidate, application, first step, submission, file and event, or
-- nothing of them. The caller has checked the form of what is given; what only the database knows
-- is checked here. The answer is the same whether the person is new, known, or has applied before;
-- a repetition never overwrites what is there. The owner owns it, because the application may not
-- write these tables; the owner is under the policies too, so the tenant is set for the length of
-- the call.
--
-- given: email, name, phone, message, source, utm, consent, locale. resume: id, storage_key,
-- file_name, mime, bytes, sha256 in hexadecimal. attempt: key, sha256 in hexadecimal, seconds.
CREATE FUNCTION submit_application(
    board_slug text, job_slug text, new_submission uuid, new_application uuid, new_candidate uuid,
    new_move uuid, given jsonb, resume jsonb, attempt jsonb
)
RETURNS TABLE (
    outcome text, reference uuid, keeps_file boolean, tenant uuid, org text, event_kind text,
    application uuid, event_payload jsonb, outbox_id bigint,
    event_id uuid, written_at timestamptz
)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, public, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    -- How often one person's words about one job are kept.
    most_submissions constant integer := 20;
    outer_tenant constant text := coalesce(current_setting('app.tenant_id', true), '');
    the_email constant text := given ->> 'email';
    the_source constant text := given ->> 'source';
    the_tenant uuid;
    the_org text;
    the_board record;
    the_job record;
    the_stage uuid;
    the_person uuid;
    the_application uuid;
    the_count integer;
    the_route text;
    the_answer record;
BEGIN
    keeps_file := false;
    outcome := 'not_found';
    SELECT t.id, t.org_id INTO the_tenant, the_org
    FROM tenants t WHERE t.slug = board_slug AND t.status = 'active';
    IF NOT FOUND THEN
        RETURN NEXT;
        RETURN;
    END IF;
    PERFORM set_config('app.tenant_id', the_tenant::text, true);
    <<taking_in>>
    BEGIN
        SELECT s.is_enabled, s.consent_version INTO the_board
        FROM board_settings s WHERE s.tenant_id = the_tenant;
        EXIT taking_in WHEN FOUND AND NOT the_board.is_enabled;
        SELECT j.id, j.status, j.valid_through INTO the_job
        FROM jobs j WHERE j.tenant_id = the_tenant AND j.slug = job_slug
          AND j.published_at IS NOT NULL;
        EXIT taking_in WHEN NOT FOUND;

        -- First of all whether it was answered before: a job that has closed since takes nothing
        -- from an answer that was given.
        IF attempt IS NOT NULL THEN
            the_route := 'apply ' || the_job.id || ' '
                || left(encode(sha256(convert_to(the_email, 'UTF8')), 'hex'), 32);
            IF NOT pg_try_advisory_xact_lock(hashtextextended(
                   the_tenant::text || E'\n' || the_route || E'\n' || (attempt ->> 'key'), 7)) THEN
                outcome := 'in_flight';
                EXIT taking_in;
            END IF;
            SELECT k.body_sha256, k.body INTO the_answer FROM idempotency_keys k
            WHERE k.tenant_id = the_tenant AND k.route = the_route AND k.key = attempt ->> 'key'
              AND k.expires_at > now();
            IF FOUND THEN
                IF the_answer.body_sha256 = decode(attempt ->> 'sha256', 'hex') THEN
                    outcome := 'replayed';
                    reference := convert_from(the_answer.body, 'UTF8')::uuid;
                ELSE
                    outcome := 'mismatch';
                END IF;
                EXIT taking_in;
            END IF;
        END IF;

        -- The last day is checked here too: the worker that closes jobs may be late.
        IF the_job.status IS DISTINCT FROM 'published' OR the_job.valid_through <= now() THEN
            outcome := 'closed';
            EXIT taking_in;
        END IF;
        IF the_board.consent_version IS NOT NULL
           AND the_board.consent_version IS DISTINCT FROM (given #>> '{consent,version}') THEN
            outcome := 'consent';
            EXIT taking_in;
        END IF;

        SELECT s.id INTO the_stage FROM job_stages s
        WHERE s.tenant_id = the_tenant AND s.job_id = the_job.id AND s.kind = 'applied'
        ORDER BY s.ord LIMIT 1;
        IF NOT FOUND THEN
            SELECT s.id INTO the_stage FROM job_stages s
            WHERE s.tenant_id = the_tenant AND s.job_id IS NULL AND s.kind = 'applied'
            ORDER BY s.ord LIMIT 1;
        END IF;
        IF NOT FOUND THEN
            PERFORM ensure_own_pipeline(the_tenant);
            SELECT s.id INTO the_stage FROM job_stages s
            WHERE s.tenant_id = the_tenant AND s.job_id IS NULL AND s.kind = 'applied';
        END IF;

        INSERT INTO candidates (tenant_id, id, email_norm, name, phone, locale)
        VALUES (the_tenant, new_candidate, the_email, given ->> 'name', given ->> 'phone',
                given ->> 'locale')
        ON CONFLICT (tenant_id, email_norm) DO NOTHING
        RETURNING id INTO the_person;
        IF NOT FOUND THEN
            SELECT c.id INTO STRICT the_person FROM candidates c
            WHERE c.tenant_id = the_tenant AND c.email_norm = the_email;
        END IF;

        INSERT INTO applications (tenant_id, id, job_id, candidate_id, stage_id, stage, source)
        VALUES (the_tenant, new_application, the_job.id, the_person, the_stage, 'applied', the_source)
        ON CONFLICT (tenant_id, job_id, candidate_id) DO NOTHING
        RETURNING id INTO the_application;
        IF FOUND THEN
            outcome := 'submitted';
            the_count := 1;
            INSERT INTO stage_moves (tenant_id, id, application_id, job_id, action, to_stage,
                to_kind, actor)
            VALUES (the_tenant, new_move, the_application, the_job.id, 'submit', the_stage,
                'applied', 'system:apply');
        ELSE
            outcome := 'resubmitted';
            UPDATE applications a
            SET submissions = a.submissions + 1, resubmitted_at = now(), updated_at = now(),
                version = a.version + 1
            WHERE a.tenant_id = the_tenant AND a.job_id = the_job.id
              AND a.candidate_id = the_person
            RETURNING a.id, a.submissions INTO the_application, the_count;
        END IF;

        IF the_count <= most_submissions THEN
            INSERT INTO application_submissions (tenant_id, id, application_id, name, phone,
                message, source, utm, consent, locale)
            VALUES (the_tenant, new_submission, the_application, given ->> 'name',
                given ->> 'phone', given ->> 'message', the_source,
                coalesce(given -> 'utm', '{}'), coalesce(given -> 'consent', '{}'),
                given ->> 'locale');
            IF resume IS NOT NULL THEN
                INSERT INTO candidate_files (tenant_id, id, candidate_id, application_id,
                    submission_id, kind, storage_key, file_name, mime, bytes, sha256)
                VALUES (the_tenant, (resume ->> 'id')::uuid, the_person, the_application,
                    new_submission, 'resume', resume ->> 'storage_key', resume ->> 'file_name',
                    resume ->> 'mime', (resume ->> 'bytes')::bigint,
                    decode(resume ->> 'sha256', 'hex'));
                keeps_file := true;
            END IF;
        END IF;

        event_kind := 'application.' || outcome;
        event_payload := jsonb_build_object('v', 1, 'job', the_job.id,
            'application', the_application, 'source', the_source, 'from', NULL,
            'to', CASE outcome WHEN 'submitted' THEN 'applied' END);
        INSERT INTO outbox AS o (tenant_id, kind, subject, payload)
        VALUES (the_tenant, event_kind, the_application, event_payload)
        RETURNING o.id, o.event_id, o.at INTO outbox_id, event_id, written_at;

        reference := new_submission;
        application := the_application;
        tenant := the_tenant;
        org := the_org;
        IF attempt IS NOT NULL THEN
            INSERT INTO idempotency_keys (tenant_id, route, key, body_sha256, status, headers,
                body, expires_at)
            VALUES (the_tenant, the_route, attempt ->> 'key', decode(attempt ->> 'sha256', 'hex'),
                202, '[]', convert_to(reference::text, 'UTF8'),
                now() + make_interval(secs => (attempt ->> 'seconds')::float8))
            ON CONFLICT (tenant_id, route, key) DO UPDATE
            SET body_sha256 = excluded.body_sha256, status = excluded.status,
                headers = excluded.headers, body = excluded.body, created_at = now(),
                expires_at = excluded.expires_at;
        END IF;
    END;
    PERFORM set_config('app.tenant_id', outer_tenant, true);
    RETURN NEXT;
END
$$;

REVOKE ALL ON FUNCTION resolve_board(text) FROM PUBLIC;
REVOKE ALL ON FUNCTION ensure_own_pipeline(uuid) FROM PUBLIC;
REVOKE ALL ON FUNCTION submit_application(text, text, uuid, uuid, uuid, uuid, jsonb, jsonb, jsonb)
    FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    submit_application(text, text, uuid, uuid, uuid, uuid, jsonb, jsonb, jsonb) TO portal_public;

GRANT CREATE ON SCHEMA public TO portal_search;
ALTER FUNCTION resolve_board(text) OWNER TO portal_search;
REVOKE CREATE ON SCHEMA public FROM portal_search;
SET LOCAL ROLE portal_search;
GRANT EXECUTE ON FUNCTION resolve_board(text) TO portal_public, portal_app;
RESET ROLE;

-- Batches of counted views that have been added to the figures: one that comes again, because its
-- sender never heard that it had arrived, adds nothing.
CREATE TABLE view_batches (
    id uuid NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT view_batches_pkey PRIMARY KEY (id)
);
CREATE INDEX view_batches_applied_idx ON view_batches (applied_at);
ALTER TABLE view_batches ENABLE ROW LEVEL SECURITY;
ALTER TABLE view_batches FORCE ROW LEVEL SECURITY;
CREATE POLICY workers_only ON view_batches TO portal_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, DELETE ON view_batches TO portal_worker;
