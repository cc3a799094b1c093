//! One server, spoken to with `redis-cli`.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::programs;
use crate::users::Login;

/// The longest that one call may take; a paused server never answers.
pub(crate) const LIMIT: Duration = Duration::from_secs(5);

/// How to reach a server.
#[derive(Debug, Clone)]
pub(crate) struct Cli {
    pub(crate) program: PathBuf,
    pub(crate) port: u16,
    /// The authority to trust; plain text without.
    pub(crate) authority: Option<PathBuf>,
    pub(crate) login: Option<Login>,
}

/// The `redis-cli` that came with a `redis-server`, or the one in PATH.
pub(crate) fn beside(redis_server: &Path) -> PathBuf {
    let neighbour = redis_server.with_file_name("redis-cli");
    if neighbour.is_file() { neighbour } else { PathBuf::from("redis-cli") }
}

impl Cli {
    /// A call to be completed with arguments.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["--no-auth-warning", "-h", "127.0.0.1", "-p", &self.port.to_string()]);
        command.env_remove("REDISCLI_AUTH");
        if let Some(authority) = &self.authority {
            command.arg("--tls").arg("--cacert").arg(authority);
        }
        if let Some(login) = &self.login {
            command.args(["--user", &login.username]).env("REDISCLI_AUTH", &login.password);
        }
        command
    }

    /// The answer to one command as raw text; an error that the server answers is text as well.
    pub(crate) fn ask(&self, arguments: &[&str]) -> io::Result<String> {
        self.ask_within(LIMIT, arguments)
    }

    /// As [`Cli::ask`], with less patience.
    pub(crate) fn ask_within(&self, limit: Duration, arguments: &[&str]) -> io::Result<String> {
        let answer = programs::run(self.command().args(arguments), "", limit)?;
        Ok(answer.trim_end_matches('\n').to_owned())
    }

    /// Sends many commands, one a line, and returns what `redis-cli` shows a person: strings are
    /// quoted and escaped, as the lines are.
    pub(crate) fn show(&self, lines: &[String]) -> io::Result<String> {
        let mut input = lines.join("\n");
        input.push('\n');
        programs::run(self.command().arg("--no-raw"), &input, LIMIT)
    }

    /// Sends many commands, one a line, each of which must be answered with OK.
    pub(crate) fn must_do(&self, lines: &[String]) -> io::Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        let answers = self.show(lines)?;
        let mut others = answers.lines().filter(|line| !line.is_empty() && *line != "OK");
        match others.next() {
            None => Ok(()),
            Some(other) => Err(io::Error::other(format!("port {}: {other}", self.port))),
        }
    }
}
