//! The look at the streams: whether each may go on, and whether it is where its feed is.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tenancy::{TenantId, TenantScope};
use tokio::time::{Instant, MissedTickBehavior, timeout};
use tokio_util::sync::CancellationToken;

use super::client::{Client, Looked};
use super::truth::{Standing, Viewer};
use super::{Inner, Snapshot, Subject};
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

/// The figures that were shown last, as they were.
type Shown = HashMap<(TenantId, Subject), String>;

/// Shows figures that changed, each at most once in a pause, until it is stopped. Now and then all that
/// are watched are looked at: no message tells of views, and messages get lost.
pub(super) async fn show_figures(inner: Arc<Inner>, stop: CancellationToken) {
    if inner.source.is_none() {
        return;
    }
    let mut ticks = tokio::time::interval(inner.settings.pause);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut shown, mut looked_at) = (Shown::new(), Instant::now());
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let now = Instant::now();
        let settings = &inner.settings;
        let period = if inner.is_heard(now) { settings.refresh } else { settings.pause * 2 };
        let is_due = now.duration_since(looked_at) >= period;
        if is_due {
            looked_at = now;
        }
        show_changed(&inner, &mut shown, is_due).await;
    }
}

async fn show_changed(inner: &Inner, shown: &mut Shown, all: bool) {
    let changed = {
        let mut changed = inner.changed.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *changed)
    };
    if changed.is_empty() && !all {
        return;
    }
    let mut watchers: HashMap<TenantId, HashMap<Subject, Vec<Arc<Client>>>> = HashMap::new();
    for client in inner.all() {
        let tenant = client.viewer.scope.tenant();
        for subject in client.subjects() {
            if all || changed.contains(&(tenant, subject)) {
                let clients = watchers.entry(tenant).or_default().entry(subject).or_default();
                clients.push(Arc::clone(&client));
            }
        }
    }
    if all {
        shown.retain(|(tenant, subject), _| {
            watchers.get(tenant).is_some_and(|subjects| subjects.contains_key(subject))
        });
    }
    for (tenant, subjects) in watchers {
        let wanted: Vec<Subject> = subjects.keys().copied().collect();
        let Some(first) = subjects.values().find_map(|clients| clients.first()) else { continue };
        let Some(found) = snapshots(inner, &first.viewer.scope, &wanted).await else {
            let missed = wanted.into_iter().filter(|one| changed.contains(&(tenant, *one)));
            inner.shows_again(tenant, missed.collect());
            continue;
        };
        for (subject, snapshot) in found {
            let (place, counters) = ((tenant, subject), snapshot.counters.get().to_owned());
            let is_other = shown.insert(place, counters.clone()) != Some(counters);
            if is_other || changed.contains(&place) {
                let frame = snapshot.frame(subject);
                let clients = subjects.get(&subject).into_iter().flatten();
                clients.for_each(|client| client.show(subject, frame.clone()));
            }
        }
    }
}

/// The figures of a tenant's subjects now; none where nobody could tell.
pub(super) async fn snapshots(
    inner: &Inner,
    scope: &TenantScope,
    subjects: &[Subject],
) -> Option<Vec<(Subject, Snapshot)>> {
    let source = inner.source.as_ref()?;
    let answer = timeout(inner.settings.deadline, source.snapshots(scope, subjects)).await;
    let found = answer.ok().and_then(Result::ok);
    if found.is_none() {
        inner.figures.failures.one();
    }
    found
}
