//! A bounded set of connections to one database.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::{Connection, RedisError};
use crate::args::RedisAddress;
use crate::resp::Reply;

const CONNECTIONS_MAX: usize = 64;
const WAIT_LIMIT: Duration = Duration::from_secs(10);

/// Connections that are opened when needed and kept for the next request.
#[derive(Debug)]
pub(crate) struct Pool {
    address: RedisAddress,
    permits: Semaphore,
    idle: Mutex<Vec<Connection>>,
}

impl Pool {
    pub(crate) fn new(address: RedisAddress) -> Self {
        Self { address, permits: Semaphore::new(CONNECTIONS_MAX), idle: Mutex::default() }
    }

    /// A connection outside the pool, for a stream that keeps it.
    pub(crate) async fn dedicated(&self) -> Result<Connection, RedisError> {
        Connection::open(&self.address).await
    }

    /// Sends commands on one connection, with nobody else's in between on it, and reads a reply to
    /// each. A connection whose exchange failed or was given up is closed.
    pub(crate) async fn exchange<C: AsRef<[Bytes]>>(
        &self,
        commands: &[C],
    ) -> Result<Vec<Reply>, RedisError> {
        let permit = timeout(WAIT_LIMIT, self.permits.acquire()).await;
        let _permit = permit.ok().and_then(Result::ok).ok_or(RedisError::Busy)?;
        let mut connection = match self.take_idle() {
            Some(connection) => connection,
            None => self.dedicated().await?,
        };
        let replies = connection.exchange(commands).await?;
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        Ok(replies)
    }

    fn take_idle(&self) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(connection) = idle.pop() {
            if connection.is_reusable() {
                return Some(connection);
            }
        }
        None
    }
}
