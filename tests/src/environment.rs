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

/// The issuer of the running dev-auth0, with its slash.
pub fn issuer() -> String {
    let url = variable("PORTAL_TEST_DEV_AUTH0");
    if url.ends_with('/') { url } else { format!("{url}/") }
}

/// The portal's binary.
pub fn portal_binary() -> PathBuf {
    variable("PORTAL_TEST_PORTAL_BIN").into()
}
