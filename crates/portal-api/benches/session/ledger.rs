//! A ledger of sessions in memory, and other parts that a read of what is cached never calls.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use employer_store::OutboxEvent;
use event_notifier::{EventHandler, HandlerError};
use futures_util::future::{BoxFuture, ready};
use portal_api::{Charge, SharedCounts};
use session_store::{
    EndReason, LedgerAnswer, LedgerEntry, LedgerUnavailable, NewSession, SealedTokens,
    SessionLedger, SessionRecord, Sid,
};
use tenancy::{Clock, SystemClock};
use time::OffsetDateTime;

/// Sessions while the process lives.
#[derive(Debug, Default)]
pub(crate) struct MemoryLedger(Mutex<HashMap<Sid, LedgerEntry>>);

impl MemoryLedger {
    fn with<T>(&self, work: impl FnOnce(&mut HashMap<Sid, LedgerEntry>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The time as databases have it: copies of sessions carry no more of it.
pub(crate) fn now() -> OffsetDateTime {
    let now = SystemClock.now();
    now.replace_microsecond(now.microsecond()).unwrap_or(now)
}

#[async_trait]
impl SessionLedger for MemoryLedger {
    async fn create(
        &self,
        sid: Sid,
        new: &NewSession,
        _tokens: Option<SealedTokens>,
    ) -> Result<OffsetDateTime, LedgerUnavailable> {
        let at = now();
        let record = SessionRecord {
            sid,
            user: new.user,
            tenant: new.tenant,
            org: new.org.clone(),
            subject: new.subject.clone(),
            idp_sid: new.idp_sid.clone(),
            name: new.name.clone(),
            email: new.email.clone(),
            csrf_token: new.csrf_token.clone(),
            created_at: at,
            absolute_expires_at: new.absolute_expires_at,
            access_expires_at: None,
        };
        self.with(|entries| entries.insert(sid, LedgerEntry { record, touched_at: at }));
        Ok(at)
    }

    async fn find(&self, sid: Sid) -> Result<LedgerAnswer, LedgerUnavailable> {
        Ok(LedgerAnswer { entry: self.with(|entries| entries.get(&sid).cloned()), at: now() })
    }

    async fn touch(&self, sid: Sid) -> Result<(), LedgerUnavailable> {
        let at = now();
        self.with(|entries| {
            if let Some(entry) = entries.get_mut(&sid) {
                entry.touched_at = at;
            }
        });
        Ok(())
    }

    async fn end(&self, sid: Sid, _reason: EndReason) -> Result<(), LedgerUnavailable> {
        self.with(|entries| entries.remove(&sid));
        Ok(())
    }
}

/// Other instances of which there are none.
#[derive(Debug)]
pub(crate) struct NobodyElse;

impl SharedCounts for NobodyElse {
    fn charge(&self, _charges: Vec<Charge>) -> BoxFuture<'_, Vec<Option<i64>>> {
        Box::pin(ready(Vec::new()))
    }
}

#[async_trait]
impl EventHandler for NobodyElse {
    async fn handle(&self, _event: &OutboxEvent) -> Result<(), HandlerError> {
        Ok(())
    }
}
