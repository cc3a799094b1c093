BEGIN;
SELECT set_config('app.tenant_id', :tenant, true);
INSERT INTO jobs (
    tenant_id, id, slug, requisition, title, department, employment_type, workplace,
    description_text, search_terms, salary_min, salary_max, salary_currency, salary_period,
    status, closed_reason, published_at, created_at, updated_at)
SELECT :tenant, gen_random_uuid(), 'job-' || n, 'REQ-' || n,
       CASE WHEN n % 4000 = 0 THEN 'Falconer ' || n
            ELSE 'Clerk of office ' || n % 500 END,
       (ARRAY['Care', 'IT', 'Sales', 'Kitchen'])[1 + n % 4],
       (ARRAY['full_time', 'part_time', 'contract', 'temporary', 'internship'])[1 + n % 5],
       (ARRAY['onsite', 'hybrid', 'remote'])[1 + n % 3],
       'Does the work of office ' || n % 500 || ' with care.', '',
       1000000 + n, 2000000 + n % 9000, 'EUR', 'year', state.status,
       CASE state.status WHEN 'closed' THEN 'filled' END,
       CASE WHEN state.status <> 'draft' THEN now() - n * interval '1 minute' END,
       now() - n * interval '1 minute', now() - (n % 7000) * interval '1 minute'
FROM generate_series(1, :jobs) AS n
CROSS JOIN LATERAL (SELECT CASE
    WHEN n % 100 = 0 THEN 'archived' WHEN n % 10 = 1 THEN 'draft'
    WHEN n % 10 = 2 THEN 'closed' WHEN n % 10 = 3 THEN 'paused'
    ELSE 'published' END AS status) AS state;
INSERT INTO job_locations (tenant_id, job_id, ord, country, region, city)
SELECT tenant_id, id, 1, 'DE', 'Region',
       CASE WHEN salary_min % 4000 = 0 THEN 'Rareville' ELSE 'City ' || salary_min % 12 END
FROM jobs;
INSERT INTO job_skills (tenant_id, job_id, ord, skill)
SELECT tenant_id, id, 1,
       CASE WHEN salary_min % 4000 = 0 THEN 'Falconry' ELSE 'Skill ' || salary_min % 12 END
FROM jobs;
INSERT INTO job_team (tenant_id, job_id, user_id, access)
SELECT tenant_id, id, :member, 'view' FROM jobs WHERE salary_min % 400 = 0;
COMMIT;
ANALYZE jobs, job_locations, job_skills, job_team;
