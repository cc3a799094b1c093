//! A ledger in memory that ends sessions as the portal's does: first itself, then the copies.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use async_trait::async_trait;
use tenancy::{Clock as _, ManualClock};
use time::OffsetDateTime;

use crate::{
    AccessChange, AccessCopies, EndReason, LedgerAnswer, LedgerEntry, LedgerUnavailable,
    NewSession, SealedTokens, SessionLedger, Sid,
};

#[derive(Debug)]
pub(super) struct TestLedger {
    clock: Arc<ManualClock>,
    entries: Mutex<HashMap<Sid, LedgerEntry>>,
    copies: OnceLock<AccessCopies>,
    is_away: AtomicBool,
    questions: AtomicU64,
}

impl TestLedger {
    pub(super) fn new(clock: Arc<ManualClock>) -> Self {
        Self {
            clock,
            entries: Mutex::default(),
            copies: OnceLock::new(),
            is_away: AtomicBool::new(false),
            questions: AtomicU64::new(0),
        }
    }

    pub(super) fn tells(&self, copies: &AccessCopies) {
        self.copies.set(copies.clone()).unwrap();
    }

    pub(super) fn goes_away(&self, is_away: bool) {
        self.is_away.store(is_away, Ordering::SeqCst);
    }

    /// How often it was asked for a session.
    pub(super) fn questions(&self) -> u64 {
        self.questions.load(Ordering::SeqCst)
    }

    /// Ends a session without telling anybody, as a process does that dies after its commit.
    pub(super) fn forgets(&self, sid: Sid) {
        self.entries.lock().unwrap().remove(&sid);
    }

    pub(super) fn sessions(&self) -> usize {
        self.entries.lock().unwrap().len()
    }

    pub(super) fn change(new: &NewSession, ended: Vec<Sid>) -> AccessChange {
        AccessChange {
            tenant: new.tenant,
            org: new.org.clone(),
            user: Some(new.user),
            members: vec![new.user],
            ended,
        }
    }

    fn answers(&self) -> Result<(), LedgerUnavailable> {
        if self.is_away.load(Ordering::SeqCst) {
            return Err(LedgerUnavailable("the test said so".into()));
        }
        Ok(())
    }
}

#[async_trait]
impl SessionLedger for TestLedger {
    async fn create(
        &self,
        sid: Sid,
        new: &NewSession,
        tokens: Option<SealedTokens>,
    ) -> Result<OffsetDateTime, LedgerUnavailable> {
        self.answers()?;
        let at = self.clock.now();
        let record = new.record(sid, at, tokens.map(|tokens| tokens.access_expires_at));
        self.entries.lock().unwrap().insert(sid, LedgerEntry { record, touched_at: at });
        Ok(at)
    }

    async fn find(&self, sid: Sid) -> Result<LedgerAnswer, LedgerUnavailable> {
        self.questions.fetch_add(1, Ordering::SeqCst);
        self.answers()?;
        let entry = self.entries.lock().unwrap().get(&sid).cloned();
        Ok(LedgerAnswer { entry, at: self.clock.now() })
    }

    async fn touch(&self, sid: Sid) -> Result<(), LedgerUnavailable> {
        self.answers()?;
        if let Some(entry) = self.entries.lock().unwrap().get_mut(&sid) {
            entry.touched_at = self.clock.now();
        }
        Ok(())
    }

    async fn end(&self, sid: Sid, _reason: EndReason) -> Result<(), LedgerUnavailable> {
        self.answers()?;
        let ended = self.entries.lock().unwrap().remove(&sid);
        if let (Some(entry), Some(copies)) = (ended, self.copies.get()) {
            let LedgerEntry { record, .. } = entry;
            let change = AccessChange {
                tenant: record.tenant,
                org: record.org,
                user: Some(record.user),
                members: Vec::new(),
                ended: vec![sid],
            };
            // What is left undone is left to others, as it is in the portal.
            drop(copies.apply(&change).await);
        }
        Ok(())
    }
}
