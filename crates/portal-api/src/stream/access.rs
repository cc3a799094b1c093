//! Changes of access, as live streams hear of them.

use event_notifier::{Concern, Hub};
use session_store::{AccessCopies, AccessSignal};
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

/// Has the streams concerned looked at whenever access changes, until it is stopped. What the
/// signals lose, the hub's own looks find.
pub async fn follow_access(copies: AccessCopies, hub: Hub, stop: CancellationToken) {
    let mut signals = copies.signals();
    let follow = async {
        loop {
            let concern = match signals.recv().await {
                Ok(AccessSignal::Member(tenant, user)) => Concern::Member(tenant, user),
                Ok(AccessSignal::Tenant(tenant)) => Concern::Tenant(tenant),
                Ok(AccessSignal::Anybody) | Err(RecvError::Lagged(_)) => Concern::Anybody,
                Err(RecvError::Closed) => return,
            };
            hub.recheck(concern);
        }
    };
    stop.run_until_cancelled(follow).await;
}
