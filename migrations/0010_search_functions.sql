-- Text search. The operator `@@` is not leakproof, so under a tenant policy no index would serve
-- it: a search would read every job of the tenant. portal_search has a policy without conditions,
-- and the function takes the tenant from the transaction's setting itself; without one it finds
-- nothing.

-- What was typed, as a query over jobs.search: words by their stems or, where the headline has
-- them, as they are. The last word may be half typed. Where words are excluded, stems alone decide,
-- for they alone stand for every word of a job. A text without words is an empty query, which
-- matches nothing; the server would also send a notice about it.
CREATE FUNCTION job_search_query(typed text) RETURNS tsquery
LANGUAGE plpgsql IMMUTABLE STRICT
SET search_path = pg_catalog, pg_temp
SET client_min_messages = warning
AS $$
DECLARE
    stems constant tsquery := websearch_to_tsquery('pg_catalog.english', typed);
    words constant tsquery := stems || websearch_to_tsquery('pg_catalog.simple', typed);
    last_word constant text := substring(typed FROM '([[:alnum:]]{3,})$');
    before tsquery;
BEGIN
    IF typed ~ '(^|\s)-' THEN
        RETURN stems;
    END IF;
    IF last_word IS NULL OR typed ~ '"' THEN
        RETURN words;
    END IF;
    before := websearch_to_tsquery('pg_catalog.simple', left(typed, length(typed) - length(last_word)));
    RETURN words || (before && to_tsquery('pg_catalog.simple', quote_literal(last_word) || ':*'));
END
$$;

-- The jobs of the current tenant that match, with what lists filter and sort them by. The rank of
-- a match of words is 1 and more, that of a title that is merely spelt alike is less than 1.
-- Spelling is looked at only when words find next to nothing, once for each distinct title.
CREATE FUNCTION search_jobs(typed text) RETURNS TABLE (
    tenant_id uuid, id uuid, status text, department text, employment_type text, workplace text,
    listed_at timestamptz, updated_at timestamptz, published_at timestamptz, title_key text,
    salary_yearly bigint, rank real
)
LANGUAGE plpgsql STABLE STRICT SECURITY DEFINER ROWS 500
SET search_path = pg_catalog, public, pg_temp
SET plan_cache_mode = force_custom_plan
AS $$
#variable_conflict use_column
DECLARE
    current_tenant constant uuid := nullif(current_setting('app.tenant_id', true), '')::uuid;
    wanted constant text := lower(left(typed, 200) COLLATE "und-x-icu");
    words constant tsquery := job_search_query(wanted);
    matches bigint;
BEGIN
    IF current_tenant IS NULL THEN
        RETURN;
    END IF;
    RETURN QUERY
        SELECT j.tenant_id, j.id, j.status, j.department, j.employment_type, j.workplace,
               j.listed_at, j.updated_at, j.published_at, j.title_key, j.salary_yearly,
               (1 + ts_rank(j.headline, words))::real
        FROM jobs j
        WHERE j.tenant_id = current_tenant AND j.search @@ words;
    GET DIAGNOSTICS matches = ROW_COUNT;
    IF matches >= 5 THEN
        RETURN;
    END IF;
    RETURN QUERY
        WITH RECURSIVE titles AS (
            (SELECT j.title_key FROM jobs j
             WHERE j.tenant_id = current_tenant ORDER BY j.title_key LIMIT 1)
            UNION ALL
            SELECT (SELECT j.title_key FROM jobs j
                    WHERE j.tenant_id = current_tenant AND j.title_key > t.title_key
                    ORDER BY j.title_key LIMIT 1)
            FROM titles t WHERE t.title_key IS NOT NULL
        ), compared AS MATERIALIZED (
            SELECT t.title_key, word_similarity(wanted, t.title_key) AS likeness
            FROM titles t
            WHERE t.title_key IS NOT NULL
        ), alike AS (
            -- Two letters swapped in a short word leave a likeness of 0.4; beside a good likeness
            -- a poor one is noise.
            SELECT c.title_key, c.likeness
            FROM compared c
            WHERE c.likeness >= 0.4
              AND c.likeness >= 0.75 * (SELECT max(best.likeness) FROM compared best)
            ORDER BY c.likeness DESC, c.title_key
            LIMIT 50
        )
        SELECT j.tenant_id, j.id, j.status, j.department, j.employment_type, j.workplace,
               j.listed_at, j.updated_at, j.published_at, j.title_key, j.salary_yearly,
               (0.99 * a.likeness)::real
        FROM alike a
        JOIN jobs j ON j.tenant_id = current_tenant AND j.title_key = a.title_key
        WHERE NOT j.search @@ words;
END
$$;

REVOKE ALL ON FUNCTION job_search_query(text) FROM PUBLIC;
REVOKE ALL ON FUNCTION search_jobs(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION job_search_query(text) TO portal_search;
GRANT EXECUTE ON FUNCTION search_jobs(text) TO portal_app;

GRANT CREATE ON SCHEMA public TO portal_search;
ALTER FUNCTION search_jobs(text) OWNER TO portal_search;
REVOKE CREATE ON SCHEMA public FROM portal_search;
