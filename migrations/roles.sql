-- The database roles of the portal, and what they may do to this database as such.
-- A superuser runs it in the portal's own database, before the first migration; running it again
-- sets the passwords anew and changes nothing else:
--
--   psql -d portal -v owner_password=… -v app_password=… -v public_password=… \
--        -v worker_password=… -v ops_password=… -f roles.sql
--
-- Nothing here needs a superuser's powers: CREATEROLE and the ownership of the database do, which
-- is what managed services give to their administrator.

-- A DO block sees no psql variables; settings of the session carry them in.
SELECT set_config('portal.owner_password', :'owner_password', false),
       set_config('portal.app_password', :'app_password', false),
       set_config('portal.public_password', :'public_password', false),
       set_config('portal.worker_password', :'worker_password', false),
       set_config('portal.ops_password', :'ops_password', false);

DO $$
DECLARE
    role_name text;
BEGIN
    FOREACH role_name IN ARRAY ARRAY['owner', 'app', 'public', 'worker', 'ops'] LOOP
        IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'portal_' || role_name) THEN
            EXECUTE format('CREATE ROLE %I', 'portal_' || role_name);
        END IF;
        EXECUTE format(
            'ALTER ROLE %I LOGIN PASSWORD %L',
            'portal_' || role_name,
            current_setting('portal.' || role_name || '_password')
        );
    END LOOP;
    IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'portal_search') THEN
        CREATE ROLE portal_search;
    END IF;
    ALTER ROLE portal_search NOLOGIN;
    -- New roles have no such power; one that was there before may have been given it.
    IF EXISTS (SELECT 1 FROM pg_roles
               WHERE rolname IN ('portal_owner', 'portal_app', 'portal_public', 'portal_worker',
                                 'portal_ops', 'portal_search')
                 AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb)) THEN
        RAISE EXCEPTION 'a role of the portal is more than an ordinary role'
            USING HINT = 'ALTER ROLE … NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB';
    END IF;

    -- The owner hands functions over to portal_search, so it is a member; it does not inherit,
    -- so that the policies of portal_search do not become its own.
    ALTER ROLE portal_owner NOINHERIT;
    GRANT portal_search TO portal_owner;

    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format(
        'GRANT CONNECT ON DATABASE %I TO portal_app, portal_public, portal_worker, portal_ops',
        current_database()
    );
    -- CREATE lets the owner install trusted extensions, TEMPORARY lets it stage bulk loads.
    EXECUTE format('GRANT CONNECT, CREATE, TEMPORARY ON DATABASE %I TO portal_owner', current_database());

    REVOKE ALL ON SCHEMA public FROM PUBLIC;
    GRANT USAGE ON SCHEMA public
        TO portal_app, portal_public, portal_worker, portal_ops, portal_search;
    GRANT USAGE, CREATE ON SCHEMA public TO portal_owner WITH GRANT OPTION;
END
$$;

SELECT set_config('portal.owner_password', '', false),
       set_config('portal.app_password', '', false),
       set_config('portal.public_password', '', false),
       set_config('portal.worker_password', '', false),
       set_config('portal.ops_password', '', false);
