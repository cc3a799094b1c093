-- Jobs. Column types are chosen for row level security: only leakproof operators reach an index
-- through a policy, and those of text, uuid, bigint and timestamptz are, those of enums, numeric,
-- citext, arrays and tsvector are not. Hence text with CHECK, and `search` behind a function.
CREATE TABLE jobs (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    version integer NOT NULL DEFAULT 1,
    slug text NOT NULL,
    requisition text NOT NULL,
    title text NOT NULL,
    department text,
    employment_type text NOT NULL,
    experience_level text,
    workplace text NOT NULL,
    description_text text NOT NULL DEFAULT '',
    description_html text NOT NULL DEFAULT '',
    lang text NOT NULL DEFAULT 'en',
    -- What the search should find beside title, department and description: skills and places.
    search_terms text NOT NULL DEFAULT '',
    salary_min bigint,
    salary_max bigint,
    salary_currency text,
    salary_period text,
    pay_blurb text,
    openings integer NOT NULL DEFAULT 1,
    status text NOT NULL DEFAULT 'draft',
    closed_reason text,
    published_at timestamptz,
    valid_through timestamptz,
    created_by uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),

    -- Sort keys are never null, so that a page can end at any row.
    listed_at timestamptz NOT NULL GENERATED ALWAYS AS (coalesce(published_at, created_at)) STORED,
    title_key text COLLATE "C" NOT NULL
        GENERATED ALWAYS AS (lower(title COLLATE "und-x-icu")) STORED,
    -- The upper end of the pay for a year of full-time work (2080 hours, 260 days, 12 months).
    salary_yearly bigint NOT NULL GENERATED ALWAYS AS (coalesce(salary_max * CASE salary_period
        WHEN 'hour' THEN 2080 WHEN 'day' THEN 260 WHEN 'month' THEN 12 ELSE 1 END, -1)) STORED,
    -- What a match is ranked by: short, so that it stays in the row.
    headline tsvector NOT NULL GENERATED ALWAYS AS (
        setweight(to_tsvector('pg_catalog.english', title), 'A')
        || setweight(to_tsvector('pg_catalog.simple', title), 'A')
        || setweight(to_tsvector('pg_catalog.english', coalesce(department, '') || ' ' || search_terms), 'B')
        || setweight(to_tsvector('pg_catalog.simple', coalesce(department, '') || ' ' || search_terms), 'B')
    ) STORED,
    -- What a match is found by: every word by its English stem, those of the headline also as they
    -- are, since names of skills and places have none.
    search tsvector NOT NULL GENERATED ALWAYS AS (
        setweight(to_tsvector('pg_catalog.english', title), 'A')
        || setweight(to_tsvector('pg_catalog.simple', title), 'A')
        || setweight(to_tsvector('pg_catalog.english', coalesce(department, '') || ' ' || search_terms), 'B')
        || setweight(to_tsvector('pg_catalog.simple', coalesce(department, '') || ' ' || search_terms), 'B')
        || setweight(to_tsvector('pg_catalog.english', description_text), 'C')
    ) STORED,

    CONSTRAINT jobs_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT jobs_slug_key UNIQUE (tenant_id, slug),
    CONSTRAINT jobs_requisition_key UNIQUE (tenant_id, requisition),
    CONSTRAINT jobs_tenant_fkey FOREIGN KEY (tenant_id) REFERENCES tenants (id),
    CONSTRAINT jobs_created_by_fkey FOREIGN KEY (tenant_id, created_by)
        REFERENCES memberships (tenant_id, user_id) ON DELETE SET NULL (created_by),
    CONSTRAINT jobs_slug_check CHECK (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$' AND length(slug) <= 100),
    CONSTRAINT jobs_title_check CHECK (length(title) BETWEEN 1 AND 200),
    CONSTRAINT jobs_department_check CHECK (length(department) BETWEEN 1 AND 100),
    CONSTRAINT jobs_employment_type_check CHECK (employment_type IN
        ('full_time', 'part_time', 'contract', 'temporary', 'internship')),
    CONSTRAINT jobs_experience_level_check CHECK (experience_level IN
        ('entry', 'mid', 'senior', 'lead', 'executive')),
    CONSTRAINT jobs_workplace_check CHECK (workplace IN ('onsite', 'hybrid', 'remote')),
    CONSTRAINT jobs_description_check CHECK (length(description_text) <= 50000),
    CONSTRAINT jobs_lang_check CHECK (lang ~ '^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$' AND length(lang) <= 35),
    CONSTRAINT jobs_salary_check CHECK (
        num_nonnulls(salary_min, salary_max, salary_currency, salary_period) IN (0, 4)
        AND salary_min >= 0 AND salary_min <= salary_max AND salary_max <= 1000000000000
        AND salary_currency ~ '^[A-Z]{3}$' AND salary_period IN ('hour', 'day', 'month', 'year')),
    CONSTRAINT jobs_pay_blurb_check CHECK (length(pay_blurb) BETWEEN 1 AND 1000),
    CONSTRAINT jobs_openings_check CHECK (openings BETWEEN 1 AND 10000),
    CONSTRAINT jobs_status_check CHECK (status IN
        ('draft', 'published', 'paused', 'closed', 'archived')),
    CONSTRAINT jobs_closed_reason_check CHECK (closed_reason IS NULL OR (
        closed_reason IN ('filled', 'cancelled', 'expired', 'other')
        AND status IN ('closed', 'archived'))),
    CONSTRAINT jobs_closed_has_reason_check CHECK (status <> 'closed' OR closed_reason IS NOT NULL),
    CONSTRAINT jobs_published_at_check CHECK (status <> 'published' OR published_at IS NOT NULL)
);

-- Long texts move out of the row, so that what walks over many jobs reads few pages.
ALTER TABLE jobs SET (toast_tuple_target = 768);
ALTER TABLE jobs ALTER COLUMN headline SET STORAGE MAIN;

-- One index a sort order, each ending in the id: a page starts where the last one ended.
CREATE INDEX jobs_listed_idx ON jobs (tenant_id, listed_at, id);
CREATE INDEX jobs_status_listed_idx ON jobs (tenant_id, status, listed_at, id);
CREATE INDEX jobs_updated_idx ON jobs (tenant_id, updated_at, id);
CREATE INDEX jobs_title_idx ON jobs (tenant_id, title_key, id);
CREATE INDEX jobs_salary_idx ON jobs (tenant_id, salary_yearly, id);
CREATE INDEX jobs_department_idx ON jobs (tenant_id, department, listed_at, id);
CREATE INDEX jobs_search_idx ON jobs USING gin (tenant_id, search);
-- The worker that closes jobs looks over all tenants at once.
CREATE INDEX jobs_due_idx ON jobs (valid_through, tenant_id, id) WHERE status = 'published';
-- Everything that the figures of a tenant are counted from, without touching the wide rows.
CREATE INDEX jobs_figures_idx ON jobs (tenant_id, status)
    INCLUDE (id, employment_type, workplace, department, published_at, valid_through,
             salary_min, salary_max, salary_currency, salary_period);

ALTER TABLE jobs ENABLE ROW LEVEL SECURITY;
ALTER TABLE jobs FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON jobs TO portal_app, portal_owner
    USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
CREATE POLICY across_tenants ON jobs TO portal_worker USING (true) WITH CHECK (true);
CREATE POLICY search_functions ON jobs FOR SELECT TO portal_search USING (true);

GRANT SELECT, INSERT, UPDATE, DELETE ON jobs TO portal_app;
GRANT SELECT, UPDATE (status, closed_reason, version, updated_at) ON jobs TO portal_worker;
GRANT SELECT ON jobs TO portal_search;

-- Numbers that count up within a tenant, such as that of requisitions.
CREATE TABLE tenant_counters (
    tenant_id uuid NOT NULL,
    name text NOT NULL,
    value bigint NOT NULL,
    CONSTRAINT tenant_counters_pkey PRIMARY KEY (tenant_id, name),
    CONSTRAINT tenant_counters_tenant_fkey FOREIGN KEY (tenant_id) REFERENCES tenants (id),
    CONSTRAINT tenant_counters_name_check CHECK (name IN ('requisition'))
);
ALTER TABLE tenant_counters ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenant_counters FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON tenant_counters TO portal_app, portal_owner
    USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
GRANT SELECT, INSERT, UPDATE ON tenant_counters TO portal_app;
