//! Ctrl-C, SIGTERM and a closed terminal, noticed between steps.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::failure::{Explain as _, Failure, Outcome};

/// The wish to stop. The first signal asks for an orderly end, a second one for a quick one.
#[derive(Debug, Clone)]
pub(crate) struct Interrupt {
    pending: Arc<AtomicBool>,
    stopping: Rc<Cell<bool>>,
}

impl Interrupt {
    /// Takes over the signals from their default action.
    pub(crate) fn listen() -> Outcome<Self> {
        let interrupt = Self::silent();
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            signal_hook::flag::register(signal, Arc::clone(&interrupt.pending))
                .explain("listen for signals")?;
        }
        Ok(interrupt)
    }

    /// One that no signal reaches.
    pub(crate) fn silent() -> Self {
        Self { pending: Arc::new(AtomicBool::new(false)), stopping: Rc::new(Cell::new(false)) }
    }

    /// Fails once a signal has come; called at every turn of every wait.
    pub(crate) fn check(&self) -> Outcome<()> {
        if self.pending.swap(false, Ordering::Relaxed) {
            self.stopping.set(true);
        }
        if self.stopping.get() { Err(Failure::Interrupted) } else { Ok(()) }
    }

    /// Whether a signal came while things were already being stopped.
    pub(crate) fn is_impatient(&self) -> bool {
        self.pending.swap(false, Ordering::Relaxed) && self.stopping.replace(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_signal_stops_and_the_second_hurries() {
        let interrupt = Interrupt::silent();
        assert!(interrupt.check().is_ok());
        interrupt.pending.store(true, Ordering::Relaxed);
        assert!(interrupt.check().is_err());
        assert!(interrupt.check().is_err(), "a request to stop is not forgotten");
        assert!(!interrupt.is_impatient());
        interrupt.pending.store(true, Ordering::Relaxed);
        assert!(interrupt.is_impatient());
    }
}
