//! Databases and tenants for tests, here and in the black-box suites.
//!
//! One database serves most tests of a schema: its name carries a hash of the roles and the
//! migrations, the first test process to need it makes it, the others wait for that. A test is
//! alone by using tenants of its own; one that works over all tenants has a database of its own.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use secrecy::SecretString;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tenancy::{Actor, EventKind, Evidence, OrgId, Role, TenantId, TenantScope, UserId};
use url::Url;
use uuid::Uuid;

use crate::database::{self, DatabaseSettings};
use crate::error::StoreError;
use crate::feed::NotificationKind;
use crate::identity::TenantStatus;
use crate::migrate::{self, MIGRATOR, ROLES_SQL};
use crate::public_board::PublicDb;
use crate::tenant_db::{TenantDb, TenantTx};
use crate::worker_db::WorkerDb;

/// The roles' password in a test cluster, which only this machine reaches.
const PASSWORD: &str = "for-tests-only";
/// Whoever provisions holds this advisory lock of the cluster.
const PROVISIONING_LOCK: i64 = 0x7074_6c5f_7465_7374;

/// Addresses of a migrated database, one a role.
#[derive(Clone, Debug)]
pub struct TestDatabase {
    /// The application's role.
    pub app_url: String,
    /// The owner's role.
    pub owner_url: String,
    /// The workers' role.
    pub worker_url: String,
    /// The platform operators' role.
    pub ops_url: String,
    /// The public's role.
    pub public_url: String,
    /// The superuser, in this database.
    pub superuser_url: String,
}

impl TestDatabase {
    /// Settings with short deadlines for one of the addresses.
    pub fn settings(url: &str) -> DatabaseSettings {
        DatabaseSettings {
            url: SecretString::from(url),
            max_connections: 5,
            acquire_timeout: Duration::from_secs(10),
            statement_timeout: Duration::from_secs(30),
        }
    }

    /// The database in the application's role.
    pub fn tenant_db(&self) -> Result<TenantDb, StoreError> {
        TenantDb::connect_lazily(&Self::settings(&self.app_url))
    }

    /// The database in the workers' role.
    pub fn worker_db(&self) -> Result<WorkerDb, StoreError> {
        WorkerDb::connect_lazily(&Self::settings(&self.worker_url))
    }

    /// The database in the public's role.
    pub fn public_db(&self) -> Result<PublicDb, StoreError> {
        PublicDb::connect_lazily(&Self::settings(&self.public_url))
    }
}

/// Makes the database of this schema in the cluster of `superuser_url`, where it is not there yet.
pub async fn provision_database(superuser_url: &str) -> Result<TestDatabase, StoreError> {
    provision(superuser_url, &format!("portal_test_{:016x}", schema_hash())).await
}

/// The same for the tests of one `purpose` (letters and digits, 20 at most): nobody else's workers
/// take their events.
pub async fn provision_database_for(
    superuser_url: &str,
    purpose: &str,
) -> Result<TestDatabase, StoreError> {
    provision(superuser_url, &format!("portal_test_{:016x}_{purpose}", schema_hash())).await
}

async fn provision(superuser_url: &str, name: &str) -> Result<TestDatabase, StoreError> {
    let superuser = Url::parse(superuser_url).map_err(|_| StoreError::Address)?;
    let mut cluster = connect(superuser.as_str()).await?;
    if !exists(&mut cluster, name).await? {
        sqlx::query!("SELECT pg_advisory_lock($1)", PROVISIONING_LOCK)
            .execute(&mut cluster)
            .await?;
        if !exists(&mut cluster, name).await? {
            build(&mut cluster, &superuser, name).await?;
        }
    }
    cluster.close().await?;
    Ok(TestDatabase {
        app_url: address(&superuser, "portal_app", name)?,
        owner_url: address(&superuser, "portal_owner", name)?,
        worker_url: address(&superuser, "portal_worker", name)?,
        ops_url: address(&superuser, "portal_ops", name)?,
        public_url: address(&superuser, "portal_public", name)?,
        superuser_url: with_database(&superuser, name).into(),
    })
}

/// Built under another name and renamed at the end: a database of the right name is whole.
async fn build(cluster: &mut PgConnection, superuser: &Url, name: &str) -> Result<(), StoreError> {
    let unfinished = format!("{name}_unfinished");
    for statement in [
        format!("DROP DATABASE IF EXISTS {unfinished}"),
        format!("CREATE DATABASE {unfinished} TEMPLATE template0 ENCODING 'UTF8'"),
    ] {
        sqlx::query(AssertSqlSafe(statement)).execute(&mut *cluster).await?;
    }
    let mut inside = connect(with_database(superuser, &unfinished).as_str()).await?;
    let roles = ["owner", "app", "public", "worker", "ops"]
        .iter()
        .fold(ROLES_SQL.to_owned(), |sql, role| {
            sql.replace(&format!(":'{role}_password'"), &format!("'{PASSWORD}'"))
        });
    sqlx::raw_sql(AssertSqlSafe(roles)).execute(&mut inside).await?;
    inside.close().await?;
    let owner_url = address(superuser, "portal_owner", &unfinished)?;
    migrate::run(&TestDatabase::settings(&owner_url)).await?;
    let rename = format!("ALTER DATABASE {unfinished} RENAME TO {name}");
    sqlx::query(AssertSqlSafe(rename)).execute(cluster).await?;
    Ok(())
}

async fn exists(cluster: &mut PgConnection, name: &str) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = $1) AS "exists!""#,
        name,
    )
    .fetch_one(cluster)
    .await?)
}

async fn connect(url: &str) -> Result<PgConnection, StoreError> {
    let options = database::parse_address(url)?;
    Ok(PgConnection::connect_with(&options.options([("statement_timeout", "180000")])).await?)
}

fn schema_hash() -> u64 {
    let mut hasher = DefaultHasher::new();
    ROLES_SQL.hash(&mut hasher);
    for migration in MIGRATOR.iter() {
        migration.checksum.hash(&mut hasher);
    }
    hasher.finish()
}

fn with_database(superuser: &Url, database: &str) -> Url {
    let mut url = superuser.clone();
    url.set_path(database);
    url
}

fn address(superuser: &Url, role: &str, database: &str) -> Result<String, StoreError> {
    let mut url = with_database(superuser, database);
    url.set_username(role).map_err(|()| StoreError::Address)?;
    url.set_password(Some(PASSWORD)).map_err(|()| StoreError::Address)?;
    Ok(url.into())
}

/// What a test's tenant should be like.
#[derive(Clone, Debug)]
pub struct NewTenant {
    /// Whether it may be worked in.
    pub status: TenantStatus,
    /// Whether its jobs need a pay range to be published.
    pub pay_range_required: bool,
    /// The roles of its members, one member each.
    pub roles: Vec<Role>,
}

impl Default for NewTenant {
    fn default() -> Self {
        Self { status: TenantStatus::Active, pay_range_required: false, roles: Role::ALL.to_vec() }
    }
}

/// A tenant that no other test knows.
#[derive(Clone, Debug)]
pub struct TestTenant {
    /// Authorizes access to it.
    pub scope: TenantScope,
    /// What it is called.
    pub name: String,
    /// It in addresses.
    pub slug: String,
    /// Its members, in the order of the roles asked for.
    pub members: Vec<TestMember>,
}

impl TestTenant {
    /// The first member of this role.
    pub fn member(&self, role: Role) -> Option<&TestMember> {
        self.members.iter().find(|member| member.role == role)
    }
}

/// A member of a test's tenant.
#[derive(Clone, Debug)]
pub struct TestMember {
    /// The person.
    pub user: UserId,
    /// The person at the identity provider.
    pub subject: String,
    /// Their name.
    pub name: String,
    /// Their e-mail address.
    pub email: String,
    /// What they are in the tenant.
    pub role: Role,
}

impl TestMember {
    /// The person as one who acts.
    pub const fn actor(&self) -> Actor {
        Actor::Member { user: self.user, role: self.role }
    }
}

/// Makes a tenant with its members, in the owner's role.
#[expect(clippy::disallowed_methods, reason = "a test may act in the tenant that it has just made")]
pub async fn create_tenant(
    database: &TestDatabase,
    wanted: &NewTenant,
) -> Result<TestTenant, StoreError> {
    let tenant = Uuid::now_v7();
    let tag = tenant.simple().to_string();
    let org: OrgId =
        format!("org_{tag}").parse().map_err(|_| StoreError::inconsistent("organization id"))?;
    let (name, slug) = (format!("Test {tag}"), format!("test-{tag}"));
    let mut owner = connect(&database.owner_url).await?;
    let mut transaction = owner.begin().await?;
    sqlx::query!(
        "INSERT INTO tenants (id, org_id, slug, name, status, pay_range_required)
         VALUES ($1, $2, $3, $4, $5, $6)",
        tenant,
        org.as_str(),
        slug,
        name,
        wanted.status.as_str(),
        wanted.pay_range_required,
    )
    .execute(&mut *transaction)
    .await?;
    sqlx::query!("SELECT set_config('app.tenant_id', $1, true)", tenant.to_string())
        .fetch_one(&mut *transaction)
        .await?;
    let mut members = Vec::with_capacity(wanted.roles.len());
    for (index, role) in wanted.roles.iter().enumerate() {
        let member = TestMember {
            user: UserId::from_uuid(Uuid::now_v7()),
            subject: format!("auth0|{tag}{index}"),
            name: format!("{role} {index}"),
            email: format!("{role}.{index}@{tag}.example"),
            role: *role,
        };
        sqlx::query!(
            "WITH person AS (
                 INSERT INTO users (id, subject, name, email_norm) VALUES ($1, $2, $3, $4)
             )
             INSERT INTO memberships (tenant_id, user_id, role) VALUES ($5, $1, $6)",
            member.user.as_uuid(),
            member.subject,
            member.name,
            member.email,
            tenant,
            role.as_str(),
        )
        .execute(&mut *transaction)
        .await?;
        members.push(member);
    }
    transaction.commit().await?;
    owner.close().await?;
    let scope =
        TenantScope::from_verified(TenantId::from_uuid(tenant), org, Evidence::SystemTask("test"));
    Ok(TestTenant { scope, name, slug, members })
}

/// The connection under a tenant's transaction, for statements that only tests make.
pub fn connection(tx: &mut TenantTx) -> &mut PgConnection {
    tx.connection()
}

/// Writes an event of any kind, as the functions do that write one with its cause.
pub async fn emit(
    tx: &mut TenantTx,
    kind: EventKind,
    subject: Option<Uuid>,
    payload: serde_json::Value,
) -> Result<(), StoreError> {
    tx.emit(kind, subject, payload).await
}

/// Has every notification of this kind take so long to be written, as many readers would.
pub async fn slow_down(
    database: &TestDatabase,
    kind: NotificationKind,
    pause: Duration,
) -> Result<(), StoreError> {
    let mut superuser = PgConnection::connect(&database.superuser_url).await?;
    let (name, pause) = (kind.as_str(), pause.as_secs_f64());
    let slow = format!(
        "CREATE FUNCTION slow_{name}() RETURNS trigger LANGUAGE plpgsql AS
             'BEGIN PERFORM pg_sleep({pause}); RETURN NEW; END';
         CREATE TRIGGER slow_{name} BEFORE INSERT ON notifications
             FOR EACH ROW WHEN (NEW.kind = '{name}') EXECUTE FUNCTION slow_{name}()"
    );
    sqlx::raw_sql(AssertSqlSafe(slow)).execute(&mut superuser).await?;
    superuser.close().await?;
    Ok(())
}
