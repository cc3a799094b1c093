//! A single server of a test's own, to break.

#![expect(clippy::missing_panics_doc, reason = "all of them do, and the type says so")]

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::certificates::Certificates;
use crate::cli::{self, Cli, LIMIT};
use crate::own::{end_calls, must, sleep_call};
use crate::plan::{common_settings, tls_settings};
use crate::ports::Ports;
use crate::process::Process;
use crate::programs::{self, wait_until};
use crate::users::Login;

/// What a single server asks of its clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ServerOptions {
    /// Only with a password, random, of the user `default`.
    pub with_password: bool,
    /// Only over TLS, with an authority of its own.
    pub with_tls: bool,
}

/// A redis-server of a test's own, without cluster mode. Killed, and its folder removed, when this
/// is dropped. Its methods block and, being for tests, panic when something cannot be done.
#[derive(Debug)]
pub struct OwnServer {
    process: Process,
    calls: Mutex<Vec<Child>>,
    folder: PathBuf,
    program: PathBuf,
    cli: Cli,
    _ports: Ports,
}

impl OwnServer {
    /// Starts one and waits until it answers.
    #[track_caller]
    pub fn start(redis_server: &Path, options: ServerOptions) -> Self {
        let server =
            must("a redis-server cannot be started", Self::try_start(redis_server, options));
        must("the redis-server does not answer", server.wait_until_ready());
        server
    }

    fn try_start(redis_server: &Path, options: ServerOptions) -> io::Result<Self> {
        let folder = programs::make_own_folder()?;
        let ports = Ports::scattered_one()?;
        let port = ports.first();
        let certificates = Certificates::in_folder(&folder);
        let listening = if options.with_tls {
            certificates.make()?;
            tls_settings(port, &certificates)
        } else {
            format!("port {port}\n")
        };
        let password = options.with_password.then(programs::random_text).transpose()?;
        let demand = password.as_ref().map(|password| format!("requirepass {password}\n"));
        let settings = [common_settings(&folder), listening, demand.unwrap_or_default()].concat();
        programs::write_private(&folder.join("redis.conf"), &settings)?;
        let cli = Cli {
            program: cli::beside(redis_server),
            port,
            authority: options.with_tls.then(|| certificates.authority()),
            login: password.map(|password| Login { username: "default".to_owned(), password }),
        };
        Ok(Self {
            process: Process::start(command(redis_server, &folder), folder.join("log"))?,
            calls: Mutex::default(),
            program: redis_server.to_path_buf(),
            folder,
            cli,
            _ports: ports,
        })
    }

    fn wait_until_ready(&self) -> io::Result<()> {
        wait_until("the server answers", Instant::now() + LIMIT * 2, || {
            self.process.check()?;
            Ok(self.cli.ask(&["ping"]).is_ok_and(|answer| answer == "PONG"))
        })
    }

    /// Its address, with the password where it has one.
    pub fn url(&self) -> String {
        let scheme = if self.cli.authority.is_some() { "rediss" } else { "redis" };
        let login = self.cli.login.as_ref().map(|login| format!(":{}@", login.password));
        format!("{scheme}://{}localhost:{}", login.unwrap_or_default(), self.cli.port)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.cli.port
    }

    /// Its password, where it has one.
    pub fn password(&self) -> Option<&str> {
        self.cli.login.as_ref().map(|login| login.password.as_str())
    }

    /// What clients have to trust, in PEM, where it speaks TLS.
    pub fn ca_file(&self) -> Option<&Path> {
        self.cli.authority.as_deref()
    }

    /// Its answer to a command, as raw text; an error of the server's is text too.
    #[track_caller]
    pub fn ask(&self, arguments: &[&str]) -> String {
        must("no answer", self.cli.ask(arguments))
    }

    /// Kills it with SIGKILL; it may be paused.
    #[track_caller]
    pub fn kill(&self) {
        must("the server cannot be killed", self.process.kill());
    }

    /// Starts it again after it was killed, empty, and waits until it answers.
    #[track_caller]
    pub fn restart(&self) {
        let command = command(&self.program, &self.folder);
        must("the server cannot be restarted", self.process.start_again(command));
        must("the server does not answer", self.wait_until_ready());
    }

    /// Stops it with SIGSTOP: its connections stay, and nothing is answered.
    #[track_caller]
    pub fn pause(&self) {
        must("the server cannot be paused", self.process.pause());
    }

    /// Lets it go on after a pause.
    #[track_caller]
    pub fn resume(&self) {
        must("the server cannot be resumed", self.process.resume());
    }

    /// Cuts the connections of all its clients, subscribers included.
    #[track_caller]
    pub fn kill_connections(&self) {
        self.ask(&["client", "kill", "type", "normal"]);
        self.ask(&["client", "kill", "type", "pubsub"]);
    }

    /// Lets it hold back the answers to all commands, or to writes only.
    #[track_caller]
    pub fn client_pause(&self, time: Duration, writes_only: bool) {
        let mode = if writes_only { "WRITE" } else { "ALL" };
        let answer = self.ask(&["client", "pause", &time.as_millis().to_string(), mode]);
        assert!(answer == "OK", "CLIENT PAUSE is refused: {answer}");
    }

    /// Puts it to sleep with `DEBUG SLEEP`; returns at once.
    #[track_caller]
    pub fn debug_sleep(&self, time: Duration) {
        let call = must("redis-cli does not run", sleep_call(&self.cli, time));
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).push(call);
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        end_calls(&self.calls);
        let _gone_already = self.process.kill();
        let _removed_already = fs::remove_dir_all(&self.folder);
    }
}

fn command(redis_server: &Path, folder: &Path) -> Command {
    let mut command = Command::new(redis_server);
    command.arg(folder.join("redis.conf")).current_dir(folder);
    command
}
