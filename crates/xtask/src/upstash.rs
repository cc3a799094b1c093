//! dev-upstash, the local imitation of Upstash's REST service over a redis-server.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::failure::Outcome;
use crate::processes::command;
use crate::services::Services;

/// The program, its package and its log.
pub(crate) const NAME: &str = "dev-upstash";

const START: Duration = Duration::from_secs(30);

/// A front to start.
#[derive(Debug)]
pub(crate) struct Front<'a> {
    pub(crate) program: &'a Path,
    pub(crate) port: u16,
    /// URL of the server behind it.
    pub(crate) redis: &'a str,
    pub(crate) token: &'a str,
}

impl Front<'_> {
    /// Starts it and waits until it listens.
    pub(crate) fn start(&self, services: &mut Services) -> Outcome<()> {
        let mut server = command(self.program);
        server
            .current_dir("/")
            .args(["--listen", &format!("127.0.0.1:{}", self.port)])
            .args(["--redis", self.redis, "--token", self.token]);
        let log = services.log(NAME);
        services.start(NAME, server)?;
        services.wait_until(NAME, START, || {
            // It says so once it listens; connecting could reach somebody else's.
            fs::read_to_string(&log).is_ok_and(|text| text.contains("listening on"))
        })
    }
}

/// The address of a front on this machine.
pub(crate) fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}
