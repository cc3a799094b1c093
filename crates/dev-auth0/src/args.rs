//! The command line, and the settings that it parses into.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use url::Url;

/// An Auth0-shaped identity provider for development and tests.
///
/// It knows no passwords: whoever reaches it can sign in as anybody.
#[derive(Parser)]
#[command(name = "dev-auth0")]
pub(crate) struct Args {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:4444")]
    pub(crate) listen: SocketAddr,
    /// Issuer, as Auth0 writes it: with a slash at the end [default: `http://localhost:PORT/`]
    #[arg(long)]
    pub(crate) issuer: Option<Url>,
    /// JSON file with organizations and people; may be repeated; without it the directory starts
    /// empty
    #[arg(long)]
    pub(crate) directory: Vec<PathBuf>,
    /// Id of the one application that is registered
    #[arg(long, default_value = "portal-dev")]
    pub(crate) client_id: String,
    /// Secret of that application
    #[arg(long, default_value = "portal-dev-secret")]
    pub(crate) client_secret: ClientSecret,
    /// Name of that application on the sign-in page
    #[arg(long, default_value = "Employer Portal")]
    pub(crate) client_name: String,
    /// Redirect URI of the application, compared exactly; may be repeated
    #[arg(long)]
    pub(crate) allowed_callback: Vec<Url>,
    /// URL that a sign-out may return to; may be repeated [default: the callbacks' origins]
    #[arg(long)]
    pub(crate) allowed_logout_url: Vec<Url>,
    /// Where the links of invitations lead [default: `/auth/login` beside the first callback]
    #[arg(long)]
    pub(crate) login_uri: Option<Url>,
    /// Identifier of an API; may be repeated [default: any absolute URI]
    #[arg(long)]
    pub(crate) audience: Vec<Url>,
    /// Claim that carries the roles; Auth0 drops claims that are not namespaced
    #[arg(long, default_value = "https://employer-portal.example/roles")]
    pub(crate) roles_claim: Url,
    /// Put `org_name` into tokens and accept a name for `organization`, as the Auth0 setting does
    #[arg(long)]
    pub(crate) organization_names: bool,
    /// Lifetime of an ID token in seconds
    #[arg(long, default_value_t = 36_000, value_parser = clap::value_parser!(u32).range(1..=2_592_000))]
    pub(crate) id_token_seconds: u32,
    /// Lifetime of an access token in seconds
    #[arg(long, default_value_t = 86_400, value_parser = clap::value_parser!(u32).range(1..=2_592_000))]
    pub(crate) access_token_seconds: u32,
    /// Seconds in which the previous refresh token may be used again (Auth0's rotation overlap)
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=60))]
    pub(crate) refresh_leeway_seconds: u32,
    /// Listen on an address that other machines can reach
    #[arg(long)]
    pub(crate) allow_remote: bool,
}

/// A secret that does not print.
#[derive(Clone)]
pub(crate) struct ClientSecret(String);

impl ClientSecret {
    /// The secret itself, for a comparison or a signature.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for ClientSecret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl std::str::FromStr for ClientSecret {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ClientSecret(..)")
    }
}

/// Why the command line cannot be served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ArgsError {
    #[error("{0} can be reached by other machines, and anybody could sign in: pass --allow-remote")]
    Remote(SocketAddr),
    #[error("the issuer must be an http(s) origin with a slash at the end, not {0:?}")]
    Issuer(String),
    #[error("the client id must have 1 to 64 printable characters")]
    ClientId,
    #[error("the client secret must have 8 to 256 characters")]
    ClientSecret,
}

/// What stays the same while the server runs.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) issuer: Url,
    /// Cookies do not tell ports apart, so the name does.
    pub(crate) cookie_name: String,
    pub(crate) client_id: String,
    pub(crate) client_secret: ClientSecret,
    pub(crate) client_name: String,
    pub(crate) login_uri: Url,
    /// Empty: any absolute URI is an API.
    pub(crate) audiences: Vec<String>,
    pub(crate) roles_claim: String,
    pub(crate) organization_names: bool,
    pub(crate) id_token_lifetime: Duration,
    pub(crate) access_token_lifetime: Duration,
    pub(crate) refresh_leeway: Duration,
}

impl Args {
    /// Refuses an address that is not loopback, before it is bound.
    pub(crate) fn check_listen(&self) -> Result<(), ArgsError> {
        if self.listen.ip().is_loopback() || self.allow_remote {
            Ok(())
        } else {
            Err(ArgsError::Remote(self.listen))
        }
    }

    /// The settings of a server that is bound to `port`.
    pub(crate) fn into_settings(self, port: u16) -> Result<Settings, ArgsError> {
        let issuer = match self.issuer {
            Some(issuer) => issuer,
            None => Url::parse(&format!("http://localhost:{port}/"))
                .map_err(|_| ArgsError::Issuer(format!("http://localhost:{port}/")))?,
        };
        if !is_issuer(&issuer) {
            return Err(ArgsError::Issuer(issuer.into()));
        }
        let id = &self.client_id;
        if id.is_empty() || id.len() > 64 || !id.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(ArgsError::ClientId);
        }
        if !(8..=256).contains(&self.client_secret.expose().len()) {
            return Err(ArgsError::ClientSecret);
        }
        let beside = |callback: &Url| callback.join("/auth/login").ok();
        let login_uri = self.login_uri.or_else(|| self.allowed_callback.first().and_then(beside));
        Ok(Settings {
            login_uri: login_uri.unwrap_or_else(|| issuer.clone()),
            issuer,
            cookie_name: format!("dev-auth0-{port}"),
            client_id: self.client_id,
            client_secret: self.client_secret,
            client_name: self.client_name,
            audiences: self.audience.into_iter().map(String::from).collect(),
            roles_claim: self.roles_claim.into(),
            organization_names: self.organization_names,
            id_token_lifetime: Duration::from_secs(self.id_token_seconds.into()),
            access_token_lifetime: Duration::from_secs(self.access_token_seconds.into()),
            refresh_leeway: Duration::from_secs(self.refresh_leeway_seconds.into()),
        })
    }
}

impl Settings {
    /// The address of an endpoint; `path` has no slash in front.
    pub(crate) fn endpoint(&self, path: &str) -> String {
        format!("{}{path}", self.issuer)
    }

    /// Whether an access token may be made for this API.
    pub(crate) fn is_audience(&self, audience: &str) -> bool {
        if self.audiences.is_empty() {
            Url::parse(audience).is_ok()
        } else {
            self.audiences.iter().any(|known| known == audience)
        }
    }
}

fn is_issuer(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Args {
        Args::try_parse_from(std::iter::once(&"dev-auth0").chain(arguments)).unwrap()
    }

    #[test]
    fn the_issuer_follows_from_the_port_and_ends_with_a_slash() {
        let settings = parse(&[]).into_settings(4711).unwrap();
        assert_eq!(settings.issuer.as_str(), "http://localhost:4711/");
        assert_eq!(settings.endpoint("oauth/token"), "http://localhost:4711/oauth/token");
    }

    #[test]
    fn an_issuer_is_an_origin() {
        for refused in ["http://localhost:1/tenant/", "ftp://localhost/", "http://localhost/?a"] {
            assert!(parse(&["--issuer", refused]).into_settings(1).is_err(), "{refused}");
        }
    }

    #[test]
    fn other_machines_are_let_in_only_on_request() {
        assert!(parse(&["--listen", "0.0.0.0:0"]).check_listen().is_err());
        assert!(parse(&["--listen", "0.0.0.0:0", "--allow-remote"]).check_listen().is_ok());
        assert!(parse(&["--listen", "[::1]:0"]).check_listen().is_ok());
    }

    #[test]
    fn the_secret_does_not_print() {
        let settings = parse(&["--client-secret", "very-secret-indeed"]).into_settings(1).unwrap();
        assert!(!format!("{settings:?}").contains("very-secret-indeed"));
    }
}
