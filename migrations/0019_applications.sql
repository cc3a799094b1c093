-- People who apply, what they apply for, and what becomes of it; and the jobs that everybody may
-- see. Text with CHECK instead of enums, jsonb that no predicate looks into: see 0004.

-- The public board of a tenant. Without a row it is on, and asks for no consent of its own.
CREATE TABLE board_settings (
    tenant_id uuid NOT NULL,
    is_enabled boolean NOT NULL DEFAULT true,
    -- The privacy notice that applicants agree to; one that names another version is refused.
    consent_version text,
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT board_settings_pkey PRIMARY KEY (tenant_id),
    CONSTRAINT board_settings_tenant_fkey FOREIGN KEY (tenant_id) REFERENCES tenants (id),
    CONSTRAINT board_settings_consent_version_check
        CHECK (length(consent_version) BETWEEN 1 AND 50)
);

-- The stages that applications pass through. Those without a job are the tenant's own pipeline,
-- which every job without stages of its own uses.
CREATE TABLE job_stages (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    job_id uuid,
    ord smallint NOT NULL,
    name text NOT NULL,
    kind text NOT NULL,
    CONSTRAINT job_stages_pkey PRIMARY KEY (tenant_id, id),
    -- What rows that carry the kind beside the id refer to, so that the two cannot disagree.
    CONSTRAINT job_stages_kind_key UNIQUE (tenant_id, id, kind),
    CONSTRAINT job_stages_tenant_fkey FOREIGN KEY (tenant_id) REFERENCES tenants (id),
    CONSTRAINT job_stages_job_fkey FOREIGN KEY (tenant_id, job_id)
        REFERENCES jobs (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT job_stages_name_check CHECK (length(name) BETWEEN 1 AND 100),
    CONSTRAINT job_stages_kind_check
        CHECK (kind IN ('applied', 'screen', 'interview', 'offer', 'hired', 'rejected'))
);
CREATE UNIQUE INDEX job_stages_own_key ON job_stages (tenant_id, ord) WHERE job_id IS NULL;
CREATE UNIQUE INDEX job_stages_job_key ON job_stages (tenant_id, job_id, ord)
    WHERE job_id IS NOT NULL;

-- A person who has applied, once a tenant and address. What they said first stays; what they say
-- later stands in the submission that said it, since whoever knows an address can write under it.
CREATE TABLE candidates (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    version integer NOT NULL DEFAULT 1,
    email_norm text NOT NULL,
    name text NOT NULL,
    phone text,
    locale text,
    anonymised_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT candidates_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT candidates_email_key UNIQUE (tenant_id, email_norm),
    CONSTRAINT candidates_tenant_fkey FOREIGN KEY (tenant_id) REFERENCES tenants (id),
    CONSTRAINT candidates_email_norm_check
        CHECK (email_norm = lower(email_norm) AND length(email_norm) BETWEEN 3 AND 320),
    CONSTRAINT candidates_name_check CHECK (length(name) BETWEEN 1 AND 200),
    CONSTRAINT candidates_phone_check CHECK (length(phone) BETWEEN 3 AND 40),
    CONSTRAINT candidates_locale_check CHECK (length(locale) BETWEEN 2 AND 35)
);

-- One a job and candidate. `stage` is the kind of `stage_id`: lists and figures go by it.
CREATE TABLE applications (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    version integer NOT NULL DEFAULT 1,
    job_id uuid NOT NULL,
    candidate_id uuid NOT NULL,
    stage_id uuid NOT NULL,
    stage text NOT NULL,
    status text NOT NULL DEFAULT 'active',
    reject_reason text,
    -- Where the person came from when they applied first.
    source text,
    submissions integer NOT NULL DEFAULT 1,
    submitted_at timestamptz NOT NULL DEFAULT now(),
    resubmitted_at timestamptz,
    stage_since timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT applications_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT applications_candidate_key UNIQUE (tenant_id, job_id, candidate_id),
    CONSTRAINT applications_tenant_fkey FOREIGN KEY (tenant_id) REFERENCES tenants (id),
    CONSTRAINT applications_job_fkey FOREIGN KEY (tenant_id, job_id)
        REFERENCES jobs (tenant_id, id),
    CONSTRAINT applications_candidate_fkey FOREIGN KEY (tenant_id, candidate_id)
        REFERENCES candidates (tenant_id, id),
    CONSTRAINT applications_stage_fkey FOREIGN KEY (tenant_id, stage_id, stage)
        REFERENCES job_stages (tenant_id, id, kind),
    CONSTRAINT applications_status_check
        CHECK (status IN ('active', 'hired', 'rejected', 'withdrawn')),
    -- The stages that end a pipeline are states at the same time. A person who withdraws stays
    -- where they were.
    CONSTRAINT applications_stage_check CHECK (
        (stage = 'hired') = (status = 'hired') AND (stage = 'rejected') = (status = 'rejected')),
    CONSTRAINT applications_reject_reason_check CHECK (reject_reason IS NULL OR (
        status = 'rejected' AND reject_reason IN ('not_qualified', 'stronger_candidates',
            'position_filled', 'salary', 'location', 'no_response', 'duplicate', 'other'))),
    CONSTRAINT applications_source_check CHECK (source ~ '^[a-z0-9][a-z0-9._-]{0,49}$'),
    CONSTRAINT applications_submissions_check CHECK (submissions >= 1)
);
-- One an order and narrowing, each ending in the id: a page starts where the last one ended.
CREATE INDEX applications_submitted_idx ON applications (tenant_id, submitted_at, id);
CREATE INDEX applications_job_idx ON applications (tenant_id, job_id, submitted_at, id);
CREATE INDEX applications_stage_idx ON applications (tenant_id, stage, submitted_at, id);
CREATE INDEX applications_job_stage_idx ON applications (tenant_id, job_id, stage, submitted_at, id);
CREATE INDEX applications_status_idx ON applications (tenant_id, status, submitted_at, id);
CREATE INDEX applications_source_idx ON applications (tenant_id, source, submitted_at, id);
CREATE INDEX applications_candidate_idx ON applications (tenant_id, candidate_id);

-- Every time that somebody has applied, as they said it. The id is the reference that they got.
CREATE TABLE application_submissions (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    application_id uuid NOT NULL,
    name text NOT NULL,
    phone text,
    message text,
    source text,
    utm jsonb NOT NULL DEFAULT '{}',
    consent jsonb NOT NULL DEFAULT '{}',
    locale text,
    at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT application_submissions_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT application_submissions_application_fkey FOREIGN KEY (tenant_id, application_id)
        REFERENCES applications (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT application_submissions_name_check CHECK (length(name) BETWEEN 1 AND 200),
    CONSTRAINT application_submissions_phone_check CHECK (length(phone) BETWEEN 3 AND 40),
    CONSTRAINT application_submissions_message_check CHECK (length(message) BETWEEN 1 AND 10000),
    CONSTRAINT application_submissions_source_check
        CHECK (source ~ '^[a-z0-9][a-z0-9._-]{0,49}$'),
    CONSTRAINT application_submissions_utm_check CHECK (octet_length(utm::text) <= 2000),
    CONSTRAINT application_submissions_consent_check CHECK (octet_length(consent::text) <= 2000)
);
CREATE INDEX application_submissions_application_idx
    ON application_submissions (tenant_id, application_id, at, id);

-- Files that came along. The content is in the file store under `storage_key`.
CREATE TABLE candidate_files (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    candidate_id uuid NOT NULL,
    application_id uuid NOT NULL,
    submission_id uuid NOT NULL,
    kind text NOT NULL,
    storage_key text NOT NULL,
    file_name text NOT NULL,
    mime text NOT NULL,
    bytes bigint NOT NULL,
    sha256 bytea NOT NULL,
    scan_state text NOT NULL DEFAULT 'unscanned',
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT candidate_files_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT candidate_files_storage_key_key UNIQUE (tenant_id, storage_key),
    CONSTRAINT candidate_files_candidate_fkey FOREIGN KEY (tenant_id, candidate_id)
        REFERENCES candidates (tenant_id, id),
    CONSTRAINT candidate_files_application_fkey FOREIGN KEY (tenant_id, application_id)
        REFERENCES applications (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT candidate_files_submission_fkey FOREIGN KEY (tenant_id, submission_id)
        REFERENCES application_submissions (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT candidate_files_kind_check CHECK (kind IN ('resume')),
    CONSTRAINT candidate_files_storage_key_check CHECK (storage_key ~ '^[a-z0-9/-]{1,200}$'),
    CONSTRAINT candidate_files_file_name_check CHECK (length(file_name) BETWEEN 1 AND 255),
    CONSTRAINT candidate_files_mime_check CHECK (length(mime) BETWEEN 3 AND 100),
    CONSTRAINT candidate_files_bytes_check CHECK (bytes BETWEEN 1 AND 1073741824),
    CONSTRAINT candidate_files_sha256_check CHECK (octet_length(sha256) = 32),
    CONSTRAINT candidate_files_scan_state_check
        CHECK (scan_state IN ('unscanned', 'clean', 'infected'))
);
CREATE INDEX candidate_files_application_idx
    ON candidate_files (tenant_id, application_id, created_at, id);

-- What became of an application, step by step. Rows are added and never changed: funnels, times in
-- a stage and the way back from a rejection are read from here. The kinds stand beside the stages,
-- so that a stage that is renamed or gone takes no figure with it.
CREATE TABLE stage_moves (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    application_id uuid NOT NULL,
    job_id uuid NOT NULL,
    action text NOT NULL,
    from_stage uuid,
    to_stage uuid,
    from_kind text,
    to_kind text,
    reason text,
    actor text NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT stage_moves_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT stage_moves_application_fkey FOREIGN KEY (tenant_id, application_id)
        REFERENCES applications (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT stage_moves_action_check
        CHECK (action IN ('submit', 'move', 'reject', 'unreject', 'hire', 'withdraw')),
    CONSTRAINT stage_moves_from_check CHECK (from_kind IN
        ('applied', 'screen', 'interview', 'offer', 'hired', 'rejected')),
    CONSTRAINT stage_moves_to_check CHECK (to_kind IN
        ('applied', 'screen', 'interview', 'offer', 'hired', 'rejected')),
    -- Only a submission comes from nowhere, only a withdrawal leads nowhere.
    CONSTRAINT stage_moves_ends_check CHECK (
        (from_kind IS NULL) = (action = 'submit') AND (to_kind IS NULL) = (action = 'withdraw')
        AND (from_stage IS NULL) = (from_kind IS NULL) AND (to_stage IS NULL) = (to_kind IS NULL)),
    CONSTRAINT stage_moves_reason_check CHECK (length(reason) BETWEEN 1 AND 50),
    CONSTRAINT stage_moves_actor_check CHECK (length(actor) BETWEEN 1 AND 200)
);
CREATE INDEX stage_moves_application_idx ON stage_moves (tenant_id, application_id, at, id);
CREATE INDEX stage_moves_job_idx ON stage_moves (tenant_id, job_id, at, id);
CREATE INDEX stage_moves_at_idx ON stage_moves (tenant_id, at, id);

-- What everybody may see of published jobs, written by the transaction that changes the job. The
-- role that serves the public reads this and nothing else of a tenant.
CREATE TABLE public_jobs (
    tenant_id uuid NOT NULL,
    job_id uuid NOT NULL,
    slug text NOT NULL,
    title text NOT NULL,
    department text,
    employment_type text NOT NULL,
    experience_level text,
    workplace text NOT NULL,
    description_text text NOT NULL,
    description_html text NOT NULL,
    lang text NOT NULL,
    locations jsonb NOT NULL,
    skills text[] NOT NULL,
    salary_min bigint,
    salary_max bigint,
    salary_currency text,
    salary_period text,
    pay_blurb text,
    openings integer NOT NULL,
    published_at timestamptz NOT NULL,
    valid_through timestamptz,
    version integer NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT public_jobs_pkey PRIMARY KEY (tenant_id, job_id),
    CONSTRAINT public_jobs_slug_key UNIQUE (tenant_id, slug),
    CONSTRAINT public_jobs_job_fkey FOREIGN KEY (tenant_id, job_id)
        REFERENCES jobs (tenant_id, id) ON DELETE CASCADE
);
ALTER TABLE public_jobs SET (toast_tuple_target = 768);
CREATE INDEX public_jobs_published_idx ON public_jobs (tenant_id, published_at, job_id);

DO $$
DECLARE
    table_name text;
BEGIN
    FOREACH table_name IN ARRAY ARRAY['board_settings', 'job_stages', 'candidates', 'applications',
        'application_submissions', 'candidate_files', 'stage_moves', 'public_jobs'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', table_name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', table_name);
        EXECUTE format(
            'CREATE POLICY tenant_isolation ON %I TO portal_app, portal_owner
                 USING (tenant_id = nullif(current_setting(''app.tenant_id'', true), '''')::uuid)
                 WITH CHECK (tenant_id = nullif(current_setting(''app.tenant_id'', true), '''')::uuid)',
            table_name);
    END LOOP;
END
$$;
CREATE POLICY look_ups ON board_settings FOR SELECT TO portal_search USING (true);
CREATE POLICY everybody ON public_jobs FOR SELECT TO portal_public USING (true);
CREATE POLICY across_tenants ON public_jobs TO portal_worker USING (true) WITH CHECK (true);
-- Workers look for who may hear of an application; they see no candidates.
CREATE POLICY across_tenants ON applications FOR SELECT TO portal_worker USING (true);
CREATE POLICY across_tenants ON stage_moves FOR SELECT TO portal_worker USING (true);

GRANT SELECT ON board_settings, job_stages TO portal_app;
GRANT SELECT ON board_settings TO portal_search;
GRANT SELECT ON candidates, application_submissions, candidate_files TO portal_app;
GRANT SELECT, UPDATE (version, stage_id, stage, status, reject_reason, stage_since, updated_at)
    ON applications TO portal_app;
GRANT SELECT, INSERT ON stage_moves TO portal_app;
GRANT SELECT ON applications, stage_moves TO portal_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON public_jobs TO portal_app;
GRANT SELECT, DELETE ON public_jobs TO portal_worker;
GRANT SELECT ON public_jobs, _sqlx_migrations TO portal_public;

-- The jobs that are published already. The owner is under the policies too.
DO $$
DECLARE
    tenant uuid;
BEGIN
    FOR tenant IN SELECT id FROM tenants LOOP
        PERFORM set_config('app.tenant_id', tenant::text, true);
        INSERT INTO public_jobs (tenant_id, job_id, slug, title, department, employment_type,
            experience_level, workplace, description_text, description_html, lang, locations,
            skills, salary_min, salary_max, salary_currency, salary_period, pay_blurb, openings,
            published_at, valid_through, version, updated_at)
        SELECT j.tenant_id, j.id, j.slug, j.title, j.department, j.employment_type,
               j.experience_level, j.workplace, j.description_text, j.description_html, j.lang,
               (SELECT coalesce(jsonb_agg(jsonb_build_object('country', l.country,
                    'region', l.region, 'city', l.city) ORDER BY l.ord), '[]')
                FROM job_locations l WHERE l.tenant_id = j.tenant_id AND l.job_id = j.id),
               ARRAY(SELECT s.skill FROM job_skills s
                     WHERE s.tenant_id = j.tenant_id AND s.job_id = j.id ORDER BY s.ord),
               j.salary_min, j.salary_max, j.salary_currency, j.salary_period, j.pay_blurb,
               j.openings, j.published_at, j.valid_through, j.version, j.updated_at
        FROM jobs j WHERE j.tenant_id = tenant AND j.status = 'published';
    END LOOP;
    PERFORM set_config('app.tenant_id', '', true);
END
$$;
