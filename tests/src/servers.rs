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
            // Its command line stays as it was given, so that one left behind can be found.
            .args(["--appendonly", "no", "--set-proc-title", "no", "--dir"])
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

    /// Runs a command that has no blanks in its words.
    pub async fn does(&self, command: &str) {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let address = ("127.0.0.1", self.port);
        let mut connection = tokio::net::TcpStream::connect(address).await.unwrap();
        connection.write_all(format!("{command}\r\n").as_bytes()).await.unwrap();
        let mut answer = [0; 64];
        let length = connection.read(&mut answer).await.unwrap();
        let answer = String::from_utf8_lossy(&answer[..length]);
        assert!(answer.starts_with("+OK"), "{command}: {answer}");
    }

    /// Its port, to start another one there.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Lets no message through from now on: who is subscribed is thrown out, and who sends is
    /// refused.
    pub async fn forbids_messages(&self) {
        let answer = self.answers(&["ACL", "SETUSER", "default", "resetchannels"]).await;
        assert!(answer.starts_with("+OK"), "{answer}");
    }

    /// How often it was asked to carry out a command.
    pub async fn commands_of(&self, name: &str) -> u64 {
        let answer = self.answers(&["INFO", "commandstats"]).await;
        let prefix = format!("cmdstat_{name}:calls=");
        let count = answer.lines().find_map(|line| line.strip_prefix(&prefix)?.split(',').next());
        count.map_or(0, |count| count.parse().unwrap())
    }

    async fn answers(&self, words: &[&str]) -> String {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        let line = format!("{}\r\nQUIT\r\n", words.join(" "));
        stream.write_all(line.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    /// Stops it in its tracks: connections stand, and nobody answers.
    pub fn pauses(&self) {
        self.is_sent("-STOP");
    }

    /// Lets it go on after a pause, with all that it was sent meanwhile.
    pub fn goes_on(&self) {
        self.is_sent("-CONT");
    }

    fn is_sent(&self, signal: &str) {
        let id = self.process.id().expect("it runs").to_string();
        run(Command::new("kill").args([signal, &id]));
    }

    /// Kills it; everything it held is gone.
    pub async fn dies(mut self) {
        self.process.kill().await.unwrap();
    }

    /// Kills it, and starts it again, empty, after a while.
    pub async fn is_away(&mut self, pause: Duration) {
        self.process.kill().await.unwrap();
        tokio::time::sleep(pause).await;
        *self = Self::start_on(self.port).await;
    }
}

/// A dev-upstash over a redis-server, both the test's own; they end when this is dropped.
#[derive(Debug)]
pub struct OwnUpstash {
    url: String,
    http: reqwest::Client,
    _front: Child,
    redis: OwnRedis,
}

impl OwnUpstash {
    /// The token that may do everything.
    pub const TOKEN: &str = "token-of-a-drill";

    /// Starts both.
    pub async fn start_new() -> Self {
        let redis = OwnRedis::start_new().await;
        let port = free_port();
        let front = tokio::process::Command::new(environment::dev_upstash_binary())
            .args(["--listen", &format!("127.0.0.1:{port}"), "--redis", &redis.url()])
            .args(["--token", Self::TOKEN])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        eventually("dev-upstash listens", Duration::from_secs(10), async || {
            tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok()
        })
        .await;
        let url = format!("http://127.0.0.1:{port}");
        Self { url, http: crate::client::http(), _front: front, redis }
    }

    /// How a portal reaches it.
    pub fn as_redis(&self) -> crate::portal::Redis {
        crate::portal::Redis::Upstash { url: self.url.clone(), token: Self::TOKEN.to_owned() }
    }

    /// The server behind it, where its data and its messages are.
    pub fn redis(&self) -> &OwnRedis {
        &self.redis
    }

    /// Breaks it from now on.
    pub async fn fails_with(&self, fault: &str) {
        let request = self.http.put(format!("{}/dev/faults", self.url));
        let answer = request.json(&serde_json::json!({ "fault": fault })).send().await.unwrap();
        assert!(answer.status().is_success(), "{fault}: {}", answer.text().await.unwrap());
    }

    /// Its data is gone, and for a while there is no server to ask.
    pub async fn loses_its_redis(&mut self, pause: Duration) {
        self.redis.is_away(pause).await;
    }

    /// Ends every fault.
    pub async fn is_mended(&self) {
        let answer = self.http.delete(format!("{}/dev/faults", self.url)).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
    }
}

/// A way to a server that can be cut in the middle of an answer; it ends when this is dropped.
#[derive(Debug)]
pub struct CuttingProxy {
    port: u16,
    cut_after: std::sync::Arc<std::sync::atomic::AtomicUsize>,
    _task: tokio::task::JoinSet<()>,
}

impl CuttingProxy {
    /// A proxy to `port` that cuts nothing yet.
    pub async fn start_to(port: u16) -> Self {
        use std::sync::atomic::AtomicUsize;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own_port = listener.local_addr().unwrap().port();
        let cut_after = std::sync::Arc::new(AtomicUsize::new(usize::MAX));
        let limit = std::sync::Arc::clone(&cut_after);
        let mut task = tokio::task::JoinSet::new();
        task.spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                connections.spawn(relay(client, port, std::sync::Arc::clone(&limit)));
                while connections.try_join_next().is_some() {}
            }
        });
        Self { port: own_port, cut_after, _task: task }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Cuts every connection once it has carried this many more bytes of answers.
    pub fn cuts_after(&self, bytes: usize) {
        self.cut_after.store(bytes, std::sync::atomic::Ordering::SeqCst);
    }

    /// Lets connections live.
    pub fn cuts_nothing(&self) {
        self.cuts_after(usize::MAX);
    }
}

/// Carries bytes both ways until either side ends or the limit cuts it.
async fn relay(
    client: tokio::net::TcpStream,
    port: u16,
    limit: std::sync::Arc<std::sync::atomic::AtomicUsize>,
) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let Ok(server) = tokio::net::TcpStream::connect(("127.0.0.1", port)).await else { return };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let questions = async { tokio::io::copy(&mut from_client, &mut to_server).await.map(drop) };
    let answers = async {
        let (mut carried, mut buffer) = (0, vec![0; 16 * 1024]);
        loop {
            let length = from_server.read(&mut buffer).await?;
            let allowed = limit.load(std::sync::atomic::Ordering::SeqCst);
            if allowed == usize::MAX {
                carried = 0;
            } else {
                carried += length;
            }
            // The last piece goes out in part, so that the cut is within an answer.
            let over = carried.saturating_sub(allowed);
            to_client.write_all(&buffer[..length - over.min(length)]).await?;
            if length == 0 || over > 0 {
                return Ok::<(), std::io::Error>(());
            }
        }
    };
    tokio::select! {
        _ended = questions => {}
        _ended = answers => {}
    }
}
