//! What is under way: sign-ins, codes, browser sessions. Everything here expires and is capped.

use std::time::Duration;

use tenancy::OrgId;
use time::OffsetDateTime;

use crate::authorization_request::{AuthorizationRequest, Scope};
use crate::expiring::Expiring;
use crate::pkce;
use crate::refresh::RefreshTokens;

const TRANSACTION_LIFETIME: Duration = Duration::from_mins(10);
const CODE_LIFETIME: Duration = Duration::from_mins(1);
const SESSION_LIFETIME: Duration = Duration::from_hours(7 * 24);
const CAPACITY: usize = 20_000;

/// A browser's session here, over all applications and organizations.
#[derive(Clone, Debug)]
pub(crate) struct SsoSession {
    /// The id that tokens and logout hints carry; the cookie has another value.
    pub(crate) sid: String,
    pub(crate) subject: String,
    pub(crate) signed_in_at: OffsetDateTime,
}

/// What a person granted the application, for as long as codes and refresh tokens carry it.
#[derive(Clone, Debug)]
pub(crate) struct Authorization {
    pub(crate) subject: String,
    pub(crate) org: Option<OrgId>,
    pub(crate) sid: String,
    pub(crate) scope: Scope,
    pub(crate) audience: Option<String>,
    /// When the person signed in; only where `max_age` asked for it.
    pub(crate) auth_time: Option<OffsetDateTime>,
}

/// A code on its way through the browser.
#[derive(Debug)]
struct IssuedCode {
    authorization: Authorization,
    redirect_uri: String,
    code_challenge: String,
    nonce: Option<String>,
    /// Set by the first use, to the refresh tokens that came of it.
    spent: Option<Spent>,
}

#[derive(Debug)]
struct Spent {
    family: Option<String>,
}

/// What a code was exchanged for.
#[derive(Debug)]
pub(crate) struct Redeemed {
    pub(crate) authorization: Authorization,
    pub(crate) nonce: Option<String>,
    pub(crate) refresh_token: Option<String>,
}

/// Why a code is no good.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CodeRefused {
    #[error("Invalid authorization code")]
    Unknown,
    #[error("Invalid authorization code: it has been used")]
    Spent,
    #[error("The redirect URI is wrong")]
    RedirectUri,
    #[error("Failed to verify code verifier")]
    Verifier,
}

/// Everything that is under way.
#[derive(Debug)]
pub(crate) struct Ledger {
    transactions: Expiring<AuthorizationRequest>,
    codes: Expiring<IssuedCode>,
    sessions: Expiring<SsoSession>,
    /// Access tokens for no API, which Auth0 does not make JWTs of.
    opaque_tokens: Expiring<Authorization>,
    pub(crate) refresh_tokens: RefreshTokens,
}

impl Ledger {
    /// An empty ledger.
    pub(crate) fn new(access_token_lifetime: Duration, refresh_leeway: Duration) -> Self {
        Self {
            transactions: Expiring::new(TRANSACTION_LIFETIME, CAPACITY),
            codes: Expiring::new(CODE_LIFETIME, CAPACITY),
            sessions: Expiring::new(SESSION_LIFETIME, CAPACITY),
            opaque_tokens: Expiring::new(access_token_lifetime, CAPACITY),
            refresh_tokens: RefreshTokens::new(refresh_leeway),
        }
    }

    /// Keeps a request while its page is shown, and names it.
    pub(crate) fn open_transaction(
        &mut self,
        request: AuthorizationRequest,
        now: OffsetDateTime,
    ) -> String {
        let id = pkce::random_token();
        self.transactions.insert(id.clone(), request, now);
        id
    }

    /// The request that a page was shown for.
    pub(crate) fn find_transaction(
        &self,
        id: &str,
        now: OffsetDateTime,
    ) -> Option<&AuthorizationRequest> {
        self.transactions.get(id, now)
    }

    /// Ends a transaction: a page is answered once.
    pub(crate) fn close_transaction(&mut self, id: &str, now: OffsetDateTime) {
        self.transactions.remove(id, now);
    }

    /// Issues a code for one use within a minute.
    pub(crate) fn issue_code(
        &mut self,
        request: &AuthorizationRequest,
        authorization: Authorization,
        now: OffsetDateTime,
    ) -> String {
        let code = pkce::random_token();
        let issued = IssuedCode {
            authorization,
            redirect_uri: request.callback.redirect_uri.clone(),
            code_challenge: request.code_challenge.clone(),
            nonce: request.nonce.clone(),
            spent: None,
        };
        self.codes.insert(code.clone(), issued, now);
        code
    }

    /// Whom a code is about.
    pub(crate) fn subject_of_code(&self, code: &str, now: OffsetDateTime) -> Option<String> {
        self.codes.get(code, now).map(|issued| issued.authorization.subject.clone())
    }

    /// Exchanges a code. The first attempt spends it, also one with a wrong verifier; a second one
    /// revokes what the first was given (RFC 6749, 4.1.2).
    pub(crate) fn redeem_code(
        &mut self,
        code: &str,
        redirect_uri: &str,
        verifier: &str,
        now: OffsetDateTime,
    ) -> Result<Redeemed, CodeRefused> {
        let issued = self.codes.get_mut(code, now).ok_or(CodeRefused::Unknown)?;
        if let Some(spent) = &issued.spent {
            if let Some(family) = &spent.family {
                self.refresh_tokens.revoke_family(family, now);
            }
            return Err(CodeRefused::Spent);
        }
        issued.spent = Some(Spent { family: None });
        if issued.redirect_uri != redirect_uri {
            return Err(CodeRefused::RedirectUri);
        }
        if !pkce::verifies(&issued.code_challenge, verifier) {
            return Err(CodeRefused::Verifier);
        }
        let authorization = issued.authorization.clone();
        let refresh_token = authorization.scope.has("offline_access").then(|| {
            let (family, token) = self.refresh_tokens.start_family(authorization.clone(), now);
            issued.spent = Some(Spent { family: Some(family) });
            token
        });
        Ok(Redeemed { authorization, nonce: issued.nonce.clone(), refresh_token })
    }

    /// The session of a browser's cookie.
    pub(crate) fn find_session(&self, cookie: &str, now: OffsetDateTime) -> Option<SsoSession> {
        self.sessions.get(cookie, now).cloned()
    }

    /// Signs a person in: the same person keeps the session and its `sid`, another one ends it.
    pub(crate) fn sign_in(
        &mut self,
        cookie: Option<&str>,
        subject: &str,
        now: OffsetDateTime,
    ) -> (String, SsoSession) {
        let kept = cookie
            .and_then(|cookie| self.sessions.remove(cookie, now))
            .filter(|session| session.subject == subject);
        let sid = kept.map_or_else(pkce::random_token, |session| session.sid);
        let session = SsoSession { sid, subject: subject.to_owned(), signed_in_at: now };
        let cookie = pkce::random_token();
        self.sessions.insert(cookie.clone(), session.clone(), now);
        (cookie, session)
    }

    /// A live session by the `sid` of its tokens, with its cookie.
    pub(crate) fn find_session_by_sid(
        &self,
        sid: &str,
        now: OffsetDateTime,
    ) -> Option<(String, SsoSession)> {
        self.sessions
            .iter(now)
            .find(|(_, session)| session.sid == sid)
            .map(|(cookie, session)| (cookie.to_owned(), session.clone()))
    }

    /// Ends a session.
    pub(crate) fn end_session(&mut self, cookie: &str, now: OffsetDateTime) {
        self.sessions.remove(cookie, now);
    }

    /// Keeps an access token that says nothing to anybody but us.
    pub(crate) fn issue_opaque_token(
        &mut self,
        authorization: Authorization,
        now: OffsetDateTime,
    ) -> String {
        let token = pkce::random_token();
        self.opaque_tokens.insert(token.clone(), authorization, now);
        token
    }

    /// What an opaque access token stands for.
    pub(crate) fn find_opaque_token(
        &self,
        token: &str,
        now: OffsetDateTime,
    ) -> Option<Authorization> {
        self.opaque_tokens.get(token, now).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authorization_request::Callback;

    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CALLBACK: &str = "http://localhost:8080/auth/callback";

    fn ledger_with_code() -> (Ledger, String) {
        let mut ledger = Ledger::new(Duration::from_mins(60), Duration::ZERO);
        let callback = Callback { redirect_uri: CALLBACK.into(), state: None };
        let mut request = AuthorizationRequest::of_callback(callback);
        request.code_challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM".into();
        let authorization = Authorization {
            subject: "auth0|a".into(),
            org: None,
            sid: "sid".into(),
            scope: Scope::parse("openid offline_access"),
            audience: None,
            auth_time: None,
        };
        let code = ledger.issue_code(&request, authorization, NOW);
        (ledger, code)
    }

    #[test]
    fn a_code_lives_for_a_minute() {
        let (mut ledger, code) = ledger_with_code();
        let late = ledger.redeem_code(&code, CALLBACK, VERIFIER, NOW + CODE_LIFETIME);
        assert_eq!(late.unwrap_err(), CodeRefused::Unknown);
    }

    #[test]
    fn a_second_use_revokes_what_the_first_was_given() {
        let (mut ledger, code) = ledger_with_code();
        let redeemed = ledger.redeem_code(&code, CALLBACK, VERIFIER, NOW).unwrap();
        let again = ledger.redeem_code(&code, CALLBACK, VERIFIER, NOW);
        assert_eq!(again.unwrap_err(), CodeRefused::Spent);
        let token = redeemed.refresh_token.unwrap();
        assert!(ledger.refresh_tokens.rotate(&token, NOW).is_err());
    }

    #[test]
    fn a_wrong_verifier_spends_the_code() {
        let (mut ledger, code) = ledger_with_code();
        let wrong = ledger.redeem_code(&code, CALLBACK, "wrong", NOW);
        assert_eq!(wrong.unwrap_err(), CodeRefused::Verifier);
        let right = ledger.redeem_code(&code, CALLBACK, VERIFIER, NOW);
        assert_eq!(right.unwrap_err(), CodeRefused::Spent);
    }

    #[test]
    fn a_session_keeps_its_sid_for_the_same_person_only() {
        let (mut ledger, _) = ledger_with_code();
        let (cookie, first) = ledger.sign_in(None, "auth0|a", NOW);
        let (renewed, second) = ledger.sign_in(Some(&cookie), "auth0|a", NOW);
        assert_eq!(first.sid, second.sid);
        assert!(ledger.find_session(&cookie, NOW).is_none(), "the cookie is renewed");
        let (_, third) = ledger.sign_in(Some(&renewed), "auth0|b", NOW);
        assert_ne!(third.sid, first.sid);
        assert!(ledger.find_session_by_sid(&first.sid, NOW).is_none());
    }
}
