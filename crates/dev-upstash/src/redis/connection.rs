//! One connection.

use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::args::RedisAddress;
use crate::resp::{Parser, ProtocolError, Reply, write_command};

const CONNECT_LIMIT: Duration = Duration::from_secs(2);
const READ_SIZE: usize = 64 << 10;
const EXCHANGE_LIMIT: Duration = Duration::from_secs(30);

/// Why the redis-server was of no help.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RedisError {
    #[error("the redis-server cannot be reached")]
    Io(#[from] io::Error),
    #[error("the redis-server closed the connection")]
    Closed,
    #[error("the redis-server did not answer in time")]
    Timeout,
    #[error("the redis-server is not understood")]
    Protocol(#[from] ProtocolError),
    #[error("the redis-server refuses the login or the database")]
    Refused,
    #[error("too many requests are waiting for the redis-server")]
    Busy,
}

/// A connection that is logged in and has chosen its database.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    parser: Parser,
}

impl Connection {
    pub(crate) async fn open(address: &RedisAddress) -> Result<Self, RedisError> {
        timeout(CONNECT_LIMIT, Self::open_unlimited(address))
            .await
            .map_err(|_| RedisError::Timeout)?
    }

    async fn open_unlimited(address: &RedisAddress) -> Result<Self, RedisError> {
        let stream = TcpStream::connect((address.host.as_str(), address.port)).await?;
        stream.set_nodelay(true)?;
        let mut connection = Self { stream, parser: Parser::default() };
        let mut hello = Vec::new();
        if let Some(password) = &address.password {
            let user = address.user.iter().cloned().map(Bytes::from);
            let words = [Bytes::from_static(b"AUTH")].into_iter().chain(user);
            hello.push(words.chain([Bytes::from(password.clone())]).collect::<Vec<_>>());
        }
        if address.database > 0 {
            let database = Bytes::from(address.database.to_string());
            hello.push(vec![Bytes::from_static(b"SELECT"), database]);
        }
        let replies = connection.exchange(&hello).await?;
        if replies.iter().any(|reply| matches!(reply, Reply::Error(_))) {
            return Err(RedisError::Refused);
        }
        Ok(connection)
    }

    /// Sends commands and reads a reply to each.
    pub(crate) async fn exchange<C: AsRef<[Bytes]>>(
        &mut self,
        commands: &[C],
    ) -> Result<Vec<Reply>, RedisError> {
        let exchange = async {
            self.send(commands).await?;
            let mut replies = Vec::with_capacity(commands.len());
            for _ in commands {
                replies.push(self.receive().await?);
            }
            Ok(replies)
        };
        timeout(EXCHANGE_LIMIT, exchange).await.map_err(|_| RedisError::Timeout)?
    }

    /// Sends commands without reading. Redis keeps what it cannot send in the meantime, so the two
    /// never wait for one another.
    pub(crate) async fn send<C: AsRef<[Bytes]>>(
        &mut self,
        commands: &[C],
    ) -> Result<(), RedisError> {
        let mut wire = BytesMut::new();
        for command in commands {
            write_command(command.as_ref(), &mut wire);
        }
        Ok(self.stream.write_all(&wire).await?)
    }

    /// The next reply, or message of a subscription. Nothing is lost when the future is dropped.
    pub(crate) async fn receive(&mut self) -> Result<Reply, RedisError> {
        loop {
            if let Some(reply) = self.parser.next_reply()? {
                return Ok(reply);
            }
            // Without room the buffer would grow by a few bytes a read.
            self.parser.buffer().reserve(READ_SIZE);
            if self.stream.read_buf(self.parser.buffer()).await? == 0 {
                return Err(RedisError::Closed);
            }
        }
    }

    /// Whether it may be used again: nothing was left unread, and Redis has not closed it.
    pub(crate) fn is_reusable(&self) -> bool {
        let mut byte = [0];
        let nothing_to_read = matches!(
            self.stream.try_read(&mut byte),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock
        );
        self.parser.is_idle() && nothing_to_read
    }
}
