//! dev-auth0, the identity provider of private installations and of tests.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::failure::Outcome;
use crate::http;
use crate::processes::command;
use crate::services::Services;

/// The organization of the demo data whose members are platform operators.
pub(crate) const PLATFORM_ORG: &str = "org_platform0operator";

/// The application that dev-auth0 knows. Its secret guards nothing: dev-auth0 knows no passwords.
pub(crate) const CLIENT_ID: &str = "portal-dev";
pub(crate) const CLIENT_SECRET: &str = "portal-dev-secret";

const NAME: &str = "dev-auth0";
const START: Duration = Duration::from_secs(30);

/// A dev-auth0 to start.
#[derive(Debug)]
pub(crate) struct IdentityProvider<'a> {
    pub(crate) program: &'a Path,
    pub(crate) port: u16,
    /// Who can sign in at first.
    pub(crate) directories: &'a [PathBuf],
    /// Where the portal takes people back.
    pub(crate) callback: Option<&'a str>,
}

impl IdentityProvider<'_> {
    /// Starts it, waits until it answers and names its issuer.
    pub(crate) fn start(&self, services: &mut Services) -> Outcome<String> {
        let issuer = issuer(self.port);
        let mut server = command(self.program);
        server
            .current_dir("/")
            .args(["--listen", &format!("127.0.0.1:{}", self.port)])
            .args(["--issuer", &issuer])
            .args(["--client-id", CLIENT_ID, "--client-secret", CLIENT_SECRET]);
        for directory in self.directories {
            server.arg("--directory").arg(directory);
        }
        if let Some(callback) = self.callback {
            server.args(["--allowed-callback", callback]);
        }
        services.start(NAME, server)?;
        services.wait_until(NAME, START, || {
            http::answers(self.port, "/.well-known/openid-configuration")
        })?;
        Ok(issuer)
    }
}

/// The issuer at a port, with the slash at its end.
pub(crate) fn issuer(port: u16) -> String {
    format!("http://localhost:{port}/")
}
