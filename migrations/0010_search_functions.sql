-- Text search. The operator `@@` is not leakproof, so under a tenant policy no index would serve
-- it: a search would read every job of the tenant. portal_search has a policy without conditions,
-- and the function takes the tenant from the transaction's setting itself; without one it finds
-- nothing.

-- What was typed, as a query over both dictionaries of jobs.search. The last word may be half
-- typed, unless quotes or a minus say that exact words are meant.
CREATE FUNCTION job_search_query(typed text) RETURNS tsquery
LANGUAGE plpgsql IMMUTABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    words constant tsquery :=
        websearch_to_tsquery('pg_catalog.english', typed) || websearch_to_tsquery('pg_catalog.simple', typed);
    last_word constant text := substring(typed FROM '([[:alnum:]]{3,})$');
    before text;
BEGIN
    IF last_word IS NULL OR typed ~ '["-]' THEN
        RETURN words;
    END IF;
    before := left(typed, length(typed) - length(last_word));
    RETURN words || (
        websearch_to_tsquery('pg_catalog.simple', before)
        && to_tsquery('pg_catalog.simple', quote_literal(last_word) || ':*')
    );
END
$$;

-- The jobs of the current tenant that match, best first by rank: a match of words is worth 1 and
-- more, a title that is merely spelt alike less than 1. Spelling is looked at only when words
-- find next to nothing, and only once for each distinct title.
CREATE FUNCTION search_jobs(typed text) RETURNS TABLE (job_id uuid, rank real)
LANGUAGE plpgsql STABLE STRICT SECURITY DEFINER ROWS 200
SET search_path = pg_catalog, public, pg_temp
SET plan_cache_mode = force_custom_plan
AS $$
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
        SELECT j.id, (1 + ts_rank(j.search, words))::real
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
        ), alike AS (
            SELECT t.title_key, word_similarity(wanted, t.title_key) AS likeness
            FROM titles t
            WHERE t.title_key IS NOT NULL AND word_similarity(wanted, t.title_key) >= 0.5
            ORDER BY likeness DESC, t.title_key
            LIMIT 50
        )
        SELECT j.id, (0.99 * a.likeness)::real
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
