//! Refresh tokens: each is used once and replaced; a token used twice ends its whole family.

use std::time::Duration;

use time::OffsetDateTime;

use crate::expiring::Expiring;
use crate::ledger::Authorization;
use crate::pkce;

const LIFETIME: Duration = Duration::from_hours(30 * 24);
const CAPACITY: usize = 50_000;

/// All refresh tokens and the families they belong to.
#[derive(Debug)]
pub(crate) struct RefreshTokens {
    tokens: Expiring<RefreshToken>,
    families: Expiring<Family>,
    leeway: Duration,
}

#[derive(Debug)]
struct RefreshToken {
    family: String,
    used_at: Option<OffsetDateTime>,
}

/// The tokens that came, one after the other, of one sign-in.
#[derive(Debug)]
struct Family {
    authorization: Authorization,
    is_revoked: bool,
    /// The token that was exchanged last; only this one may be used again within the leeway.
    previous: Option<String>,
}

/// Why a refresh token is no good.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RefreshRefused {
    #[error("Unknown or invalid refresh token.")]
    Unknown,
    #[error("Unknown or invalid refresh token: it has been used, its successors are revoked.")]
    Reused,
}

impl RefreshTokens {
    /// No tokens yet.
    pub(crate) fn new(leeway: Duration) -> Self {
        Self {
            tokens: Expiring::new(LIFETIME, CAPACITY),
            families: Expiring::new(LIFETIME, CAPACITY),
            leeway,
        }
    }

    /// Starts a family; returns its id and its first token.
    pub(crate) fn start_family(
        &mut self,
        authorization: Authorization,
        now: OffsetDateTime,
    ) -> (String, String) {
        let id = pkce::random_token();
        let family = Family { authorization, is_revoked: false, previous: None };
        self.families.insert(id.clone(), family, now);
        let token = self.issue(id.clone(), now);
        (id, token)
    }

    /// Whom a token is about, used or not.
    pub(crate) fn subject_of(&self, token: &str, now: OffsetDateTime) -> Option<String> {
        let family = &self.tokens.get(token, now)?.family;
        self.families.get(family, now).map(|family| family.authorization.subject.clone())
    }

    /// Exchanges a token for its successor.
    pub(crate) fn rotate(
        &mut self,
        token: &str,
        now: OffsetDateTime,
    ) -> Result<(Authorization, String), RefreshRefused> {
        let presented = self.tokens.get_mut(token, now).ok_or(RefreshRefused::Unknown)?;
        let id = presented.family.clone();
        let family = self.families.get_mut(&id, now).ok_or(RefreshRefused::Unknown)?;
        if family.is_revoked {
            return Err(RefreshRefused::Unknown);
        }
        if let Some(used_at) = presented.used_at {
            let is_previous = family.previous.as_deref() == Some(token);
            if !is_previous || now - used_at >= self.leeway {
                family.is_revoked = true;
                return Err(RefreshRefused::Reused);
            }
        } else {
            presented.used_at = Some(now);
            family.previous = Some(token.to_owned());
        }
        let authorization = family.authorization.clone();
        Ok((authorization, self.issue(id, now)))
    }

    /// Ends the family of a token, as `/oauth/revoke` does.
    pub(crate) fn revoke(&mut self, token: &str, now: OffsetDateTime) {
        if let Some(family) = self.tokens.get(token, now).map(|token| token.family.clone()) {
            self.revoke_family(&family, now);
        }
    }

    /// Ends a family.
    pub(crate) fn revoke_family(&mut self, id: &str, now: OffsetDateTime) {
        if let Some(family) = self.families.get_mut(id, now) {
            family.is_revoked = true;
        }
    }

    fn issue(&mut self, family: String, now: OffsetDateTime) -> String {
        let token = format!("v1.{}", pkce::random_token());
        self.tokens.insert(token.clone(), RefreshToken { family, used_at: None }, now);
        token
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authorization_request::Scope;

    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    fn family(leeway_seconds: u64) -> (RefreshTokens, String) {
        let mut tokens = RefreshTokens::new(Duration::from_secs(leeway_seconds));
        let authorization = Authorization {
            subject: "auth0|a".into(),
            org: None,
            sid: "sid".into(),
            scope: Scope::parse("openid offline_access"),
            audience: None,
            auth_time: None,
        };
        let (_, token) = tokens.start_family(authorization, NOW);
        (tokens, token)
    }

    #[test]
    fn reuse_ends_the_family() {
        let (mut tokens, first) = family(0);
        let (_, second) = tokens.rotate(&first, NOW).unwrap();
        assert_eq!(tokens.rotate(&first, NOW).unwrap_err(), RefreshRefused::Reused);
        assert_eq!(tokens.rotate(&second, NOW).unwrap_err(), RefreshRefused::Unknown);
    }

    #[test]
    fn within_the_leeway_only_the_previous_token_works_again() {
        let (mut tokens, first) = family(5);
        let (_, second) = tokens.rotate(&first, NOW).unwrap();
        assert!(tokens.rotate(&first, NOW + Duration::from_secs(4)).is_ok());
        assert!(tokens.rotate(&second, NOW + Duration::from_secs(4)).is_ok());
        let reused = tokens.rotate(&first, NOW + Duration::from_secs(4));
        assert_eq!(reused.unwrap_err(), RefreshRefused::Reused, "it is no longer the previous one");
    }

    #[test]
    fn after_the_leeway_reuse_ends_the_family() {
        let (mut tokens, first) = family(5);
        tokens.rotate(&first, NOW).unwrap();
        let reused = tokens.rotate(&first, NOW + Duration::from_secs(5));
        assert_eq!(reused.unwrap_err(), RefreshRefused::Reused);
    }
}
