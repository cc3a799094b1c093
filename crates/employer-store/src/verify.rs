//! Refuses to run on a database whose walls are down.

use sqlx::PgPool;

use crate::error::StoreError;
use crate::migrate::MIGRATOR;

/// The role may not pass by row level security, nor become one that may; and every table of
/// tenants' rows has it enabled and forced.
pub(crate) async fn role_and_tables(pool: &PgPool) -> Result<(), StoreError> {
    // A member of a role may become it, and a table's owner may switch its policies off.
    let roles = sqlx::query!(
        r#"SELECT current_user::text AS "current!", r.rolname::text AS "name!",
                  r.rolsuper AS "is_superuser!", r.rolbypassrls AS "bypasses!",
                  EXISTS (SELECT 1 FROM pg_class c
                          WHERE c.relowner = r.oid AND c.relrowsecurity
                            AND c.relnamespace = 'public'::regnamespace) AS "owns_tables!"
           FROM pg_roles r
           WHERE pg_has_role(current_user, r.oid, 'MEMBER')
           ORDER BY r.rolname <> current_user, r.rolname"#
    )
    .fetch_all(pool)
    .await?;
    for role in roles {
        let fault = if role.is_superuser {
            "a superuser"
        } else if role.bypasses {
            "allowed to bypass row level security"
        } else if role.owns_tables {
            "the owner of tenant tables"
        } else {
            continue;
        };
        let (current, name) = (role.current, role.name);
        return Err(StoreError::Role(if current == name {
            format!("{current} is {fault}")
        } else {
            format!("{current} may become {name}, which is {fault}")
        }));
    }
    let open_tables = sqlx::query_scalar!(
        r#"SELECT c.relname::text AS "name!"
           FROM pg_class c
           WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
             AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
             AND (c.relname IN ('tenants', 'users') OR EXISTS (
                 SELECT 1 FROM pg_attribute a
                 WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped))
           ORDER BY c.relname"#
    )
    .fetch_all(pool)
    .await?;
    if open_tables.is_empty() {
        return Ok(());
    }
    Err(StoreError::Role(format!(
        "row level security is not enabled and forced on {}",
        open_tables.join(", ")
    )))
}

/// Every migration of this version has run as it is. Later ones may have run too: the old version
/// keeps working while a new one is rolled out.
pub(crate) async fn schema(pool: &PgPool) -> Result<(), StoreError> {
    let is_migrated = sqlx::query_scalar!(
        r#"SELECT to_regclass('public._sqlx_migrations') IS NOT NULL AS "exists!""#
    )
    .fetch_one(pool)
    .await?;
    if !is_migrated {
        return Err(StoreError::Schema("no migration has run yet".to_owned()));
    }
    let applied = sqlx::query!("SELECT version, checksum FROM _sqlx_migrations WHERE success")
        .fetch_all(pool)
        .await?;
    for migration in MIGRATOR.iter() {
        let version = migration.version;
        match applied.iter().find(|row| row.version == version) {
            None => {
                return Err(StoreError::Schema(format!("migration {version} has not run yet")));
            }
            Some(row) if row.checksum != *migration.checksum => {
                return Err(StoreError::Schema(format!("migration {version} ran in another form")));
            }
            Some(_) => {}
        }
    }
    Ok(())
}
