//! A redis-server that lets one user in, with one token as the password.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::time::Instant;

pub(crate) struct Server {
    process: Child,
    pub(crate) port: u16,
}

#[expect(clippy::disallowed_methods, reason = "the test runner tells what it installed this way")]
fn program() -> String {
    std::env::var("PORTAL_TEST_REDIS_SERVER").unwrap_or_else(|_| "redis-server".to_owned())
}

impl Server {
    pub(crate) async fn start(user: &str, token: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = Command::new(program())
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
            .args([
                "--appendonly",
                "no",
                "--set-proc-title",
                "no",
                "--dir",
                env!("CARGO_TARGET_TMPDIR"),
            ])
            .args(["--user", "default", "off"])
            .args(["--user", user, "on", &format!(">{token}"), "~*", "&*", "+@all"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self { process, port };
        let give_up = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < give_up, "redis-server does not start");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself, which the test has noticed then.
        let _gone_already = self.process.kill();
        let _reaped = self.process.wait();
    }
}
