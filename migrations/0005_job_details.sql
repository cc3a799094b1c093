-- Where a job is done, in the order that the employer gave.
CREATE TABLE job_locations (
    tenant_id uuid NOT NULL,
    job_id uuid NOT NULL,
    ord smallint NOT NULL,
    country text NOT NULL,
    region text,
    city text,
    -- Filters compare these; `lower` of a column is not leakproof, a stored key is.
    region_key text GENERATED ALWAYS AS (lower(region COLLATE "und-x-icu")) STORED,
    city_key text GENERATED ALWAYS AS (lower(city COLLATE "und-x-icu")) STORED,
    CONSTRAINT job_locations_pkey PRIMARY KEY (tenant_id, job_id, ord),
    CONSTRAINT job_locations_job_fkey FOREIGN KEY (tenant_id, job_id)
        REFERENCES jobs (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT job_locations_country_check CHECK (country ~ '^[A-Z]{2}$'),
    CONSTRAINT job_locations_region_check CHECK (length(region) BETWEEN 1 AND 100),
    CONSTRAINT job_locations_city_check CHECK (length(city) BETWEEN 1 AND 100)
);
CREATE INDEX job_locations_country_idx ON job_locations (tenant_id, country, job_id);
CREATE INDEX job_locations_region_idx ON job_locations (tenant_id, region_key, job_id);
CREATE INDEX job_locations_city_idx ON job_locations (tenant_id, city_key, job_id) INCLUDE (city);

-- What a job asks for. The key is the skill without regard to case.
CREATE TABLE job_skills (
    tenant_id uuid NOT NULL,
    job_id uuid NOT NULL,
    ord smallint NOT NULL,
    skill text NOT NULL,
    skill_key text NOT NULL GENERATED ALWAYS AS (lower(skill COLLATE "und-x-icu")) STORED,
    CONSTRAINT job_skills_pkey PRIMARY KEY (tenant_id, job_id, skill_key),
    CONSTRAINT job_skills_job_fkey FOREIGN KEY (tenant_id, job_id)
        REFERENCES jobs (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT job_skills_skill_check CHECK (length(skill) BETWEEN 1 AND 100)
);
CREATE INDEX job_skills_skill_idx ON job_skills (tenant_id, skill_key, job_id) INCLUDE (skill);

-- Who works on a job; what a hiring manager sees is decided here.
CREATE TABLE job_team (
    tenant_id uuid NOT NULL,
    job_id uuid NOT NULL,
    user_id uuid NOT NULL,
    access text NOT NULL DEFAULT 'view',
    CONSTRAINT job_team_pkey PRIMARY KEY (tenant_id, job_id, user_id),
    CONSTRAINT job_team_job_fkey FOREIGN KEY (tenant_id, job_id)
        REFERENCES jobs (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT job_team_member_fkey FOREIGN KEY (tenant_id, user_id)
        REFERENCES memberships (tenant_id, user_id) ON DELETE CASCADE,
    CONSTRAINT job_team_access_check CHECK (access IN ('view', 'edit'))
);
CREATE INDEX job_team_user_idx ON job_team (tenant_id, user_id, job_id);

ALTER TABLE job_locations ENABLE ROW LEVEL SECURITY;
ALTER TABLE job_locations FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON job_locations TO portal_app, portal_owner
    USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);

ALTER TABLE job_skills ENABLE ROW LEVEL SECURITY;
ALTER TABLE job_skills FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON job_skills TO portal_app, portal_owner
    USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);

ALTER TABLE job_team ENABLE ROW LEVEL SECURITY;
ALTER TABLE job_team FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON job_team TO portal_app, portal_owner
    USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);

GRANT SELECT, INSERT, DELETE ON job_locations, job_skills, job_team TO portal_app;
