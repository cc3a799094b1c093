//! What the portal remembers of a sign-in between its start and the callback.
//!
//! Each sign-in has its own cookie, so that two tabs do not disturb each other. The cookie is
//! encrypted: it holds the PKCE verifier, and nothing about it is kept on the server.

use std::fmt;
use std::time::Duration;

use actix_web::cookie::time::Duration as CookieDuration;
use actix_web::cookie::{Cookie, CookieJar, Key, SameSite};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tenancy::OrgId;
use time::OffsetDateTime;

use super::return_to::ReturnTo;

const COOKIE_PREFIX: &str = "__Host-portal_tx_";

/// Characters of the state that a cookie's name ends in.
const STATE_PREFIX_CHARS: usize = 8;

/// Random bytes of state, nonce and verifier.
const RANDOM_BYTES: usize = 32;

/// Characters of [`RANDOM_BYTES`] in base64url.
const RANDOM_CHARS: usize = 43;

/// Most sign-ins of one browser that may be under way; abandoned ones pile up until a server
/// refuses the request's headers.
const MAX_LIVE: usize = 4;

/// A sign-in that has begun.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LoginTransaction {
    pub(crate) state: String,
    pub(crate) nonce: String,
    pub(crate) code_verifier: String,
    pub(crate) return_to: ReturnTo,
    /// The organization that was asked for, where one was.
    pub(crate) organization: Option<OrgId>,
    /// The invitation that is to be accepted.
    #[serde(default)]
    pub(crate) invitation: Option<String>,
    #[serde(with = "time::serde::timestamp")]
    started_at: OffsetDateTime,
}

impl fmt::Debug for LoginTransaction {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("LoginTransaction")
            .field("organization", &self.organization)
            .field("started_at", &self.started_at)
            .finish_non_exhaustive()
    }
}

impl LoginTransaction {
    pub(crate) fn start(
        return_to: ReturnTo,
        organization: Option<OrgId>,
        invitation: Option<String>,
        now: OffsetDateTime,
    ) -> Self {
        Self {
            state: random_text(),
            nonce: random_text(),
            code_verifier: random_text(),
            return_to,
            organization,
            invitation,
            started_at: now,
        }
    }

    /// The PKCE challenge, S256.
    pub(crate) fn code_challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(self.code_verifier.as_bytes()))
    }
}

/// The cookies of sign-ins: how they are sealed and how long they live.
#[derive(Clone, Copy)]
pub(crate) struct TransactionCookies<'a> {
    pub(crate) key: &'a Key,
    pub(crate) ttl: Duration,
    pub(crate) now: OffsetDateTime,
}

impl TransactionCookies<'_> {
    /// What to set when `transaction` begins: its own cookie, and the removal of the oldest others
    /// where there would be too many, or of those that are of no use any more.
    pub(crate) fn begin(
        &self,
        transaction: &LoginTransaction,
        sent: &[Cookie<'static>],
    ) -> Vec<Cookie<'static>> {
        let ours = sent.iter().filter(|cookie| cookie.name().starts_with(COOKIE_PREFIX));
        let mut live = Vec::new();
        let mut changes = Vec::new();
        for cookie in ours {
            match self.open(cookie) {
                Some(other) => live.push((other.started_at, cookie.name())),
                None => changes.push(removal(cookie.name())),
            }
        }
        live.sort_unstable_by(|one, other| other.cmp(one));
        changes.extend(live.iter().skip(MAX_LIVE - 1).map(|(_, name)| removal(name)));
        changes.extend(self.seal(transaction));
        changes
    }

    /// The sign-in that `state` belongs to, if this browser began it and it is still of use, and
    /// the removal of its cookie: it is over whatever comes of it.
    pub(crate) fn take(
        &self,
        state: &str,
        sent: &[Cookie<'static>],
    ) -> Option<(LoginTransaction, Cookie<'static>)> {
        let name = cookie_name(state)?;
        let cookie = sent.iter().find(|cookie| cookie.name() == name)?;
        let transaction = self.open(cookie)?;
        let is_same =
            verify_slices_are_equal(transaction.state.as_bytes(), state.as_bytes()).is_ok();
        is_same.then(|| (transaction, removal(&name)))
    }

    fn seal(&self, transaction: &LoginTransaction) -> Option<Cookie<'static>> {
        let name = cookie_name(&transaction.state)?;
        let text = serde_json::to_string(transaction).ok()?;
        let max_age = CookieDuration::try_from(self.ttl).ok()?;
        let cookie = Cookie::build(name.clone(), text)
            .path("/")
            .secure(true)
            .http_only(true)
            .same_site(SameSite::Lax)
            .max_age(max_age)
            .finish();
        let mut jar = CookieJar::new();
        // The cookie's name is part of what is authenticated: no sealed cookie passes for another.
        jar.private_mut(self.key).add(cookie);
        jar.get(&name).cloned()
    }

    /// The content of a cookie that we sealed no longer than the lifetime ago. The browser's own
    /// expiry is a courtesy; this one counts.
    fn open(&self, cookie: &Cookie<'static>) -> Option<LoginTransaction> {
        let mut jar = CookieJar::new();
        jar.add_original(cookie.clone());
        let opened = jar.private(self.key).get(cookie.name())?;
        let transaction: LoginTransaction = serde_json::from_str(opened.value()).ok()?;
        let age = self.now - transaction.started_at;
        (age < self.ttl).then_some(transaction)
    }
}

/// The cookie of the sign-in with this state; `None` for what is no state of ours.
fn cookie_name(state: &str) -> Option<String> {
    let is_alphabet = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if state.len() != RANDOM_CHARS || !state.bytes().all(is_alphabet) {
        return None;
    }
    state.get(..STATE_PREFIX_CHARS).map(|prefix| format!("{COOKIE_PREFIX}{prefix}"))
}

/// A cookie that makes the browser forget the one of this name.
fn removal(name: &str) -> Cookie<'static> {
    let mut cookie = Cookie::build(name.to_owned(), "")
        .path("/")
        .secure(true)
        .http_only(true)
        .same_site(SameSite::Lax)
        .finish();
    cookie.make_removal();
    cookie
}

/// 256 random bits in base64url.
pub(super) fn random_text() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; RANDOM_BYTES]>())
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-20 12:00 UTC);
    const TTL: Duration = Duration::from_mins(10);

    fn cookies(key: &Key, now: OffsetDateTime) -> TransactionCookies<'_> {
        TransactionCookies { key, ttl: TTL, now }
    }

    fn start(now: OffsetDateTime) -> LoginTransaction {
        let organization = Some("org_9f2cA1".parse().unwrap());
        LoginTransaction::start(ReturnTo::default(), organization, None, now)
    }

    /// The cookies that a browser sends back after an answer with `changes`.
    fn browser(sent: &[Cookie<'static>], changes: &[Cookie<'static>]) -> Vec<Cookie<'static>> {
        let is_replaced =
            |old: &&Cookie<'static>| !changes.iter().any(|new| new.name() == old.name());
        let kept = sent.iter().filter(is_replaced).cloned();
        let is_value = |new: &&Cookie<'static>| !new.value().is_empty();
        kept.chain(changes.iter().filter(is_value).cloned()).collect()
    }

    #[test]
    fn a_sign_in_is_found_again_by_its_state() {
        let key = Key::from(&[1; 64]);
        let jar = cookies(&key, NOW);
        let (first, second) = (start(NOW), start(NOW));
        let mut sent = browser(&[], &jar.begin(&first, &[]));
        sent = browser(&sent, &jar.begin(&second, &sent));
        let (found, removal) = jar.take(&first.state, &sent).unwrap();
        assert_eq!(found, first);
        sent = browser(&sent, &[removal]);
        assert!(jar.take(&first.state, &sent).is_none(), "it is used once");
        assert!(jar.take(&second.state, &sent).is_some(), "the other tab goes on");
    }

    #[test]
    fn the_cookie_is_private_and_bound_to_this_host() {
        let key = Key::from(&[1; 64]);
        let transaction = start(NOW);
        let changes = cookies(&key, NOW).begin(&transaction, &[]);
        let [cookie] = changes.as_slice() else { panic!("one cookie") };
        assert_eq!(cookie.name(), format!("__Host-portal_tx_{}", &transaction.state[..8]));
        assert!(cookie.secure() == Some(true) && cookie.http_only() == Some(true));
        assert!(cookie.path() == Some("/") && cookie.domain().is_none());
        assert_eq!(cookie.same_site(), Some(SameSite::Lax));
        assert_eq!(cookie.max_age(), Some(CookieDuration::minutes(10)));
        let debug = format!("{transaction:?}");
        for secret in [&transaction.state, &transaction.nonce, &transaction.code_verifier] {
            assert!(!cookie.value().contains(secret.as_str()) && !debug.contains(secret.as_str()));
        }
        assert!(cookie.to_string().len() < 2_048, "four of them fit into a request's headers");
    }

    #[test]
    fn states_of_others_are_nobodys() {
        let (key, other_key) = (Key::from(&[1; 64]), Key::from(&[2; 64]));
        let jar = cookies(&key, NOW);
        let ours = start(NOW);
        let sent = browser(&[], &jar.begin(&ours, &[]));
        let mut twin = ours.state.clone();
        twin.replace_range(RANDOM_CHARS - 1.., if twin.ends_with('A') { "B" } else { "A" });
        let long = "a".repeat(4_096);
        for state in ["", "x", &twin, &start(NOW).state, &long, "../../../../../../..", "ä"] {
            assert!(jar.take(state, &sent).is_none(), "{state}");
        }
        assert!(cookies(&other_key, NOW).take(&ours.state, &sent).is_none());
        let mut moved = sent.clone();
        moved[0].set_name(cookie_name(&start(NOW).state).unwrap());
        assert!(jar.open(&moved[0]).is_none(), "a cookie is bound to its name");
    }

    #[test]
    fn a_sign_in_is_over_after_ten_minutes() {
        let key = Key::from(&[1; 64]);
        let transaction = start(NOW);
        let sent = browser(&[], &cookies(&key, NOW).begin(&transaction, &[]));
        let just = NOW + TTL - Duration::from_secs(1);
        assert!(cookies(&key, just).take(&transaction.state, &sent).is_some());
        assert!(cookies(&key, NOW + TTL).take(&transaction.state, &sent).is_none());
    }

    #[test]
    fn at_most_four_are_under_way_and_the_oldest_give_way() {
        let key = Key::from(&[1; 64]);
        let mut sent = vec![Cookie::new("__Host-portal_tx_rubbish", "x"), Cookie::new("own", "y")];
        let mut all = Vec::new();
        for second in 0..6 {
            let now = NOW + Duration::from_secs(second);
            let transaction = start(now);
            sent = browser(&sent, &cookies(&key, now).begin(&transaction, &sent));
            all.push(transaction);
        }
        let jar = cookies(&key, NOW + Duration::from_secs(6));
        let live: Vec<bool> = all.iter().map(|one| jar.take(&one.state, &sent).is_some()).collect();
        assert_eq!(live, [false, false, true, true, true, true]);
        assert_eq!(sent.len(), 5, "what cannot be opened is removed, what is not ours stays");
    }

    #[test]
    fn the_challenge_is_the_digest_of_the_verifier() {
        let mut transaction = start(NOW);
        // The example of RFC 7636, appendix B.
        transaction.code_verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".to_owned();
        assert_eq!(transaction.code_challenge(), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }
}
