//! Who the portal is at a server that speaks Redis.

use std::sync::Arc;

use redis_provider::{Credentials, IamCredentials};
use secrecy::SecretString;

use super::elasticache::read_switch;
use super::{Inside, iam, pasted};
use crate::settings::faults::Faults;
use crate::settings::variables::Variables;

const USERNAME: &str = "REDIS_USERNAME";
const PASSWORD: &str = "REDIS_PASSWORD";
const IAM: &str = "REDIS_IAM";

/// Where the login comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Login {
    /// There is none.
    Nobody,
    /// It stands in the URL.
    Url,
    /// `REDIS_PASSWORD`, and `REDIS_USERNAME` where it is set.
    Variables,
    /// Tokens signed with AWS keys.
    Iam,
}

/// Reads the login. What a URL carries goes before the variables; a URL without a password takes
/// it from them, so that the secret can be kept apart from the address.
pub(super) fn read(
    variables: &Variables,
    source: &'static str,
    (url_username, url_password): (Option<String>, Option<SecretString>),
    faults: &mut Faults,
) -> Option<(Credentials, Login)> {
    let wants_iam = read_switch(variables, IAM, faults)?.unwrap_or(false);
    if wants_iam {
        let other = if url_password.is_some() { Some(source) } else { None };
        let other = other.or_else(|| variables.is_set(PASSWORD).then_some(PASSWORD));
        if let Some(other) = other {
            faults.add(IAM, format!("is true, and {other} gives a password; remove one of them"));
            return None;
        }
        let (settings, keys_variable) = iam::read(variables, url_username, faults)?;
        return match IamCredentials::new(settings) {
            Ok(credentials) => Some((Credentials::Source(Arc::new(credentials)), Login::Iam)),
            Err(error) => {
                faults.add(keys_variable, format!("cannot be used: {}", error.0));
                None
            }
        };
    }
    if let Some(password) = url_password {
        return Some((Credentials::Password { username: url_username, password }, Login::Url));
    }
    let username =
        url_username.or_else(|| pasted::find(variables, USERNAME, Inside::NoSpace, faults));
    let is_set = variables.is_set(PASSWORD);
    match pasted::find_secret(variables, PASSWORD, Inside::Anything, faults) {
        Some(password) => Some((Credentials::Password { username, password }, Login::Variables)),
        None if is_set => None,
        None if username.is_some() => faults.missing(PASSWORD, "a user name is, and needs one"),
        None => Some((Credentials::None, Login::Nobody)),
    }
}
