//! Where the servers are that `cargo xtask test` has started.

use std::path::PathBuf;

/// The value of a `PORTAL_TEST_*` variable.
#[expect(
    clippy::disallowed_methods,
    reason = "tests are told by the environment where servers are"
)]
fn variable(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: run the tests with `cargo xtask test`"))
}

/// A superuser's address on the private Postgres.
pub fn postgres_superuser_url() -> String {
    variable("PORTAL_TEST_PG_SUPERUSER_URL")
}

/// Where `initdb` and `postgres` are, for tests that stop a Postgres of their own.
pub fn postgres_binaries() -> PathBuf {
    variable("PORTAL_TEST_PG_BIN").into()
}

/// The unprivileged user that Postgres must run as; none where we are not root.
pub fn postgres_user() -> Option<String> {
    Some(variable("PORTAL_TEST_PG_USER")).filter(|user| !user.is_empty())
}

/// The private redis-server.
pub fn redis_url() -> String {
    variable("PORTAL_TEST_REDIS_URL")
}

/// The program `redis-server`, for tests that stop one of their own.
pub fn redis_server() -> PathBuf {
    variable("PORTAL_TEST_REDIS_SERVER").into()
}

/// Which provider this stage of the run is about; none where each test says so itself.
#[expect(
    clippy::disallowed_methods,
    reason = "tests are told by the environment where servers are"
)]
pub fn staged_provider() -> Option<String> {
    std::env::var("PORTAL_TEST_PROVIDER").ok().filter(|name| !name.is_empty())
}

/// The private Redis Cluster, with user and password.
pub fn cluster_url() -> String {
    variable("PORTAL_TEST_CLUSTER_URL")
}

/// The authority that signed the cluster's certificates.
pub fn cluster_authority() -> String {
    variable("PORTAL_TEST_CLUSTER_CA")
}

/// The running dev-upstash.
pub fn upstash_url() -> String {
    variable("PORTAL_TEST_UPSTASH_URL")
}

/// The token of the running dev-upstash.
pub fn upstash_token() -> String {
    variable("PORTAL_TEST_UPSTASH_TOKEN")
}

/// The program `dev-upstash`, for tests that break one of their own.
pub fn dev_upstash_binary() -> PathBuf {
    variable("PORTAL_TEST_DEV_UPSTASH_BIN").into()
}

/// The issuer of the running dev-auth0, with its slash.
pub fn issuer() -> String {
    let url = variable("PORTAL_TEST_DEV_AUTH0");
    if url.ends_with('/') { url } else { format!("{url}/") }
}

/// The portal's binary.
pub fn portal_binary() -> PathBuf {
    variable("PORTAL_TEST_PORTAL_BIN").into()
}

/// Node, which runs the independent OpenID provider.
pub fn node() -> PathBuf {
    variable("PORTAL_TEST_NODE").into()
}

/// The script of the independent OpenID provider.
pub fn openid_provider_script() -> PathBuf {
    variable("PORTAL_TEST_OIDC_PROVIDER").into()
}

/// The script that runs npm's `eventsource`.
pub fn event_source_script() -> PathBuf {
    variable("PORTAL_TEST_EVENTSOURCE").into()
}

/// The browser.
pub fn chromium() -> PathBuf {
    variable("PORTAL_TEST_CHROMIUM").into()
}

/// What drives the browser.
pub fn chromedriver() -> PathBuf {
    variable("PORTAL_TEST_CHROMEDRIVER").into()
}

/// The program `nginx`.
pub fn nginx() -> PathBuf {
    variable("PORTAL_TEST_NGINX").into()
}

/// Nchan, the module of nginx.
pub fn nchan_module() -> PathBuf {
    variable("PORTAL_TEST_NCHAN_MODULE").into()
}

/// The core that whoever measures has to itself; none where there is one core for everybody.
pub fn bench_core() -> Option<String> {
    Some(variable("PORTAL_TEST_BENCH_CORE")).filter(|core| !core.is_empty())
}
