//! Servers of a test's own, for tests that stop them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tokio::process::Child;

use crate::environment;
use crate::portal::free_port;
use crate::waiting::eventually;

/// A Postgres that the test may stop and start; it ends when this is dropped.
#[derive(Debug)]
pub struct OwnPostgres {
    folder: PathBuf,
    port: u16,
}

impl OwnPostgres {
    /// Makes and starts one.
    pub fn start_new() -> Self {
        let port = free_port();
        let folder = std::env::temp_dir().join(format!("portal-test-postgres-{port}"));
        std::fs::create_dir_all(&folder).unwrap();
        let server = Self { folder, port };
        if let Some(user) = environment::postgres_user() {
            run(Command::new("chown").arg(&user).arg(&server.folder));
        }
        run(server.tool("initdb").args(["--username=postgres", "--auth=trust", "--no-sync"]));
        server.starts();
        server
    }

    /// A superuser's address.
    pub fn superuser_url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Starts it again, with the same data and on the same port.
    pub fn starts(&self) {
        let options = format!(
            "-p {} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off",
            self.port
        );
        run(self.tool("pg_ctl").args([
            "start",
            "--wait",
            "--log=/dev/null",
            "--options",
            &options,
        ]));
    }

    /// Stops it as a crash would: connections are cut, nothing is finished.
    pub fn stops(&self) {
        run(self.tool("pg_ctl").args(["stop", "--wait", "--mode=immediate"]));
    }

    fn tool(&self, name: &str) -> Command {
        let program = environment::postgres_binaries().join(name);
        let mut command = match environment::postgres_user() {
            None => Command::new(program),
            Some(user) => {
                let mut command = Command::new("runuser");
                command.args(["-u", &user, "--"]).arg(program);
                command
            }
        };
        command.arg("--pgdata").arg(self.data()).current_dir(std::env::temp_dir());
        command
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }
}

impl Drop for OwnPostgres {
    fn drop(&mut self) {
        drop(self.tool("pg_ctl").args(["stop", "--mode=immediate"]).stdout(Stdio::null()).status());
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let status = output.status().unwrap();
    assert!(status.success(), "{command:?}: {status}");
}

/// A redis-server that the test may stop; it ends when this is dropped.
#[derive(Debug)]
pub struct OwnRedis {
    process: Child,
    port: u16,
}

impl OwnRedis {
    /// Starts one on a free port.
    pub async fn start_new() -> Self {
        Self::start_on(free_port()).await
    }

    /// Starts one, empty, on `port`.
    pub async fn start_on(port: u16) -> Self {
        let process = tokio::process::Command::new(environment::redis_server())
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
            .args(["--appendonly", "no", "--dir"])
            .arg(Path::new(&std::env::temp_dir()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        eventually("redis-server listens", Duration::from_secs(10), async || {
            tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok()
        })
        .await;
        Self { process, port }
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Its port, to start another one there.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Kills it; everything it held is gone.
    pub async fn dies(mut self) {
        self.process.kill().await.unwrap();
    }
}
