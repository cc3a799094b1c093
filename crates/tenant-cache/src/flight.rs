//! One load at a time for a key and what its readers know of invalidations.

use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tenancy::TenantKey;
use tokio::sync::watch;

use crate::answer::CachedAnswer;
use crate::coherence::Stamp;

/// What a load came to: an answer, nothing, or the loader's own error.
pub(crate) type FlightOutcome = Result<Option<CachedAnswer>, FlightError>;

/// Why a load came to nothing.
#[derive(Clone, Debug)]
pub(crate) enum FlightError {
    /// The loader's error; the cache's caller knows its type.
    Load(Arc<dyn Any + Send + Sync>),
    /// The loader did not end in time.
    TimedOut,
    /// Too many loads waited for their turn.
    Overloaded,
    /// A batch's loader answered another number of values than it was asked for.
    Incomplete,
    /// The value could not be written as JSON.
    Unserializable,
}

/// Identifies a load. Readers share one only if they know of the same invalidations, so that
/// nobody who came after one is given what began before it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FlightKey {
    pub(crate) key: TenantKey,
    pub(crate) basis: Basis,
}

/// What a reader knows of invalidations when it asks for a load.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Basis {
    /// The generations in force; what is loaded is stored under them.
    Generations(Vec<Stamp>),
    /// No generations could be had, or none to be believed; what is loaded is never stored. This
    /// process knows its own invalidations, those that failed included; what others did is bounded
    /// by the lease in which the load began.
    Unknown { tries: u64, lease: u128 },
}

pub(crate) type Landing = watch::Receiver<Option<FlightOutcome>>;

/// The loads under way in this process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flights(Arc<Mutex<HashMap<FlightKey, Landing>>>);

/// A place in a load: its pilot runs it, everybody waits for it.
pub(crate) enum Boarding {
    /// Nobody was loading this: run it, and land it with the pilot.
    Pilot(Pilot),
    /// Somebody is: wait.
    Passenger(Landing),
    /// Somebody was a moment ago, and is still busy with storing the answer.
    Landed(FlightOutcome),
}

impl Flights {
    pub(crate) fn board(&self, key: FlightKey) -> Boarding {
        let mut flights = self.lock();
        if let Some(landing) = flights.get(&key) {
            let landed = landing.borrow().clone();
            return landed.map_or_else(|| Boarding::Passenger(landing.clone()), Boarding::Landed);
        }
        let (sender, landing) = watch::channel(None);
        flights.insert(key.clone(), landing.clone());
        Boarding::Pilot(Pilot { flights: self.clone(), key, sender, landing })
    }

    pub(crate) fn under_way(&self) -> usize {
        self.lock().len()
    }

    /// Lets nobody board any more; another flight of the same key goes on.
    fn forget(&self, pilot: &Pilot) {
        let mut flights = self.lock();
        if flights.get(&pilot.key).is_some_and(|landing| landing.same_channel(&pilot.landing)) {
            flights.remove(&pilot.key);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<FlightKey, Landing>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs one load. Dropping it without landing (a panic, a shutdown) wakes everybody who waits,
/// with nothing.
pub(crate) struct Pilot {
    flights: Flights,
    key: FlightKey,
    sender: watch::Sender<Option<FlightOutcome>>,
    landing: Landing,
}

impl Pilot {
    pub(crate) fn key(&self) -> &FlightKey {
        &self.key
    }

    pub(crate) fn landing(&self) -> Landing {
        self.landing.clone()
    }

    /// Gives everybody the outcome, those included who board until the pilot is dropped. An error is
    /// for those who are on board: whoever comes later makes a try of their own.
    pub(crate) fn land(&self, outcome: FlightOutcome) {
        if outcome.is_err() {
            self.flights.forget(self);
        }
        self.sender.send_replace(Some(outcome));
    }
}

impl Drop for Pilot {
    fn drop(&mut self) {
        self.flights.forget(self);
    }
}

/// Waits for a load; `None` means that it was given up without an outcome.
pub(crate) async fn wait_for(mut landing: Landing) -> Option<FlightOutcome> {
    let landed = landing.wait_for(Option::is_some).await.ok()?;
    landed.clone()
}
