//! The way to the redis-server: connections, and a bounded pool of them.

mod connection;
mod pool;

pub(crate) use connection::{Connection, RedisError};
pub(crate) use pool::Pool;
