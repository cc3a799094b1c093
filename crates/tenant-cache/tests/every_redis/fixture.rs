//! A Redis, and instances of the cache over it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use redis_provider::{
    ClusterMode, Credentials, ElastiCacheProvider, ElastiCacheSettings, MemoryProvider,
    MemorySettings, RedisProvider, TlsSettings, UpstashProvider, UpstashSettings,
};
use tenancy::{Evidence, TenantId, TenantScope};
use tenant_cache::CacheSettings;
use tokio::time::Instant;
use url::Url;
use uuid::Uuid;

use crate::instance::Instance;
use crate::private::Private;

/// The longest that anything may take to happen.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// Which Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// None: a store in this process.
    Memory,
    /// One server.
    Single,
    /// Six nodes with TLS and users.
    Cluster,
    /// A service over REST.
    Upstash,
}

/// How providers reach it.
pub(crate) enum Address {
    Memory(Arc<MemoryProvider>),
    Redis(ElastiCacheSettings),
    Upstash(UpstashSettings),
}

impl Address {
    pub(crate) fn memory(max_bytes: usize) -> Self {
        let settings = MemorySettings { max_bytes, ..MemorySettings::default() };
        Self::Memory(Arc::new(MemoryProvider::new(settings)))
    }

    /// A server, with its password where it has one.
    pub(crate) fn redis(url: &str) -> Self {
        let url = Url::parse(url).expect("a URL");
        let mut settings =
            ElastiCacheSettings::new(url.host_str().expect("a host"), url.port().unwrap_or(6379));
        if let Some(password) = url.password() {
            let username = Some(url.username().to_owned()).filter(|name| !name.is_empty());
            settings.credentials = Credentials::Password { username, password: password.into() };
        }
        Self::Redis(patient(settings))
    }

    pub(crate) fn cluster(url: &str, authority: PathBuf) -> Self {
        let Self::Redis(mut settings) = Self::redis(url) else { panic!("{url} is no server") };
        settings.tls = Some(TlsSettings { authorities: Some(authority) });
        settings.mode = ClusterMode::Cluster;
        Self::Redis(settings)
    }

    pub(crate) fn upstash(url: &str, token: &str) -> Self {
        Self::Upstash(UpstashSettings {
            connect_timeout: LIMIT,
            command_timeout: LIMIT,
            ..UpstashSettings::new(Url::parse(url).expect("a URL"), token.into())
        })
    }
}

/// Thousands of calls at once on a busy machine take longer than one call may.
fn patient(settings: ElastiCacheSettings) -> ElastiCacheSettings {
    ElastiCacheSettings { connect_timeout: LIMIT, command_timeout: LIMIT, ..settings }
}

#[expect(clippy::disallowed_methods, reason = "the test runner tells its servers this way")]
fn variable(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: run `cargo xtask test`, which sets it"))
}

/// A Redis that makes instances of the cache.
pub(crate) struct Fixture {
    kind: Kind,
    address: Address,
    private: Option<Private>,
}

impl Fixture {
    /// The one that all tests share.
    pub(crate) fn shared(kind: Kind) -> Self {
        let address = match kind {
            Kind::Memory => Address::memory(MemorySettings::default().max_bytes),
            Kind::Single => Address::redis(&variable("PORTAL_TEST_REDIS_URL")),
            Kind::Cluster => Address::cluster(
                &variable("PORTAL_TEST_CLUSTER_URL"),
                variable("PORTAL_TEST_CLUSTER_CA").into(),
            ),
            Kind::Upstash => Address::upstash(
                &variable("PORTAL_TEST_UPSTASH_URL"),
                &variable("PORTAL_TEST_UPSTASH_TOKEN"),
            ),
        };
        Self { kind, address, private: None }
    }

    /// Another one of the same kind, for this test alone.
    pub(crate) async fn of_its_own(&self) -> Self {
        let (private, address) = Private::start(self.kind).await;
        Self { kind: self.kind, address, private: Some(private) }
    }

    pub(crate) const fn kind(&self) -> Kind {
        self.kind
    }

    /// The server, where it is the test's own.
    pub(crate) fn server(&self) -> &Private {
        self.private.as_ref().expect("a server of the test's own")
    }

    /// A way to it that no other instance uses.
    pub(crate) async fn provider(&self) -> Arc<dyn RedisProvider> {
        match &self.address {
            Address::Memory(memory) => Arc::clone(memory) as _,
            Address::Redis(settings) => {
                Arc::new(ElastiCacheProvider::connect(settings).await.expect("settings"))
            }
            Address::Upstash(settings) => {
                Arc::new(UpstashProvider::connect(settings).await.expect("settings"))
            }
        }
    }

    /// What a further process has: a cache over its own provider, in touch with the others.
    pub(crate) async fn instance(&self) -> Instance {
        self.instance_with(CacheSettings::default()).await
    }

    pub(crate) async fn instance_with(&self, settings: CacheSettings) -> Instance {
        let instance = self.instance_out_of_touch(settings).await;
        instance.comes_into_touch().await;
        instance
    }

    /// One that sends and hears no messages.
    pub(crate) async fn instance_out_of_touch(&self, settings: CacheSettings) -> Instance {
        Instance::over(self.provider().await, settings, None)
    }

    /// One that answers nothing without asking.
    pub(crate) async fn instance_without_process_level(&self) -> Instance {
        self.instance_with(CacheSettings::default().without_process_level()).await
    }

    /// One that seals with the first of these keys.
    pub(crate) async fn instance_with_keys(&self, keys: &str) -> Instance {
        let instance = Instance::over(self.provider().await, CacheSettings::default(), Some(keys));
        instance.comes_into_touch().await;
        instance
    }
}

/// A tenant that no other test knows.
pub(crate) fn tenant() -> TenantScope {
    tenant_named(&format!("org_{}", Uuid::new_v4().simple()))
}

#[expect(clippy::disallowed_methods, reason = "tests make scopes of tenants that do not exist")]
pub(crate) fn tenant_named(org: &str) -> TenantScope {
    let tenant = TenantId::from_uuid(Uuid::now_v7());
    TenantScope::from_verified(tenant, org.parse().unwrap(), Evidence::SystemTask("test"))
}

/// Polls until the condition holds.
pub(crate) async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let give_up = Instant::now() + LIMIT;
    while !condition().await {
        assert!(Instant::now() < give_up, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
