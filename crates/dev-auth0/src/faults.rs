//! What a test can make the provider do wrong.
//!
//! A set of faults is for everybody or for one subject, and holds once or until it is cleared. At an
//! endpoint that both kinds concern, the subject's own decides alone.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::directory::check_text;

const SETS_MAX: usize = 2_000;
const DELAY_MAX_MS: u64 = 60_000;

/// One set of faults; the members are those of `PUT /dev/faults`.
///
/// The faults of tokens are those of ID tokens; access tokens stay right.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "independent switches, named by the protocol")]
pub(crate) struct Faults {
    /// Whom it concerns; absent: everybody. Key and discovery faults are for everybody only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) subject: Option<String>,
    /// Ends after the first answer that it changed.
    pub(crate) once: bool,

    /// The callback gets this `error` instead of a code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) authorize_error: Option<String>,
    /// The callback gets another `state` than the one that was sent.
    pub(crate) wrong_state: bool,

    /// The token endpoint answers with this status, and the code or token stays good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) token_status: Option<u16>,
    /// The token endpoint answers late.
    pub(crate) token_delay_ms: u64,
    /// The grant is carried out, but the answer is a 503: a reply that got lost.
    pub(crate) token_reply_lost: bool,
    /// Lifetime of access tokens in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) access_token_seconds: Option<u32>,

    pub(crate) wrong_nonce: bool,
    pub(crate) drop_nonce: bool,
    pub(crate) wrong_audience: bool,
    pub(crate) wrong_issuer: bool,
    /// Expired an hour ago.
    pub(crate) expired_id_token: bool,
    /// Issued in an hour.
    pub(crate) issued_in_future: bool,
    /// `alg` is `none` and there is no signature.
    #[serde(alias = "unsigned")]
    pub(crate) alg_none: bool,
    /// Signed with HS256 and the client secret, as an application set to HS256 gets it.
    pub(crate) hs256: bool,
    pub(crate) bad_signature: bool,
    /// `kid` names a key that is not published.
    pub(crate) unknown_kid: bool,
    /// Another organization than the one that was chosen: `true`, or its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) wrong_org: Option<WrongOrg>,
    pub(crate) drop_org_id: bool,
    pub(crate) drop_sid: bool,
    pub(crate) drop_roles: bool,
    /// The answer has no ID token.
    pub(crate) drop_id_token: bool,

    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) userinfo_status: Option<u16>,
    /// The Management API answers with this status; 429 comes with Auth0's headers. Here the
    /// `subject` may be an organization as well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) management_status: Option<u16>,
    pub(crate) management_delay_ms: u64,
    /// The change is made, but the answer is a 503.
    pub(crate) management_reply_lost: bool,
    /// In how many seconds `x-ratelimit-reset` of a 429 lies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rate_limit_reset_seconds: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) jwks_status: Option<u16>,
    pub(crate) jwks_delay_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) discovery_status: Option<u16>,
    pub(crate) discovery_delay_ms: u64,
}

/// Which wrong organization a token names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum WrongOrg {
    /// One that does not exist.
    Switch(bool),
    /// This one.
    Id(String),
}

/// The endpoint that asks for its faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Authorize,
    Token,
    UserInfo,
    Management,
    KeySet,
    Discovery,
}

/// Why a set of faults is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FaultsError {
    #[error("a status must be from 400 to 599")]
    Status,
    #[error("a delay must be at most {DELAY_MAX_MS} ms")]
    Delay,
    #[error("key and discovery faults concern everybody: leave out the subject")]
    NotOfOneSubject,
    #[error("a text is empty, too long or has control characters")]
    Text,
    #[error("too many sets of faults are active")]
    Full,
}

impl Faults {
    /// The organization that a token names in place of the right one.
    pub(crate) fn wrong_org_id(&self) -> Option<&str> {
        match self.wrong_org.as_ref()? {
            WrongOrg::Switch(true) => Some("org_0000000000000000"),
            WrongOrg::Switch(false) => None,
            WrongOrg::Id(id) => Some(id),
        }
    }

    fn check(&self) -> Result<(), FaultsError> {
        let statuses = [
            self.token_status,
            self.userinfo_status,
            self.management_status,
            self.jwks_status,
            self.discovery_status,
        ];
        if statuses.into_iter().flatten().any(|status| !(400..=599).contains(&status)) {
            return Err(FaultsError::Status);
        }
        let delays = [
            self.token_delay_ms,
            self.management_delay_ms,
            self.jwks_delay_ms,
            self.discovery_delay_ms,
        ];
        if delays.into_iter().any(|delay| delay > DELAY_MAX_MS) {
            return Err(FaultsError::Delay);
        }
        if self.subject.is_some()
            && (self.concerns(Place::KeySet) || self.concerns(Place::Discovery))
        {
            return Err(FaultsError::NotOfOneSubject);
        }
        let texts = [self.subject.as_deref(), self.authorize_error.as_deref(), self.wrong_org_id()];
        if texts.into_iter().flatten().any(|text| check_text("a text", text).is_err()) {
            return Err(FaultsError::Text);
        }
        Ok(())
    }

    fn concerns(&self, place: Place) -> bool {
        match place {
            Place::Authorize => self.authorize_error.is_some() || self.wrong_state,
            Place::UserInfo => self.userinfo_status.is_some(),
            Place::Management => {
                self.management_status.is_some()
                    || self.management_delay_ms > 0
                    || self.management_reply_lost
            }
            Place::KeySet => self.jwks_status.is_some() || self.jwks_delay_ms > 0,
            Place::Discovery => self.discovery_status.is_some() || self.discovery_delay_ms > 0,
            Place::Token => {
                // Whatever is left when the switches of the other places are taken away.
                let others = Self {
                    subject: self.subject.clone(),
                    once: self.once,
                    authorize_error: self.authorize_error.clone(),
                    wrong_state: self.wrong_state,
                    userinfo_status: self.userinfo_status,
                    management_status: self.management_status,
                    management_delay_ms: self.management_delay_ms,
                    management_reply_lost: self.management_reply_lost,
                    rate_limit_reset_seconds: self.rate_limit_reset_seconds,
                    jwks_status: self.jwks_status,
                    jwks_delay_ms: self.jwks_delay_ms,
                    discovery_status: self.discovery_status,
                    discovery_delay_ms: self.discovery_delay_ms,
                    ..Self::default()
                };
                *self != others
            }
        }
    }
}

/// All active faults.
#[derive(Debug, Default)]
pub(crate) struct FaultTable(HashMap<Option<String>, Faults>);

impl FaultTable {
    /// Replaces the faults of one subject, or those for everybody.
    pub(crate) fn put(&mut self, faults: Faults) -> Result<(), FaultsError> {
        faults.check()?;
        if self.0.len() >= SETS_MAX && !self.0.contains_key(&faults.subject) {
            return Err(FaultsError::Full);
        }
        self.0.insert(faults.subject.clone(), faults);
        Ok(())
    }

    /// Ends the faults of one subject, or all.
    pub(crate) fn clear(&mut self, subject: Option<&str>) {
        match subject {
            Some(subject) => drop(self.0.remove(&Some(subject.to_owned()))),
            None => self.0.clear(),
        }
    }

    /// What is active.
    pub(crate) fn list(&self) -> Vec<&Faults> {
        self.0.values().collect()
    }

    /// The faults that hold for an answer of `place` about `subject`; those that hold once are used
    /// up by this.
    pub(crate) fn take(&mut self, place: Place, subject: Option<&str>) -> Faults {
        let own = subject.map(|subject| Some(subject.to_owned()));
        for key in own.into_iter().chain([None]) {
            let Some(faults) = self.0.get(&key).filter(|faults| faults.concerns(place)) else {
                continue;
            };
            return if faults.once {
                self.0.remove(&key).unwrap_or_default()
            } else {
                faults.clone()
            };
        }
        Faults::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> Faults {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_fault_of_one_subject_is_nobody_elses() {
        let mut table = FaultTable::default();
        table.put(faults(r#"{"subject":"auth0|a","wrong_nonce":true}"#)).unwrap();
        assert!(table.take(Place::Token, Some("auth0|a")).wrong_nonce);
        assert!(!table.take(Place::Token, Some("auth0|b")).wrong_nonce);
        assert!(!table.take(Place::Token, None).wrong_nonce);
        table.clear(Some("auth0|a"));
        assert!(table.list().is_empty());
    }

    #[test]
    fn once_is_used_up_where_it_shows() {
        let mut table = FaultTable::default();
        table.put(faults(r#"{"once":true,"unsigned":true}"#)).unwrap();
        assert!(!table.take(Place::KeySet, None).alg_none, "another place does not use it up");
        assert!(table.take(Place::Token, Some("auth0|a")).alg_none);
        assert!(!table.take(Place::Token, Some("auth0|a")).alg_none);
    }

    #[test]
    fn nonsense_is_refused() {
        for refused in [
            r#"{"token_status":200}"#,
            r#"{"token_delay_ms":600000}"#,
            r#"{"subject":"auth0|a","jwks_status":500}"#,
            r#"{"subject":""}"#,
        ] {
            assert!(FaultTable::default().put(faults(refused)).is_err(), "{refused}");
        }
        assert!(serde_json::from_str::<Faults>(r#"{"no_such_fault":true}"#).is_err());
    }
}
