//! What goes wrong, when somebody asks for it.

use std::collections::VecDeque;
use std::time::Duration;

/// A kind of call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// An object at once.
    Put,
    /// An object, or a range of one.
    Get,
    /// What is known about an object.
    Head,
    /// One object or many.
    Delete,
    /// A page of a list.
    List,
    /// The beginning of an upload in parts.
    Begin,
    /// A part.
    Part,
    /// The end of an upload in parts.
    Complete,
    /// An upload in parts is not wanted any more.
    Abort,
}

/// A way to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing is done, and it says so: 503.
    SlowDown,
    /// Nothing is done: 403 with this code.
    Refused(&'static str),
    /// It is done, and the connection ends in the middle of the answer's body.
    Cut,
    /// It is done, and the connection ends without an answer.
    LostAnswer,
    /// Nothing is done or said, as long as the client waits.
    Hangs,
    /// It is done and answered after a pause.
    Slow(Duration),
}

/// What is to go wrong.
#[derive(Debug, Default)]
pub(crate) struct Faults(VecDeque<(Operation, Fault, usize)>);

impl Faults {
    pub(crate) fn add(&mut self, operation: Operation, fault: Fault, times: usize) {
        self.0.push_back((operation, fault, times));
    }

    /// What goes wrong with this call.
    pub(crate) fn take(&mut self, operation: Operation) -> Option<Fault> {
        self.0.retain(|(.., times)| *times > 0);
        let (_, fault, times) = self.0.iter_mut().find(|(kind, ..)| *kind == operation)?;
        *times -= 1;
        Some(*fault)
    }
}
