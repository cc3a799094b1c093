//! Tenants of a test's own, with a member in each role.

use std::time::Duration;

use employer_store::testing::TestDatabase;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tenancy::Role;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use crate::client::Browser;
use crate::environment;
use crate::identity::IdentityProvider;
use crate::portal::Portal;
use crate::waiting::eventually;

/// The addresses of one migrated database, by role.
#[derive(Clone, Debug)]
pub struct Databases {
    /// The application's.
    pub app_url: String,
    /// The workers'.
    pub worker_url: String,
    /// The public's role.
    pub public_url: String,
    /// The platform operators'.
    pub ops_url: String,
    /// A superuser's.
    pub superuser_url: String,
}

/// A migrated database and an identity provider.
#[derive(Clone, Debug)]
pub struct World {
    /// Where the data is.
    pub databases: Databases,
    /// Where people sign in.
    pub provider: IdentityProvider,
}

impl World {
    /// On the Postgres that all tests share.
    pub async fn shared() -> Self {
        Self::on(&environment::postgres_superuser_url()).await
    }

    /// On a Postgres of the test's own.
    pub async fn on(superuser_url: &str) -> Self {
        let provisioned = employer_store::testing::provision_database(superuser_url).await;
        Self::in_database(provisioned.unwrap())
    }

    /// On the Postgres that all tests share, in a database for one `purpose` (letters and digits):
    /// no other portal works on its queues.
    pub async fn for_purpose(purpose: &str) -> Self {
        let url = environment::postgres_superuser_url();
        let provisioned = employer_store::testing::provision_database_for(&url, purpose).await;
        Self::in_database(provisioned.unwrap())
    }

    fn in_database(provisioned: TestDatabase) -> Self {
        Self {
            databases: Databases {
                app_url: provisioned.app_url,
                worker_url: provisioned.worker_url,
                public_url: provisioned.public_url,
                ops_url: provisioned.ops_url,
                superuser_url: provisioned.superuser_url,
            },
            provider: IdentityProvider::default(),
        }
    }

    /// A new tenant with a member in each role, in the database and at the provider.
    pub async fn tenant(&self) -> Tenant {
        let id = Uuid::now_v7();
        let tag = Uuid::new_v4().simple().to_string()[..16].to_owned();
        let tenant = Tenant {
            id,
            org: format!("org_{tag}"),
            slug: format!("tenant-{tag}"),
            tag,
            world: self.clone(),
        };
        tenant.is_provisioned().await;
        tenant
    }

    /// What the platform's trail tells of this address, oldest first.
    pub async fn security_log(&self, address: &str) -> Vec<AuditRow> {
        let mut connection = self.superuser().await;
        let rows = format!("{SECURITY_ROWS} WHERE ip = $1::inet ORDER BY at, id");
        sqlx::query_as(AssertSqlSafe(rows)).bind(address).fetch_all(&mut connection).await.unwrap()
    }

    /// What the platform's trail tells of `action`, oldest first.
    pub async fn security_rows(&self, action: &str) -> Vec<AuditRow> {
        let mut connection = self.superuser().await;
        let rows = format!("{SECURITY_ROWS} WHERE action = $1 ORDER BY at, id");
        sqlx::query_as(AssertSqlSafe(rows)).bind(action).fetch_all(&mut connection).await.unwrap()
    }

    /// Lets the time of this tenant's visitors be over, as half an hour would.
    pub async fn ends_visits_to(&self, tenant: &Tenant) {
        let mut connection = self.superuser().await;
        let update = "UPDATE impersonations SET ends_at = now() WHERE member_tenant = $1";
        connection.execute(sqlx::query(update).bind(tenant.id)).await.unwrap();
    }

    async fn superuser(&self) -> PgConnection {
        PgConnection::connect(&self.databases.superuser_url).await.unwrap()
    }
}

/// Rows of the platform's trail, as [`AuditRow`] reads them.
const SECURITY_ROWS: &str = "SELECT actor, action, resource, result, repeats, request_id::text,
                                    host(ip) AS ip FROM security_log";

/// A row of a trail.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct AuditRow {
    /// Who.
    pub actor: String,
    /// What.
    pub action: String,
    /// To what.
    pub resource: String,
    /// What came of it.
    pub result: String,
    /// How many times.
    pub repeats: i32,
    /// For which request.
    pub request_id: Option<String>,
    /// From where.
    pub ip: Option<String>,
}

/// One employer.
#[derive(Clone, Debug)]
pub struct Tenant {
    /// Our id.
    pub id: Uuid,
    /// The organization's id at the provider.
    pub org: String,
    /// The name in addresses.
    pub slug: String,
    tag: String,
    world: World,
}

impl Tenant {
    async fn is_provisioned(&self) {
        let mut connection = self.world.superuser().await;
        connection
            .execute(
                sqlx::query("INSERT INTO tenants (id, org_id, slug, name) VALUES ($1, $2, $3, $3)")
                    .bind(self.id)
                    .bind(&self.org)
                    .bind(&self.slug),
            )
            .await
            .unwrap();
        self.world.provider.has_organization(&self.org, &self.slug).await;
        for role in Role::ALL {
            let user = Uuid::now_v7();
            let subject = self.subject(role);
            let name = format!("Test {role}");
            let insert_user = sqlx::query(
                "INSERT INTO users (id, subject, name, email_norm) VALUES ($1, $2, $3, $4)",
            );
            let email = format!("{}@example.com", subject.replace('|', "."));
            connection
                .execute(insert_user.bind(user).bind(&subject).bind(&name).bind(email))
                .await
                .unwrap();
            let insert_membership = sqlx::query(
                "INSERT INTO memberships (tenant_id, user_id, role) VALUES ($1, $2, $3)",
            );
            connection
                .execute(insert_membership.bind(self.id).bind(user).bind(role.as_str()))
                .await
                .unwrap();
            self.world.provider.has_person(&subject, &name, &[(&self.org, role.as_str())]).await;
        }
    }

    /// The provider's name for the member with this role.
    pub fn subject(&self, role: Role) -> String {
        format!("auth0|{}-{role}", self.tag)
    }

    /// Our id of the member with this role.
    pub async fn user(&self, role: Role) -> Uuid {
        let mut connection = self.world.superuser().await;
        let found = sqlx::query_scalar("SELECT id FROM users WHERE subject = $1");
        found.bind(self.subject(role)).fetch_one(&mut connection).await.unwrap()
    }

    /// Where its people sign in.
    pub fn provider(&self) -> &IdentityProvider {
        &self.world.provider
    }

    /// The member with this role, signed in.
    pub async fn signs_in(&self, portal: &Portal, role: Role) -> Browser {
        let mut browser = portal.browser();
        browser.signs_in(&self.world.provider, &self.subject(role), &self.org).await;
        browser
    }

    pub(crate) async fn connection(&self) -> PgConnection {
        self.world.superuser().await
    }

    /// Suspends it, as an operator of the platform would.
    pub async fn is_suspended(&self) {
        let mut connection = self.world.superuser().await;
        let update = sqlx::query("UPDATE tenants SET status = 'suspended' WHERE id = $1");
        connection.execute(update.bind(self.id)).await.unwrap();
    }

    /// The identity provider's session behind the newest session of the member with this role.
    pub async fn idp_sid(&self, role: Role) -> String {
        let mut connection = self.world.superuser().await;
        let newest = "SELECT idp_sid FROM sessions WHERE tenant_id = $1 AND subject = $2
                      ORDER BY created_at DESC LIMIT 1";
        let found = sqlx::query_scalar(newest).bind(self.id).bind(self.subject(role));
        found.fetch_one(&mut connection).await.unwrap()
    }

    /// Lets the member's newest session stand on another session of the identity provider.
    pub async fn moves_to_idp_sid(&self, role: Role, sid: &str) {
        let mut connection = self.world.superuser().await;
        let update =
            sqlx::query("UPDATE sessions SET idp_sid = $3 WHERE tenant_id = $1 AND subject = $2");
        let update = update.bind(self.id).bind(self.subject(role)).bind(sid);
        connection.execute(update).await.unwrap();
    }

    /// Gives the member with this role another one, and tells nobody.
    pub async fn changes_role_behind_everybody(&self, role: Role, new: Role) {
        let mut connection = self.world.superuser().await;
        let update = sqlx::query(
            "UPDATE memberships m SET role = $3, role_version = role_version + 1
             FROM users u WHERE m.tenant_id = $1 AND m.user_id = u.id AND u.subject = $2",
        );
        connection
            .execute(update.bind(self.id).bind(self.subject(role)).bind(new.as_str()))
            .await
            .unwrap();
    }

    /// Makes whoever changes the team wait, for as long as the connection is there.
    pub async fn holds_up_the_team(&self) -> PgConnection {
        let mut connection = self.world.superuser().await;
        let lock = "SELECT pg_advisory_lock(hashtextextended('team:' || $1::text, 0))";
        connection.execute(sqlx::query(lock).bind(self.id)).await.unwrap();
        connection
    }

    /// How many changes of the team wait.
    pub async fn waiting_for_the_team(&self) -> i64 {
        let count = "SELECT count(*) FROM pg_locks
                     WHERE locktype = 'advisory' AND NOT granted
                     AND (classid::bigint << 32 | objid::bigint)
                         = hashtextextended('team:' || $1::text, 0)";
        let mut connection = self.world.superuser().await;
        sqlx::query_scalar(count).bind(self.id).fetch_one(&mut connection).await.unwrap()
    }

    /// Removes the member with this role, and tells nobody.
    pub async fn removes_behind_everybody(&self, role: Role) {
        let mut connection = self.world.superuser().await;
        let delete = sqlx::query(
            "DELETE FROM memberships m USING users u
             WHERE m.tenant_id = $1 AND m.user_id = u.id AND u.subject = $2",
        );
        connection.execute(delete.bind(self.id).bind(self.subject(role))).await.unwrap();
    }

    /// How often its audit trail tells of `action`.
    pub async fn audited(&self, action: &str) -> i64 {
        let mut connection = self.world.superuser().await;
        let count = "SELECT count(*) FROM audit_log WHERE tenant_id = $1 AND action = $2";
        sqlx::query_scalar(count)
            .bind(self.id)
            .bind(action)
            .fetch_one(&mut connection)
            .await
            .unwrap()
    }

    /// What its audit trail tells of `action`, oldest first: actor, resource, address, detail.
    pub async fn audit_trail(&self, action: &str) -> Vec<(String, String, Option<String>, Value)> {
        let mut connection = self.world.superuser().await;
        let rows = "SELECT actor, resource, host(ip), detail FROM audit_log
                    WHERE tenant_id = $1 AND action = $2 ORDER BY at, id";
        sqlx::query_as(rows).bind(self.id).bind(action).fetch_all(&mut connection).await.unwrap()
    }

    /// Rows of `action` in its trail, oldest first, once there are `wanted`.
    pub async fn audit_rows(&self, action: &str, wanted: usize) -> Vec<AuditRow> {
        let rows = "SELECT actor, action, resource, result, repeats, request_id::text,
                           host(ip) AS ip FROM audit_log
                    WHERE tenant_id = $1 AND action = $2 ORDER BY at, id";
        eventually("the trail tells of it", Duration::from_secs(10), async || {
            let mut connection = self.world.superuser().await;
            let found: Vec<AuditRow> = sqlx::query_as(rows)
                .bind(self.id)
                .bind(action)
                .fetch_all(&mut connection)
                .await
                .unwrap();
            (found.len() >= wanted).then_some(found)
        })
        .await
    }

    /// Puts the member with this role on the team of a job. Nobody tells the cache.
    pub async fn assigns(&self, role: Role, job: &str, access: &str) {
        let job: Uuid = job.parse().unwrap();
        let mut connection = self.world.superuser().await;
        let insert = sqlx::query(
            "INSERT INTO job_team (tenant_id, job_id, user_id, access)
             SELECT $1, $2, id, $3 FROM users WHERE subject = $4
             ON CONFLICT (tenant_id, job_id, user_id) DO UPDATE SET access = excluded.access",
        );
        connection
            .execute(insert.bind(self.id).bind(job).bind(access).bind(self.subject(role)))
            .await
            .unwrap();
    }

    /// Renames a job with its event, as a process would have that died right after its commit.
    pub async fn renames_job_behind_the_cache(&self, path: &str, title: &str) {
        let job: Uuid = path.rsplit('/').next().unwrap().parse().unwrap();
        let mut transaction = self.world.superuser().await;
        let mut transaction = transaction.begin().await.unwrap();
        let update = sqlx::query(
            "UPDATE jobs SET title = $3, version = version + 1 WHERE tenant_id = $1 AND id = $2",
        );
        transaction.execute(update.bind(self.id).bind(job).bind(title)).await.unwrap();
        let event = sqlx::query(
            "INSERT INTO outbox (tenant_id, kind, subject) VALUES ($1, 'job.updated', $2)",
        );
        transaction.execute(event.bind(self.id).bind(job)).await.unwrap();
        transaction.commit().await.unwrap();
    }

    /// Tells every member something of their own.
    pub async fn tells_everybody(&self) {
        let mut connection = self.world.superuser().await;
        let events = sqlx::query(
            "INSERT INTO outbox (tenant_id, kind, subject, payload, acted)
             SELECT tenant_id, 'member.role_changed', user_id,
                    jsonb_build_object('role', role, 'role_version', role_version), true
             FROM memberships WHERE tenant_id = $1",
        );
        connection.execute(events.bind(self.id)).await.unwrap();
    }

    /// Gives a member another role with its event, as a process would have that died right after its
    /// commit.
    pub async fn demotes_behind_the_portal(&self, member: Role, to: Role) {
        let statement = format!(
            "UPDATE memberships SET role = '{to}', role_version = role_version + 1
             WHERE tenant_id = $1 AND user_id = $2"
        );
        self.happens_behind_the_portal(member, &statement, "member.role_changed").await;
    }

    /// Removes a member, likewise.
    pub async fn removes_behind_the_portal(&self, member: Role) {
        let statement = "DELETE FROM memberships WHERE tenant_id = $1 AND user_id = $2";
        self.happens_behind_the_portal(member, statement, "member.removed").await;
    }

    /// Suspends or resumes it, likewise.
    pub async fn is_suspended_behind_the_portal(&self, is_suspended: bool) {
        let (status, kind) = if is_suspended {
            ("suspended", "tenant.suspended")
        } else {
            ("active", "tenant.resumed")
        };
        let statement = format!(
            "UPDATE tenants SET status = '{status}' WHERE id = $1 AND $2::uuid IS NOT NULL"
        );
        self.happens_behind_the_portal(Role::Owner, &statement, kind).await;
    }

    async fn happens_behind_the_portal(&self, member: Role, statement: &str, kind: &str) {
        let user = self.user(member).await;
        let mut connection = self.world.superuser().await;
        let mut transaction = connection.begin().await.unwrap();
        let change = sqlx::query(sqlx::AssertSqlSafe(statement.to_owned()));
        transaction.execute(change.bind(self.id).bind(user)).await.unwrap();
        let subject = kind.starts_with("member.").then_some(user);
        let event =
            sqlx::query("INSERT INTO outbox (tenant_id, kind, subject) VALUES ($1, $2, $3)");
        transaction.execute(event.bind(self.id).bind(kind).bind(subject)).await.unwrap();
        transaction.commit().await.unwrap();
    }

    /// The instant `from_now`, as JSON writes it.
    pub fn instant_in(&self, from_now: Duration) -> String {
        #[expect(
            clippy::disallowed_methods,
            reason = "the portal under test has the real time too"
        )]
        let now = OffsetDateTime::now_utc();
        (now + from_now).format(&Rfc3339).unwrap()
    }
}
