//! How often each endpoint was called, so that a test can see what its subject cost.

use std::collections::BTreeMap;

use serde::Serialize;

const SUBJECTS_MAX: usize = 50_000;

/// The answer of `GET /dev/requests`.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Counters {
    pub(crate) discovery: u64,
    pub(crate) jwks: u64,
    pub(crate) authorize: u64,
    pub(crate) choose: u64,
    pub(crate) userinfo: u64,
    pub(crate) logout: u64,
    pub(crate) revoke: u64,
    pub(crate) backchannel_logout: u64,
    pub(crate) management: u64,
    pub(crate) token: TokenCounters,
    #[serde(skip)]
    subjects: BTreeMap<String, TokenCounters>,
}

/// Calls of the token endpoint.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct TokenCounters {
    pub(crate) authorization_code: u64,
    pub(crate) refresh_token: u64,
    pub(crate) client_credentials: u64,
    /// Calls that got an error, of either grant or of none.
    pub(crate) refused: u64,
}

/// What a call of the token endpoint was.
#[derive(Clone, Copy, Debug)]
pub(crate) enum TokenCall {
    AuthorizationCode,
    RefreshToken,
    ClientCredentials,
    Refused,
}

impl TokenCounters {
    fn count(&mut self, call: TokenCall) {
        match call {
            TokenCall::AuthorizationCode => self.authorization_code += 1,
            TokenCall::RefreshToken => self.refresh_token += 1,
            TokenCall::ClientCredentials => self.client_credentials += 1,
            TokenCall::Refused => self.refused += 1,
        }
    }
}

impl Counters {
    /// Counts a call of the token endpoint, and whose code or token it was about, where that is known.
    pub(crate) fn count_token(&mut self, call: TokenCall, subject: Option<&str>) {
        self.token.count(call);
        let Some(subject) = subject else { return };
        if let Some(own) = self.subjects.get_mut(subject) {
            own.count(call);
        } else if self.subjects.len() < SUBJECTS_MAX {
            self.subjects.entry(subject.to_owned()).or_default().count(call);
        }
    }

    /// Calls of the token endpoint about one subject.
    pub(crate) fn of_subject(&self, subject: &str) -> TokenCounters {
        self.subjects.get(subject).copied().unwrap_or_default()
    }
}
