//! Everything that a request needs. No lock is held across an await, and no two at a time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use tenancy::Clock;
use time::OffsetDateTime;

use crate::allow_list::AllowList;
use crate::args::Settings;
use crate::counters::Counters;
use crate::directory::Directory;
use crate::event_streams::EventStreams;
use crate::faults::{FaultTable, Faults, Place};
use crate::invitations::Invitations;
use crate::keys::{KeyRing, SigningKey};
use crate::ledger::Ledger;

/// The provider's settings and state.
#[derive(Debug)]
pub(crate) struct Provider {
    pub(crate) settings: Settings,
    /// For back-channel logout; redirects are not followed.
    pub(crate) http: reqwest::Client,
    clock: Arc<dyn Clock>,
    allow_list: RwLock<AllowList>,
    directory: RwLock<Directory>,
    keys: RwLock<KeyRing>,
    ledger: Mutex<Ledger>,
    invitations: Mutex<Invitations>,
    event_streams: Mutex<EventStreams>,
    faults: Mutex<FaultTable>,
    counters: Mutex<Counters>,
}

impl Provider {
    /// A provider with nobody signed in.
    pub(crate) fn new(
        settings: Settings,
        allow_list: AllowList,
        directory: Directory,
        keys: KeyRing,
        http: reqwest::Client,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let ledger = Ledger::new(settings.access_token_lifetime, settings.refresh_leeway);
        Self {
            settings,
            http,
            clock,
            allow_list: RwLock::new(allow_list),
            directory: RwLock::new(directory),
            keys: RwLock::new(keys),
            ledger: Mutex::new(ledger),
            invitations: Mutex::new(Invitations::new()),
            event_streams: Mutex::default(),
            faults: Mutex::default(),
            counters: Mutex::default(),
        }
    }

    /// The time of day.
    pub(crate) fn now(&self) -> OffsetDateTime {
        self.clock.now()
    }

    /// The addresses that answers may go to.
    pub(crate) fn allow_list(&self) -> RwLockReadGuard<'_, AllowList> {
        self.allow_list.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same, to add one.
    pub(crate) fn allow_list_mut(&self) -> RwLockWriteGuard<'_, AllowList> {
        self.allow_list.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who exists.
    pub(crate) fn directory(&self) -> RwLockReadGuard<'_, Directory> {
        self.directory.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same, to change it.
    pub(crate) fn directory_mut(&self) -> RwLockWriteGuard<'_, Directory> {
        self.directory.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The published keys.
    pub(crate) fn keys(&self) -> RwLockReadGuard<'_, KeyRing> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same, to rotate them.
    pub(crate) fn keys_mut(&self) -> RwLockWriteGuard<'_, KeyRing> {
        self.keys.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The key that signs now.
    pub(crate) fn current_key(&self) -> Arc<SigningKey> {
        self.keys().current()
    }

    /// What is under way.
    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Open invitations.
    pub(crate) fn invitations(&self) -> MutexGuard<'_, Invitations> {
        self.invitations.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who is told of changes.
    pub(crate) fn event_streams(&self) -> MutexGuard<'_, EventStreams> {
        self.event_streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Active faults.
    pub(crate) fn faults(&self) -> MutexGuard<'_, FaultTable> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The faults of one answer; see [`FaultTable::take`].
    pub(crate) fn take_faults(&self, place: Place, subject: Option<&str>) -> Faults {
        self.faults().take(place, subject)
    }

    /// How often each endpoint was called.
    pub(crate) fn counters(&self) -> MutexGuard<'_, Counters> {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits as long as a fault says; most say nothing.
pub(crate) async fn delay(milliseconds: u64) {
    if milliseconds > 0 {
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
    }
}
