//! A bucket that speaks S3, in memory: what the portal's file store is tested against.
//!
//! It answers the calls that the portal makes (`PUT`, `GET` with ranges, `HEAD`, `DELETE`,
//! `ListObjectsV2`, `DeleteObjects`, uploads in parts) in path style, believes no request whose
//! signature (version 4) it does not come to by itself, and fails on demand. Its refusals repeat what
//! was signed, and with which token, as those of AWS do: whoever logs them has a leak.
//!
//! ```no_run
//! # async fn example() -> std::io::Result<()> {
//! use dev_s3::{DevS3, Fault, Operation};
//!
//! let store = DevS3::start().await?;
//! store.fails(Operation::Put, Fault::LostAnswer, 1);
//! println!("{} {}", store.endpoint(), DevS3::BUCKET);
//! # Ok(())
//! # }
//! ```

mod bucket;
mod fault;
mod http;
mod routes;
mod signature;
mod xml;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use time::OffsetDateTime;
use tokio::io::BufReader;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use bucket::Bucket;
use fault::Faults;
pub use fault::{Fault, Operation};
use http::{Request, Response};
use signature::Signer;

/// A server that ends when it is dropped.
#[derive(Debug)]
pub struct DevS3 {
    address: SocketAddr,
    shared: Arc<Shared>,
    _accepting: JoinSet<()>,
}

#[derive(Debug)]
struct Shared {
    signer: Signer,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    bucket: Bucket,
    faults: Faults,
    calls: Vec<String>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DevS3 {
    /// The only bucket.
    pub const BUCKET: &str = "applicants";
    /// Its region.
    pub const REGION: &str = "eu-central-1";
    /// Whom it knows.
    pub const KEY_ID: &str = "AKIDEVSTHREE00000001";
    /// And the secret of that key.
    pub const SECRET: &str = "dev/s3+secret0of1nobody2and3nothing4else";

    /// Starts one on a free port of this machine.
    pub async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let signer = Signer::new(Self::KEY_ID, Self::SECRET, Self::REGION);
        let shared = Arc::new(Shared { signer, inner: Mutex::default() });
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { address, shared, _accepting: accepting })
    }

    /// Where it is.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The next `times` calls of a kind fail in this way. Faults of a kind come in the order in which
    /// they were asked for.
    pub fn fails(&self, operation: Operation, fault: Fault, times: usize) {
        self.shared.lock().faults.add(operation, fault, times);
    }

    /// No call fails any more.
    pub fn recovers(&self) {
        self.shared.lock().faults = Faults::default();
    }

    /// How many objects a page of a list has at most.
    pub fn lists_by(&self, objects: usize) {
        self.shared.lock().bucket.page = objects;
    }

    /// The keys of all objects, in their order.
    pub fn keys(&self) -> Vec<String> {
        self.shared.lock().bucket.keys()
    }

    /// Puts an object in, as if it were so old.
    pub fn holds(&self, key: &str, content: &[u8], age: Duration) {
        let modified = now() - age;
        self.shared.lock().bucket.put(key, content.to_vec(), modified);
    }

    /// Takes an object away.
    pub fn loses(&self, key: &str) {
        self.shared.lock().bucket.lose(key);
    }

    /// How many uploads in parts were begun and neither completed nor aborted.
    pub fn uploads(&self) -> usize {
        self.shared.lock().bucket.uploads()
    }

    /// The calls so far that were believed, by kind and key, those that failed on demand included.
    pub fn calls(&self) -> Vec<String> {
        self.shared.lock().calls.clone()
    }
}

#[expect(clippy::disallowed_methods, reason = "the server's clock is nobody's to hold")]
fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(serve(stream, Arc::clone(&shared)));
        while connections.try_join_next().is_some() {}
    }
}

/// Answers what comes on one connection, until either side has enough of it.
async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let mut stream = BufReader::new(stream);
    while let Ok(Some(request)) = http::read(&mut stream).await {
        let Some(response) = answer(&request, &shared).await else { return };
        if http::write(&mut stream, &request, &response).await.is_err() || response.is_cut {
            return;
        }
    }
}

/// The answer to a request; none where the connection is to end without one.
async fn answer(request: &Request, shared: &Shared) -> Option<Response> {
    if let Err(refusal) = shared.signer.check(request, now()) {
        return Some(xml::refusal(403, refusal.code, &refusal.details));
    }
    let Some(call) = routes::Call::of(request, DevS3::BUCKET) else {
        return Some(xml::refusal(404, "NoSuchBucket", ""));
    };
    let fault = {
        let mut inner = shared.lock();
        inner.calls.push(call.to_string());
        inner.faults.take(call.operation)
    };
    match fault {
        None => Some(shared.lock().bucket.carry_out(&call, request)),
        Some(Fault::SlowDown) => Some(xml::refusal(503, "SlowDown", "")),
        Some(Fault::Refused(code)) => Some(xml::refusal(403, code, "")),
        Some(Fault::Cut) => {
            let mut response = shared.lock().bucket.carry_out(&call, request);
            response.is_cut = true;
            Some(response)
        }
        Some(Fault::LostAnswer) => {
            let _ = shared.lock().bucket.carry_out(&call, request);
            None
        }
        Some(Fault::Hangs) => std::future::pending().await,
        Some(Fault::Slow(pause)) => {
            tokio::time::sleep(pause).await;
            Some(shared.lock().bucket.carry_out(&call, request))
        }
    }
}
