//! What every tenant table must have, asked of the database itself.

use sqlx::Row;

use crate::support::Store;

const TENANT_TABLES: &str = "
    SELECT c.oid, c.relname::text AS name, c.relrowsecurity, c.relforcerowsecurity
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
      AND a.attname = 'tenant_id' AND NOT a.attisdropped";

const ISOLATION: &str =
    "(tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid)";

#[tokio::test]
async fn every_tenant_table_has_forced_row_security_and_the_one_policy() {
    let mut superuser = Store::open().await.superuser().await;
    let tables = sqlx::query(TENANT_TABLES).fetch_all(&mut superuser).await.unwrap();
    assert!(tables.len() >= 9, "the tenant tables are found at all");
    for table in tables {
        let name: String = table.get("name");
        assert!(table.get::<bool, _>("relrowsecurity"), "{name}: row security is enabled");
        assert!(table.get::<bool, _>("relforcerowsecurity"), "{name}: and forced");
        let policies = sqlx::query(
            "SELECT policyname::text AS name, cmd, qual, with_check FROM pg_policies
             WHERE schemaname = 'public' AND tablename = $1
               AND roles && ARRAY['portal_app', 'portal_owner', 'public']::name[]",
        )
        .bind(&name)
        .fetch_all(&mut superuser)
        .await
        .unwrap();
        let [policy] = policies.as_slice() else { panic!("{name}: one policy of the application") };
        assert_eq!(policy.get::<String, _>("name"), "tenant_isolation", "{name}");
        assert_eq!(policy.get::<String, _>("cmd"), "ALL", "{name}");
        assert_eq!(policy.get::<String, _>("qual"), ISOLATION, "{name}");
        assert_eq!(policy.get::<String, _>("with_check"), ISOLATION, "{name}");
    }
}

#[tokio::test]
async fn every_key_of_a_tenant_table_begins_with_the_tenant() {
    let mut superuser = Store::open().await.superuser().await;
    // A reference to a shared table has no tenant to begin with: it is one.
    let strays = sqlx::query_scalar::<_, String>(
        "SELECT k.conrelid::regclass || '.' || k.conname
         FROM pg_constraint k
         JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attname = 'tenant_id'
         LEFT JOIN pg_attribute f ON f.attrelid = k.confrelid AND f.attnum = k.confkey[1]
         WHERE k.connamespace = 'public'::regnamespace
           AND CASE
               WHEN k.contype IN ('p', 'u') THEN k.conkey[1] <> a.attnum
               WHEN k.contype = 'f' AND k.confrelid IN ('users'::regclass, 'tenants'::regclass)
                   THEN false
               WHEN k.contype = 'f' THEN k.conkey[1] <> a.attnum OR f.attname <> 'tenant_id'
               ELSE false END
         UNION ALL
         SELECT i.indexrelid::regclass::text
         FROM pg_index i
         JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attname = 'tenant_id'
         JOIN pg_class c ON c.oid = i.indrelid AND c.relnamespace = 'public'::regnamespace
         WHERE i.indisunique AND i.indkey[0] <> a.attnum",
    )
    .fetch_all(&mut superuser)
    .await
    .unwrap();
    assert_eq!(strays, Vec::<String>::new());
}

#[tokio::test]
async fn the_audit_trail_is_append_only_for_every_role_that_runs() {
    let mut superuser = Store::open().await.superuser().await;
    for role in ["portal_app", "portal_public", "portal_worker", "portal_ops", "portal_search"] {
        let may_change = sqlx::query_scalar::<_, bool>(
            "SELECT has_any_column_privilege($1, 'audit_log', 'UPDATE')
                 OR has_table_privilege($1, 'audit_log', 'DELETE, TRUNCATE')",
        )
        .bind(role)
        .fetch_one(&mut superuser)
        .await
        .unwrap();
        assert!(!may_change, "{role} cannot rewrite the trail");
    }
}

#[tokio::test]
async fn nothing_that_runs_with_another_role_trusts_the_callers_search_path() {
    let mut superuser = Store::open().await.superuser().await;
    let functions = sqlx::query(
        "SELECT p.proname::text AS name, p.proconfig AS settings,
                has_function_privilege('portal_public', p.oid, 'EXECUTE') AS is_public
         FROM pg_proc p
         WHERE p.prosecdef AND p.pronamespace = 'public'::regnamespace",
    )
    .fetch_all(&mut superuser)
    .await
    .unwrap();
    assert!(functions.len() >= 8, "look-ups, sign-in, sessions and search are found at all");
    for function in functions {
        let name: String = function.get("name");
        let settings: Vec<String> = function.get("settings");
        assert!(settings.iter().any(|s| s.starts_with("search_path=")), "{name}: {settings:?}");
        // What the public board does, and what nobody else needs.
        let is_for_everybody = matches!(name.as_str(), "resolve_board" | "submit_application");
        assert_eq!(function.get::<bool, _>("is_public"), is_for_everybody, "{name}");
    }
}
