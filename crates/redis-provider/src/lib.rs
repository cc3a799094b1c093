//! The provider port and its adapters: one contract for unlike Redis services.

mod error;
mod port;

pub use error::RedisError;
pub use port::{
    Command, Condition, Expiry, Incoming, RedisProvider, Reply, ScanCursor, ScanPage, Script,
    ScriptReply, ServerInfo, SetOptions, Subscription,
};
