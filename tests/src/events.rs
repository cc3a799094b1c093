//! A client of `GET /api/events/stream`, as browsers are: it keeps the last id, and knows nothing of
//! what the server means by it.

use std::collections::VecDeque;
use std::time::Duration;

use reqwest::{Method, Response, StatusCode};
use serde_json::Value;
use sqlx::Executor as _;
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use crate::client::Browser;
use crate::tenant::Tenant;

/// Longer than any test holds a stream.
const LONGEST: Duration = Duration::from_secs(600);

/// One event, as a page's listener gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its name; `message` where it has none.
    pub name: String,
    /// The last id at that moment.
    pub id: String,
    /// What it carries.
    pub data: String,
}

impl Event {
    /// The data as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_else(|error| panic!("{error}: {}", self.data))
    }

    /// The number in its id.
    pub fn seq(&self) -> i64 {
        self.id.split_once('.').expect("an epoch and a number").1.parse().unwrap()
    }
}

/// The part of a client that outlives a connection.
#[derive(Debug, Default)]
struct Parser {
    line: Vec<u8>,
    name: String,
    data: String,
    /// As the lines read so far say; it counts once the event is whole.
    next_id: String,
    id: String,
    /// Milliseconds to wait before the next connection.
    retry: Option<u64>,
    comments: Vec<String>,
}

impl Parser {
    fn push(&mut self, bytes: &[u8], events: &mut VecDeque<Event>) {
        for byte in bytes {
            if *byte != b'\n' {
                self.line.push(*byte);
                continue;
            }
            let line = String::from_utf8(std::mem::take(&mut self.line)).unwrap();
            assert!(!line.contains('\r'), "{line:?}");
            if line.is_empty() {
                self.id.clone_from(&self.next_id);
                let (name, data) = (std::mem::take(&mut self.name), std::mem::take(&mut self.data));
                if !data.is_empty() {
                    let name = if name.is_empty() { "message".to_owned() } else { name };
                    let data = data.strip_suffix('\n').unwrap().to_owned();
                    events.push_back(Event { name, id: self.id.clone(), data });
                }
                continue;
            }
            let (field, value) = line.split_once(':').unwrap_or((&line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value).to_owned();
            match field {
                "" => self.comments.push(value),
                "event" => self.name = value,
                "data" => {
                    self.data.push_str(&value);
                    self.data.push('\n');
                }
                "id" => self.next_id = value,
                "retry" => self.retry = value.parse().ok(),
                _ => panic!("a field that nobody knows: {line}"),
            }
        }
    }
}

/// A stream that is open.
#[derive(Debug)]
pub struct EventStream {
    response: Response,
    parser: Parser,
    events: VecDeque<Event>,
    /// The id of the last event that was handed out.
    last_id: String,
    /// What was said last of where the feed is: by the greeting, by a reset, or since.
    state: Option<Value>,
    has_ended: bool,
}

impl EventStream {
    /// Opens one; `after` is the last id that the client has.
    pub async fn open(browser: &Browser, query: &str, after: Option<&str>) -> Self {
        let response = Self::ask(browser, query, after).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        Self::of(response, after)
    }

    /// The same, where it may fail.
    pub async fn try_open(browser: &Browser, after: Option<&str>) -> Option<Self> {
        let response = Self::ask(browser, "", after).await.ok()?;
        (response.status() == StatusCode::OK).then(|| Self::of(response, after))
    }

    async fn ask(
        browser: &Browser,
        query: &str,
        after: Option<&str>,
    ) -> Result<Response, reqwest::Error> {
        let path = format!("/api/events/stream{query}");
        let mut request = browser.request(Method::GET, &path).timeout(LONGEST);
        if let Some(id) = after.filter(|id| !id.is_empty()) {
            request = request.header("Last-Event-ID", id);
        }
        request.header("Accept", "text/event-stream").send().await
    }

    fn of(response: Response, after: Option<&str>) -> Self {
        let id = after.unwrap_or_default().to_owned();
        let parser = Parser { next_id: id.clone(), id: id.clone(), ..Parser::default() };
        Self {
            response,
            parser,
            events: VecDeque::new(),
            last_id: id,
            state: None,
            has_ended: false,
        }
    }

    /// A header of the answer.
    pub fn header(&self, name: &str) -> &str {
        self.response.headers().get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// What a browser would send as `Last-Event-ID`.
    pub fn last_id(&self) -> String {
        self.last_id.clone()
    }

    /// The server's word on when to come back.
    pub fn retry_ms(&self) -> Option<u64> {
        self.parser.retry
    }

    /// The comments so far.
    pub fn comments(&self) -> &[String] {
        &self.parser.comments
    }

    /// Whether the server has ended it.
    pub fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// The next event before `deadline`; none where there is none, or no more.
    pub async fn next_before(&mut self, deadline: Instant) -> Option<Event> {
        loop {
            if let Some(event) = self.events.pop_front() {
                self.last_id.clone_from(&event.id);
                if ["hello", "feed_state", "reset"].contains(&event.name.as_str()) {
                    self.state = Some(event.json());
                }
                return Some(event);
            }
            if self.has_ended {
                return None;
            }
            match timeout_at(deadline, self.response.chunk()).await {
                Ok(Ok(Some(bytes))) => self.parser.push(&bytes, &mut self.events),
                Ok(Ok(None) | Err(_)) => self.has_ended = true,
                Err(_elapsed) => return None,
            }
        }
    }

    /// The next event of this name; panics where none comes in time.
    pub async fn wait_for(&mut self, name: &str, within: Duration) -> Event {
        let deadline = Instant::now() + within;
        while let Some(event) = self.next_before(deadline).await {
            if event.name == name {
                return event;
            }
        }
        panic!("no {name} within {within:?}; ended: {}", self.has_ended);
    }

    /// Waits until the stream has said that so many are unread, be it earlier; answers what it said.
    pub async fn has_unread(&mut self, count: i64, within: Duration) -> Value {
        let deadline = Instant::now() + within;
        loop {
            if let Some(state) = self.state.as_ref().filter(|state| state["unread"] == count) {
                return state.clone();
            }
            let event = self.next_before(deadline).await;
            assert!(event.is_some(), "not {count} unread within {within:?}: {:?}", self.state);
        }
    }

    /// The notifications that come until there are `count`, or until the time is over.
    pub async fn notifications(&mut self, count: usize, within: Duration) -> Vec<Event> {
        let deadline = Instant::now() + within;
        let mut found = Vec::new();
        while found.len() < count {
            match self.next_before(deadline).await {
                Some(event) if event.name == "notification" => found.push(event),
                Some(_) => {}
                None => break,
            }
        }
        found
    }

    /// Reads until the server ends it; panics where it does not in time. Answers the events.
    pub async fn reads_to_its_end(&mut self, within: Duration) -> Vec<Event> {
        let deadline = Instant::now() + within;
        let mut found = Vec::new();
        while let Some(event) = self.next_before(deadline).await {
            found.push(event);
        }
        assert!(self.has_ended, "it did not end within {within:?}");
        found
    }
}

impl Tenant {
    /// Lets people apply for `job`, as many as `count`, in one transaction: everybody is told whom
    /// applications concern.
    pub async fn hears_of_applications(&self, job: Uuid, count: i32) {
        let mut connection = self.connection().await;
        let insert = "INSERT INTO outbox (tenant_id, kind, subject, payload)
            SELECT $1, 'application.submitted', gen_random_uuid(),
                   jsonb_build_object('v', 1, 'job', $2::uuid)
            FROM generate_series(1, $3)";
        let insert = sqlx::query(insert).bind(self.id).bind(job).bind(count);
        connection.execute(insert).await.unwrap();
    }

    /// The number of the last notification of the member.
    pub async fn head_of(&self, user: Uuid) -> i64 {
        let mut connection = self.connection().await;
        let query = "SELECT coalesce(max(seq), 0) FROM feed_heads
                     WHERE tenant_id = $1 AND user_id = $2";
        let found = sqlx::query_scalar(query).bind(self.id).bind(user);
        found.fetch_one(&mut connection).await.unwrap()
    }
}
