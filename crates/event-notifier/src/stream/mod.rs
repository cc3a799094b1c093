//! The text of a stream of events: frames and cursors, as `text/event-stream` has them.

mod cursor;
mod frame;

pub use cursor::{Cursor, InvalidCursor};
pub(crate) use frame::{
    Hello, Written, beat, bye, feed_state, first_bytes, hello, instant, metrics, reset,
};
pub use frame::{Notice, Why, WhyReset};
