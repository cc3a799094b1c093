//! The typed view of the session of a request.

use std::convert::Infallible;
use std::fmt;
use std::future::{Ready, ready};
use std::sync::Arc;

use actix_session::{Session, SessionExt as _, SessionInsertError};
use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};

use crate::error::StoreUnavailable;
use crate::record::{NewSession, SessionRecord};
use crate::sid::Sid;
use crate::store::PortalSessionStore;

/// The entry of actix's session map that says which session it is, by [`Carried`].
pub(crate) const RECORD: &str = "record";

/// The entry that says who is to be signed in; it is on its way to the store and never stored as
/// it is. `Session::renew` would delete the old session before the new one exists, and a failure
/// between the two would lose both.
pub(crate) const SIGN_IN: &str = "sign-in";

/// The session of the current request: the only place that looks into actix's session map.
///
/// What it changes is written by the session middleware after the handler has answered; if that
/// fails, the middleware's error replaces the answer ([`is_store_outage`](crate::is_store_outage)).
#[derive(Clone)]
pub struct PortalSession(Session);

/// What the session map carries from the store to the request.
pub(crate) enum Carried {
    /// The name of a session that the process holds: what it says need not be written as text and
    /// read again by each request.
    Name(Sid),
    /// What a session says that could not be held; the store would have to look it up once more.
    Record(Arc<SessionRecord>),
}

impl Carried {
    pub(crate) fn write(&self) -> Result<String, serde_json::Error> {
        match self {
            Self::Name(sid) => Ok(sid.to_string()),
            Self::Record(record) => serde_json::to_string(&**record),
        }
    }

    /// The store has written it itself, so text that is neither can only mean that the store was
    /// replaced by one that is not ours; that signs nobody in.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Sid::parse(text).map(Self::Name).or_else(|| {
            serde_json::from_str(text).ok().map(|record| Self::Record(Arc::new(record)))
        })
    }
}

/// The session cannot be written as JSON: one of its instants is past the year 9999.
#[derive(Debug, thiserror::Error)]
#[error("the session cannot be stored")]
pub struct InvalidRecord(#[source] SessionInsertError);

impl PortalSession {
    /// Who is signed in; `None` where nobody is, which includes a session that has ended since the
    /// request began. `store` is the one that the session middleware stands on.
    ///
    /// # Errors
    ///
    /// The middleware has just looked the session up, so the store asks nobody again within the
    /// lease; afterwards it fails where nobody can tell.
    pub async fn current(
        &self,
        store: &PortalSessionStore,
    ) -> Result<Option<Arc<SessionRecord>>, StoreUnavailable> {
        match self.carried() {
            Some(Carried::Name(sid)) => store.verified(sid).await,
            Some(Carried::Record(record)) => Ok(Some(record)),
            None => Ok(None),
        }
    }

    #[expect(clippy::disallowed_methods, reason = "this is the typed accessor")]
    fn carried(&self) -> Option<Carried> {
        self.0.entries().get(RECORD).and_then(|text| Carried::parse(text))
    }

    /// Signs somebody in: the cookie gets a new value, and the session that it named before, if
    /// any, ends once the new one is stored.
    #[expect(clippy::disallowed_methods, reason = "this is the typed accessor")]
    pub fn sign_in(&self, new: &NewSession) -> Result<(), InvalidRecord> {
        self.0.insert(SIGN_IN, new).map_err(InvalidRecord)
    }

    /// Ends the session, everywhere, and removes the cookie.
    pub fn sign_out(&self) {
        self.0.purge();
    }
}

/// Whether somebody is signed in, and nothing of the session.
impl fmt::Debug for PortalSession {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_signed_in = self.0.contains_key(RECORD) || self.0.contains_key(SIGN_IN);
        formatter.debug_struct("PortalSession").field("is_signed_in", &is_signed_in).finish()
    }
}

impl FromRequest for PortalSession {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        ready(Ok(Self(request.get_session())))
    }
}
