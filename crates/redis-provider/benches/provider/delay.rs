//! A network that is slower than loopback.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::Outcome;

/// Most bytes that are passed on at once.
const CHUNK: usize = 64 * 1024;

/// A proxy that keeps every byte back for a while, in each direction; bandwidth and the number of
/// connections are not limited. It ends when it is dropped.
pub(crate) struct SlowRoad {
    pub(crate) address: SocketAddr,
    _accepting: JoinSet<()>,
}

impl SlowRoad {
    pub(crate) async fn to(target: SocketAddr, one_way: Duration) -> Outcome<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let mut accepting = JoinSet::new();
        accepting.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                connections.spawn(async move {
                    // A connection that fails on one side is closed on the other: all that a proxy can say.
                    let _failed = carry(client, target, one_way).await;
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self { address, _accepting: accepting })
    }
}

async fn carry(client: TcpStream, target: SocketAddr, one_way: Duration) -> std::io::Result<()> {
    let server = TcpStream::connect(target).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::try_join!(
        pass_on(from_client, to_server, one_way),
        pass_on(from_server, to_client, one_way)
    )?;
    Ok(())
}

async fn pass_on(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    delay: Duration,
) -> std::io::Result<()> {
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let read = async move {
        loop {
            let mut chunk = BytesMut::with_capacity(CHUNK);
            let end = from.read_buf(&mut chunk).await? == 0;
            if end || sender.send((Instant::now() + delay, chunk)).is_err() {
                return Ok(());
            }
        }
    };
    let write = async move {
        while let Some((due, chunk)) = receiver.recv().await {
            tokio::time::sleep_until(due).await;
            to.write_all(&chunk).await?;
        }
        to.shutdown().await
    };
    tokio::try_join!(read, write).map(drop)
}
