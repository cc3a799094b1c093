//! The look at the streams: whether each may go on, and whether it is where its feed is.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, timeout};
use tokio_util::sync::CancellationToken;

use super::client::{Client, Looked};
use super::truth::{Standing, Viewer};
use super::{Inner, Subject, replay};
use crate::stream::Why;

/// How often it is asked who is due.
const STEP: Duration = Duration::from_millis(250);

/// Most streams of one question.
const AT_A_TIME: usize = 1_000;

/// Looks at streams that are due until it is stopped.
pub(super) async fn look_after(inner: Arc<Inner>, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(STEP);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
            () = inner.look.notified() => {}
        }
        look(&inner).await;
    }
}

async fn look(inner: &Arc<Inner>) {
    let now = Instant::now();
    let settings = &inner.settings;
    let is_heard = inner.is_heard(now);
    let period = if is_heard { settings.recheck } else { settings.recheck_unheard };
    let is_draining = inner.registry().is_draining();
    let mut due = Vec::new();
    for client in inner.all() {
        let (ends_at, checked_at) = client.times();
        if now >= ends_at {
            inner.close(&client, if is_draining { Why::Drain } else { Why::MaxAge });
        } else if now.duration_since(checked_at) >= settings.unverified {
            inner.close(&client, Why::Unverified);
        } else if client.take_due(now, period, settings.pause) {
            due.push(client);
        }
    }
    for clients in due.chunks(AT_A_TIME) {
        ask(inner, clients, is_heard).await;
    }
}

/// Asks for many at once; what cannot be answered is asked again with the next look.
async fn ask(inner: &Arc<Inner>, clients: &[Arc<Client>], is_heard: bool) {
    inner.figures.looks.one();
    let asked = Instant::now();
    let viewers: Vec<Viewer> = clients.iter().map(|client| client.viewer.clone()).collect();
    let answer = timeout(inner.settings.deadline, inner.truth.standings(&viewers)).await;
    let Some(standings) = answer.ok().and_then(Result::ok) else {
        inner.figures.failures.one();
        for client in clients {
            client.is_to_be_looked_at();
        }
        return;
    };
    for (client, standing) in clients.iter().zip(standings) {
        let looked = match standing {
            Standing::Ended => {
                inner.close(client, Why::Revoked);
                continue;
            }
            Standing::Stands { sight, head } => {
                client.stands(asked, sight, head, inner.settings.heartbeat, is_heard)
            }
        };
        match looked {
            Looked::Fine => {}
            Looked::Behind => inner.catch_up(client),
            Looked::Full => inner.close(client, Why::Slow),
        }
    }
}

/// Shows figures that changed, each at most once in a pause, until it is stopped.
pub(super) async fn show_figures(inner: Arc<Inner>, stop: CancellationToken) {
    if inner.source.is_none() {
        return;
    }
    let mut ticks = tokio::time::interval(inner.settings.pause);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        show_changed(&inner).await;
    }
}

async fn show_changed(inner: &Inner) {
    let changed = {
        let mut changed = inner.changed.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *changed)
    };
    if changed.is_empty() {
        return;
    }
    let mut watchers: HashMap<_, Vec<Arc<Client>>> = HashMap::new();
    for client in inner.all() {
        for subject in client.subjects() {
            let place = (client.viewer.scope.tenant(), subject);
            if changed.contains(&place) {
                watchers.entry(place).or_default().push(Arc::clone(&client));
            }
        }
    }
    for ((_, subject), clients) in watchers {
        show(inner, subject, &clients).await;
    }
}

async fn show(inner: &Inner, subject: Subject, clients: &[Arc<Client>]) {
    let Some(first) = clients.first() else { return };
    if let Some(frame) = replay::snapshot(inner, &first.viewer.scope, subject).await {
        for client in clients {
            client.show(subject, frame.clone());
        }
    }
}
