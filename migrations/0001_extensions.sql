-- Both are trusted extensions: CREATE on the database suffices, no superuser is needed.
-- btree_gin puts tenant_id in front of a text-search vector in one index.
CREATE EXTENSION IF NOT EXISTS btree_gin;
-- pg_trgm finds the titles that a misspelt word may have meant.
CREATE EXTENSION IF NOT EXISTS pg_trgm;

-- Functions are callable by everyone unless said otherwise; here they never are.
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
