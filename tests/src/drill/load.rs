//! The load itself: questions at a fixed rate, one writer, and a look at the breaker.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::report::Observation;
use super::{PATIENCE, Seat};
use crate::client::{Answer, Browser};

/// 150 questions a second.
const BETWEEN_READS: Duration = Duration::from_micros(6_667);
const BETWEEN_WRITES: Duration = Duration::from_millis(100);
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);
/// All is well when nothing went wrong for this long.
const WELL: Duration = Duration::from_secs(3);

type Seats = Arc<Vec<Seat>>;
type Notes = Arc<Mutex<Vec<Observation>>>;

/// A load that goes on until it [`stops`](Self::stops).
#[derive(Debug)]
pub struct Load {
    notes: Notes,
    openings: Arc<Mutex<Vec<Instant>>>,
    tasks: JoinSet<()>,
}

impl Load {
    pub(super) fn begin(seats: Seats, looker: Browser) -> Self {
        let (notes, openings) = (Notes::default(), Arc::<Mutex<Vec<Instant>>>::default());
        let mut tasks = JoinSet::new();
        tasks.spawn(read(Arc::clone(&seats), Arc::clone(&notes)));
        tasks.spawn(write(seats, Arc::clone(&notes)));
        tasks.spawn(watch_circuits(looker, Arc::clone(&openings)));
        Self { notes, openings, tasks }
    }

    /// Lets the load go on for a while; answers the instant afterwards.
    pub async fn runs_for(&self, duration: Duration) -> Instant {
        tokio::time::sleep(duration).await;
        Instant::now()
    }

    /// Waits until nothing has gone wrong for three seconds.
    pub async fn is_well_again(&self) {
        let give_up = Instant::now() + PATIENCE;
        loop {
            let now = Instant::now();
            let is_well = {
                let notes = lock(&self.notes);
                let mut recent = notes.iter().rev().take_while(|note| note.end() + WELL > now);
                notes.first().is_some_and(|note| note.end() + WELL < now)
                    && recent.all(|note| !note.is_degraded())
            };
            if is_well {
                return;
            }
            assert!(now < give_up, "not well again within {PATIENCE:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// When a circuit was seen open.
    pub fn openings(&self) -> Vec<Instant> {
        lock(&self.openings).clone()
    }

    /// Ends the load and answers what was seen.
    pub async fn stops(mut self) -> Vec<Observation> {
        self.tasks.shutdown().await;
        std::mem::take(&mut *lock(&self.notes))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Each question is a task of its own, so that a slow answer holds up nobody.
async fn read(seats: Seats, notes: Notes) {
    let mut ticks = interval(BETWEEN_READS);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut questions = JoinSet::new();
    loop {
        ticks.tick().await;
        let (seats, notes) = (Arc::clone(&seats), Arc::clone(&notes));
        questions.spawn(async move {
            let seat = &seats[rand::random_range(0..seats.len())];
            let job = &seat.jobs[rand::random_range(0..seat.jobs.len())];
            let floor = job.begins_to_read();
            let began = Instant::now();
            let answer = ask(&seat.browser, job.path()).await;
            let mut note = Observation::of_read(began, answer.as_ref());
            note.contradiction = answer
                .filter(|answer| answer.status == 200)
                .and_then(|answer| job.contradiction(floor, &answer.json()));
            lock(&notes).push(note);
        });
        while questions.try_join_next().is_some() {}
    }
}

/// An answer, or nothing where the portal itself could not be reached.
async fn ask(browser: &Browser, path: &str) -> Option<Answer> {
    let response = browser.request(Method::GET, path).send().await.ok()?;
    Answer::try_read(response).await
}

async fn write(seats: Seats, notes: Notes) {
    let mut ticks = interval(BETWEEN_WRITES);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for turn in 0_usize.. {
        ticks.tick().await;
        let seat = &seats[turn % seats.len()];
        let job = &seat.jobs[rand::random_range(0..seat.jobs.len())];
        let Some((version, etag)) = job.begins_to_write() else { continue };
        let began = Instant::now();
        let body = json!({ "title": super::Ledger::title(version) });
        let request = seat.browser.request(Method::PATCH, job.path());
        let response = request.header("If-Match", &etag).json(&body).send().await;
        let answer = match response {
            Ok(response) => Answer::try_read(response).await,
            Err(_) => None,
        };
        lock(&notes).push(Observation::of_write(began, answer.as_ref()));
        match answer {
            Some(answer) if answer.status == 200 => job.has_written(version, answer.header("etag")),
            // Nobody was let in, so nothing was written.
            Some(answer) if answer.status == 503 => job.was_refused(etag),
            _ => {}
        }
    }
}

async fn watch_circuits(looker: Browser, openings: Arc<Mutex<Vec<Instant>>>) {
    let mut ticks = interval(BETWEEN_LOOKS);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(answer) = ask(&looker, "/health/cache").await else { continue };
        let body = answer.json();
        if ["reads", "writes"].iter().any(|circuit| body["breaker"][circuit] == "open") {
            lock(&openings).push(Instant::now());
        }
    }
}
