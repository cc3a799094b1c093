//! A private redis-server that keeps nothing on disk.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::accounts::{self, Account};
use crate::failure::Outcome;
use crate::ports;
use crate::processes::command;
use crate::secrets;
use crate::services::Services;

const START: Duration = Duration::from_secs(20);

/// A server to start.
#[derive(Debug)]
pub(crate) struct Server<'a> {
    /// Of its log.
    pub(crate) name: &'static str,
    pub(crate) program: &'a Path,
    pub(crate) account: Option<&'a Account>,
    /// Folder of its settings.
    pub(crate) home: &'a Path,
    pub(crate) password: Option<&'a str>,
    /// The port, or the next free one.
    pub(crate) port: u16,
}

impl Server<'_> {
    /// Starts the server, waits until it listens and answers its URL.
    pub(crate) fn start(&self, services: &mut Services) -> Outcome<String> {
        let port = ports::free_from(self.port)?;
        accounts::make_private(self.home, self.account)?;
        let file = self.home.join("redis.conf");
        secrets::write_private(&file, &configuration(self.home, self.password, port))?;
        let mut server = command(self.program);
        server.arg(&file).current_dir(self.home);
        if let Some(account) = self.account {
            account.own(&file)?;
            account.apply(&mut server);
        }
        let log = services.log(self.name);
        services.start(self.name, server)?;
        services.wait_until(self.name, START, || {
            // The server says so once it listens; connecting could reach somebody else's.
            fs::read_to_string(&log).is_ok_and(|text| text.contains("Ready to accept connections"))
        })?;
        let login = self.password.map(|password| format!(":{password}@")).unwrap_or_default();
        Ok(format!("redis://{login}127.0.0.1:{port}"))
    }
}

fn configuration(home: &Path, password: Option<&str>, port: u16) -> String {
    let mut text = format!(
        "port {port}\nbind 127.0.0.1\ndir \"{}\"\nsave \"\"\nappendonly no\ndaemonize no\n",
        home.display()
    );
    if let Some(password) = password {
        text.push_str("requirepass ");
        text.push_str(password);
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_keeps_nothing_and_is_reached_from_here_only() {
        let text = configuration(Path::new("/tmp/a b"), Some("word"), 21_000);
        for line in
            ["port 21000", "bind 127.0.0.1", "dir \"/tmp/a b\"", "save \"\"", "requirepass word"]
        {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
        assert!(!configuration(Path::new("/tmp"), None, 1).contains("requirepass"));
    }
}
