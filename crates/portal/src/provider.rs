//! Connects to the chosen Redis service. The only place that knows which one it is.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use redis_provider::{
    ElastiCacheProvider, GuardSettings, MemoryProvider, RedisProvider, UpstashProvider, guard,
};

use crate::commands::CommandError;
use crate::settings::Service;

/// An adapter, and what ends it.
pub(crate) struct Connection {
    adapter: Arc<dyn RedisProvider>,
    is_remote: bool,
    close: Pin<Box<dyn Future<Output = ()> + Send>>,
}

/// Connects, and waits for it no longer than the connect timeout. A service that is away is an
/// error of the calls that need it, not of the start; settings that do not fit it are.
pub(crate) async fn connect(service: &Service) -> Result<Connection, CommandError> {
    let misfit = |error| CommandError::Redis(service.explain(&error));
    Ok(match service {
        Service::Memory(memory) => {
            Connection::new(Arc::new(MemoryProvider::new(*memory)), false, async {})
        }
        Service::ElastiCache(settings, _) => {
            let adapter = Arc::new(ElastiCacheProvider::connect(settings).await.map_err(misfit)?);
            let kept = Arc::clone(&adapter);
            Connection::new(adapter, true, async move { kept.close().await })
        }
        Service::Upstash(settings, _) => {
            let adapter = Arc::new(UpstashProvider::connect(settings).await.map_err(misfit)?);
            let kept = Arc::clone(&adapter);
            Connection::new(adapter, true, async move { kept.close().await })
        }
    })
}

impl Connection {
    fn new(
        adapter: Arc<dyn RedisProvider>,
        is_remote: bool,
        close: impl Future<Output = ()> + Send + 'static,
    ) -> Self {
        Self { adapter, is_remote, close: Box::pin(close) }
    }

    /// The adapter as it is, for looking at one call at a time.
    pub(crate) fn adapter(&self) -> &dyn RedisProvider {
        self.adapter.as_ref()
    }

    /// The adapter, kept in bounds where it speaks to a service over the network.
    pub(crate) fn guarded(&self, settings: &GuardSettings) -> Arc<dyn RedisProvider> {
        let adapter = Arc::clone(&self.adapter);
        if self.is_remote { guard(adapter, settings) } else { adapter }
    }

    /// Ends the adapter's connections and tasks; later calls fail.
    pub(crate) async fn close(self) {
        self.close.await;
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Connection").field("adapter", &self.adapter).finish_non_exhaustive()
    }
}
