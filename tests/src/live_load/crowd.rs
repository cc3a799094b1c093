//! Many connections on one thread that listen, and what each of them was told.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::now_us;
use super::track::{Track, application_of, head_of, seq_of};
use super::wire::Wire;
use crate::waiting::eventually;

/// Connections that are opened at a time.
const AT_ONCE: usize = 50;

const CONNECTS: Duration = Duration::from_secs(30);

/// A place to listen at.
#[derive(Clone, Debug)]
pub(super) struct Door {
    pub(super) address: SocketAddr,
    /// Which of the instances it is.
    pub(super) instance: usize,
    /// The header lines of who listens, and where.
    pub(super) path: String,
    pub(super) headers: String,
    /// Whether it is greeted with the end of its feed.
    pub(super) is_greeted: bool,
}

/// One notification that came to one listener.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    pub(super) listener: usize,
    pub(super) seq: i64,
    pub(super) application: Option<Uuid>,
    /// When it was read, in microseconds of the machine's clock.
    pub(super) at_us: i64,
}

#[derive(Debug, Default)]
struct Ledger {
    tracks: Vec<Track>,
    told: Vec<Told>,
    bytes: u64,
    ready: usize,
    /// What became of those that stopped listening.
    ended: Vec<String>,
}

/// What a crowd was told since it was asked to forget what was before.
#[derive(Clone, Debug)]
pub(super) struct Hearsay {
    pub(super) told: Vec<Told>,
    /// All bytes that were read, those of other frames included.
    pub(super) bytes: u64,
    pub(super) lost: u64,
    pub(super) doubled: u64,
}

/// Listeners; they hang up when this is dropped.
#[derive(Debug)]
pub(super) struct Crowd {
    ledger: Arc<Mutex<Ledger>>,
    listeners: JoinSet<()>,
}

impl Crowd {
    /// Connects a listener at each door, and waits until all listen.
    pub(super) async fn listens(doors: &[Door]) -> Self {
        let ledger = Ledger { tracks: vec![Track::default(); doors.len()], ..Ledger::default() };
        let mut crowd = Self { ledger: Arc::new(Mutex::new(ledger)), listeners: JoinSet::new() };
        let mut wanted = 0;
        for (listener, door) in doors.iter().enumerate() {
            let listening = listens(listener, door.clone(), Arc::clone(&crowd.ledger));
            crowd.listeners.spawn(listening);
            wanted += 1;
            if wanted % AT_ONCE == 0 || wanted == doors.len() {
                crowd.waits_until("all listen", CONNECTS, |ledger| ledger.ready == wanted).await;
            }
        }
        crowd
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap()
    }

    async fn waits_until(&self, what: &str, within: Duration, holds: impl Fn(&Ledger) -> bool) {
        eventually(what, within, async || {
            let ledger = self.ledger();
            assert!(ledger.ended.is_empty(), "stopped listening: {:?}", ledger.ended);
            holds(&ledger).then_some(())
        })
        .await;
    }

    /// Forgets what it was told, but not up to where.
    pub(super) fn forgets(&self) {
        let mut ledger = self.ledger();
        ledger.told.clear();
        ledger.bytes = 0;
    }

    /// The numbers up to which its listeners were told.
    pub(super) fn places(&self) -> Vec<i64> {
        self.ledger().tracks.iter().map(Track::last).collect()
    }

    /// Waits until so many notifications have come to all of them together, and hands them out.
    pub(super) async fn hears(&self, deliveries: usize, within: Duration) -> Hearsay {
        let what = format!("{deliveries} deliveries");
        self.waits_until(&what, within, |ledger| ledger.told.len() >= deliveries).await;
        let mut ledger = self.ledger();
        Hearsay {
            told: std::mem::take(&mut ledger.told),
            bytes: std::mem::take(&mut ledger.bytes),
            lost: ledger.tracks.iter().map(|track| track.lost).sum(),
            doubled: ledger.tracks.iter().map(|track| track.doubled).sum(),
        }
    }

    /// Hangs up.
    pub(super) async fn leaves(mut self) {
        self.listeners.shutdown().await;
    }
}

async fn listens(listener: usize, door: Door, ledger: Arc<Mutex<Ledger>>) {
    let why = match reads(listener, &door, &ledger).await {
        Ok(()) => "the stream ended".to_owned(),
        Err(why) => why,
    };
    ledger.lock().unwrap().ended.push(why);
}

async fn reads(listener: usize, door: &Door, ledger: &Mutex<Ledger>) -> Result<(), String> {
    let mut connection =
        TcpStream::connect(door.address).await.map_err(|error| error.to_string())?;
    let Door { address, path, headers, .. } = door;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nAccept: text/event-stream\r\n{headers}\r\n"
    );
    let sent = connection.write_all(request.as_bytes()).await;
    sent.map_err(|error| error.to_string())?;
    let (mut wire, mut is_ready) = (Wire::default(), false);
    let mut bytes = vec![0; 16 * 1024];
    loop {
        let count = connection.read(&mut bytes).await.map_err(|error| error.to_string())?;
        if count == 0 {
            return Ok(());
        }
        let at_us = now_us();
        let ledger = &mut *ledger.lock().unwrap();
        ledger.bytes += u64::try_from(count).unwrap();
        let Ledger { tracks, told, .. } = ledger;
        let mut is_greeted = false;
        let taken = wire.takes(&bytes[..count], |frame| match frame.event {
            "hello" => {
                tracks[listener].begins_after(head_of(frame.data).expect("an end of the feed"));
                is_greeted = true;
            }
            "notification" => {
                let seq = seq_of(frame.data).expect("a number");
                tracks[listener].takes(seq);
                told.push(Told { listener, seq, application: application_of(frame.data), at_us });
            }
            _ => {}
        });
        taken.map_err(|broken| format!("{broken:?}"))?;
        let is_there = if door.is_greeted { is_greeted } else { wire.is_open() };
        if is_there && !is_ready {
            is_ready = true;
            ledger.ready += 1;
        }
    }
}
