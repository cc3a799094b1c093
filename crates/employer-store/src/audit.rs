//! The trail of who did what; rows are added and never changed.
//!
//! What a transaction does it tells of in that transaction ([`record`]). What is refused before
//! there is one, or belongs to no tenant, is written beside the requests by a worker
//! ([`write_findings`]). Where the request comes from and what it is called is the same for all of
//! its rows: [`RequestOrigin`].

use std::net::IpAddr;
use std::time::Duration;

use serde_json::Value;
use tenancy::TenantId;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::database::within_deadline;
use crate::error::StoreError;
use crate::tenant_db::TenantTx;
use crate::worker_db::WorkerDb;

macro_rules! security_events {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)+) => {
        /// What matters to whoever watches over the portal, in the words of OWASP's logging
        /// vocabulary.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum SecurityEvent {
            $($(#[$doc])* $variant,)+
        }

        impl SecurityEvent {
            /// Every event.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The word in rows.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }
    };
}

security_events! {
    /// A sign-in, a token or a key did not hold.
    AuthnLoginFail = "authn_login_fail",
    /// Sign-ins of an address were too many.
    AuthnLoginFailMax = "authn_login_fail_max",
    /// Somebody asked for what they may not have.
    AuthzFail = "authz_fail",
    /// Somebody used the power of a platform operator.
    AuthzAdmin = "authz_admin",
    /// A session began.
    SessionCreated = "session_created",
    /// A session ended.
    SessionExpired = "session_expired",
    /// A page that is not known sent something with a session's cookie.
    MaliciousCors = "malicious_cors",
    /// Somebody asked more often than they may.
    ExcessRateLimitExceeded = "excess_rate_limit_exceeded",
    /// Rows of this trail were lost.
    SysMonitorDisabled = "sys_monitor_disabled",
}

tokio::task_local! {
    static ORIGIN: RequestOrigin;
}

/// Which request something is done for, and where it comes from. Transactions that are begun
/// within its scope carry it to every row that is written in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestOrigin {
    /// The name of the request, as its answer has it.
    pub request_id: Uuid,
    /// The client's address.
    pub ip: Option<IpAddr>,
}

impl RequestOrigin {
    /// Runs `work` for this request.
    pub async fn scope<F: Future>(self, work: F) -> F::Output {
        ORIGIN.scope(self, work).await
    }

    /// The request that the current task works for.
    pub fn current() -> Option<Self> {
        ORIGIN.try_with(|origin| *origin).ok()
    }

    /// The settings of a transaction that carry it; neither part can end a literal.
    pub(crate) fn settings() -> String {
        let Some(Self { request_id, ip }) = Self::current() else { return String::new() };
        let ip = ip.map(|ip| ip.to_string()).unwrap_or_default();
        format!(
            ", set_config('app.request_id', '{request_id}', true), \
             set_config('app.client_ip', '{ip}', true)"
        )
    }
}

/// Adds a row in the name of the transaction's actor. `action` is our own word, such as
/// `job_published`; `resource` names what it was done to, such as `job:<uuid>`. What came of it is
/// the `result` of `detail`, `done` where it says nothing. Answers the row's id.
pub async fn record(
    tx: &mut TenantTx,
    action: &str,
    resource: &str,
    detail: Value,
    ip: Option<IpAddr>,
) -> Result<Uuid, StoreError> {
    let id = Uuid::now_v7();
    let (tenant, actor) = (tx.tenant(), tx.actor().audit_name());
    let result = result_of(&detail);
    sqlx::query!(
        "INSERT INTO audit_log (tenant_id, id, actor, action, resource, detail, ip, result)
         VALUES ($1, $2, $3, $4, $5, $6,
                 coalesce($7::text::inet, nullif(current_setting('app.client_ip', true), '')::inet),
                 $8)",
        tenant,
        id,
        actor,
        action,
        resource,
        detail,
        ip.map(|ip| ip.to_string()),
        result,
    )
    .execute(tx.connection())
    .await?;
    Ok(id)
}

fn result_of(detail: &Value) -> &'static str {
    match detail.get("result").and_then(Value::as_str) {
        Some("refused") => "refused",
        Some("failed") => "failed",
        _ => "done",
    }
}

/// Something that was seen beside the transactions of tenants.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Names the row, so that writing it twice leaves one.
    pub id: Uuid,
    /// When it was seen.
    pub at: OffsetDateTime,
    /// Whose trail it belongs to; the platform's where nobody's.
    pub tenant: Option<TenantId>,
    /// Who did it, as far as that is known.
    pub actor: String,
    /// What it was.
    pub event: SecurityEvent,
    /// What it was tried on.
    pub resource: String,
    /// `done`, `refused` or `failed`.
    pub result: &'static str,
    /// How many times; the row stands for all of them.
    pub repeats: i32,
    /// The request, or the last one of them.
    pub request_id: Option<Uuid>,
    /// Where it came from.
    pub ip: Option<IpAddr>,
    /// What else there is to say.
    pub detail: Value,
}

/// Writes findings into the trails they belong to, in one transaction; those that are there
/// already are left alone.
pub async fn write_findings(db: &WorkerDb, findings: &[Finding]) -> Result<(), StoreError> {
    let (of_tenants, of_nobody): (Vec<&Finding>, Vec<&Finding>) =
        findings.iter().partition(|finding| finding.tenant.is_some());
    let write = async {
        let mut transaction = db.pool().begin_with("BEGIN").await?;
        if !of_tenants.is_empty() {
            let tenants: Vec<Uuid> = of_tenants
                .iter()
                .filter_map(|finding| finding.tenant.map(TenantId::as_uuid))
                .collect();
            let columns = Columns::of(&of_tenants);
            sqlx::query!(
                "INSERT INTO audit_log
                     (tenant_id, id, at, actor, action, resource, result, repeats, request_id, ip,
                      detail)
                 SELECT tenant_id, id, at, actor, action, resource, result, repeats, request_id,
                        ip::inet, detail
                 FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::text[], $5::text[],
                             $6::text[], $7::text[], $8::int[], $9::uuid[], $10::text[],
                             $11::jsonb[])
                     AS row (tenant_id, id, at, actor, action, resource, result, repeats,
                             request_id, ip, detail)
                 ON CONFLICT DO NOTHING",
                &tenants,
                &columns.ids,
                &columns.times,
                &columns.actors,
                &columns.actions,
                &columns.resources,
                &columns.results,
                &columns.repeats,
                &columns.requests as &[Option<Uuid>],
                &columns.addresses as &[Option<String>],
                &columns.details,
            )
            .execute(&mut *transaction)
            .await?;
        }
        if !of_nobody.is_empty() {
            let columns = Columns::of(&of_nobody);
            sqlx::query!(
                "INSERT INTO security_log
                     (id, at, actor, action, resource, result, repeats, request_id, ip, detail)
                 SELECT id, at, actor, action, resource, result, repeats, request_id, ip::inet,
                        detail
                 FROM unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::text[], $5::text[],
                             $6::text[], $7::int[], $8::uuid[], $9::text[], $10::jsonb[])
                     AS row (id, at, actor, action, resource, result, repeats, request_id, ip,
                             detail)
                 ON CONFLICT DO NOTHING",
                &columns.ids,
                &columns.times,
                &columns.actors,
                &columns.actions,
                &columns.resources,
                &columns.results,
                &columns.repeats,
                &columns.requests as &[Option<Uuid>],
                &columns.addresses as &[Option<String>],
                &columns.details,
            )
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await
    };
    within_deadline(write).await
}

/// Forgets what the platform's trail has told of for longer than `keep`; at most `limit` rows.
pub async fn forget_findings(
    db: &WorkerDb,
    now: OffsetDateTime,
    keep: Duration,
    limit: i64,
) -> Result<u64, StoreError> {
    let forget = sqlx::query!(
        "DELETE FROM security_log
         WHERE id IN (SELECT id FROM security_log WHERE at < $1 ORDER BY at LIMIT $2)",
        now - keep,
        limit,
    );
    Ok(within_deadline(forget.execute(db.pool())).await?.rows_affected())
}

/// Findings by column.
struct Columns {
    ids: Vec<Uuid>,
    times: Vec<OffsetDateTime>,
    actors: Vec<String>,
    actions: Vec<String>,
    resources: Vec<String>,
    results: Vec<String>,
    repeats: Vec<i32>,
    requests: Vec<Option<Uuid>>,
    addresses: Vec<Option<String>>,
    details: Vec<Value>,
}

impl Columns {
    fn of(findings: &[&Finding]) -> Self {
        fn each<T>(findings: &[&Finding], part: impl Fn(&Finding) -> T) -> Vec<T> {
            findings.iter().map(|finding| part(finding)).collect()
        }
        Self {
            ids: each(findings, |finding| finding.id),
            times: each(findings, |finding| finding.at),
            actors: each(findings, |finding| finding.actor.clone()),
            actions: each(findings, |finding| finding.event.as_str().to_owned()),
            resources: each(findings, |finding| finding.resource.clone()),
            results: each(findings, |finding| finding.result.to_owned()),
            repeats: each(findings, |finding| finding.repeats),
            requests: each(findings, |finding| finding.request_id),
            addresses: each(findings, |finding| finding.ip.map(|ip| ip.to_string())),
            details: each(findings, |finding| finding.detail.clone()),
        }
    }
}
