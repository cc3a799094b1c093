//! Writes of every kind, drawn at random.

use portal_tests::client::{Answer, Browser};
use rand::RngExt as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use reqwest::Method;
use serde_json::{Value, json};

const TITLES: [&str; 5] =
    ["Registered Nurse", "Nurse", "Rust Engineer", "Data Engineer", "Engineering Lead"];
const STEPS: [&str; 7] = ["publish", "pause", "close", "reopen", "archive", "toggle", "toggle"];

/// Somebody who may write everything.
pub(crate) struct Writer {
    browser: Browser,
    /// A last day for jobs, far enough from now.
    last_day: String,
    /// The ids of all jobs that were made, the deleted ones too.
    pub(crate) jobs: Vec<String>,
}

impl Writer {
    pub(crate) fn new(browser: Browser, last_day: String) -> Self {
        Self { browser, last_day, jobs: Vec::new() }
    }

    /// Makes a job that can be published.
    pub(crate) async fn creates(&mut self, rng: &mut StdRng) -> String {
        let mut job = json!({ "title": "Nurse", "employment_type": "full_time",
            "workplace": "onsite", "description": "Look after people.",
            "locations": [{"country": "DE", "city": "Berlin"}] });
        for _ in 0..4 {
            let (field, value) = self.field(rng);
            job[field] = value;
        }
        let made = self.browser.post("/api/jobs", &job).await.expect(201);
        self.knows(&made)
    }

    /// Does one thing, and says what; what is refused is not tried again.
    pub(crate) async fn writes(&mut self, rng: &mut StdRng) -> String {
        let job = self.jobs.choose(rng).unwrap().clone();
        let path = format!("/api/jobs/{job}");
        match rng.random_range(0..20) {
            0..9 => {
                let (field, value) = self.field(rng);
                let change = json!({ field: value });
                let answer = self.sends(Method::PATCH, &path, &change).await;
                format!("{change} of {job}: {}", answer.status)
            }
            9..16 => {
                let step = STEPS.choose(rng).unwrap();
                let body = if *step == "close" { json!({"reason": "filled"}) } else { json!({}) };
                let answer = self.sends(Method::POST, &format!("{path}/{step}"), &body).await;
                format!("{step} of {job}: {}", answer.status)
            }
            16 => {
                let answer =
                    self.sends(Method::POST, &format!("{path}/duplicate"), &json!({})).await;
                if answer.status == 201 {
                    self.knows(&answer);
                }
                format!("duplicate of {job}: {}", answer.status)
            }
            17 => {
                let answer = self.sends(Method::DELETE, &path, &Value::Null).await;
                format!("deletion of {job}: {}", answer.status)
            }
            _ => format!("creation of {}", self.creates(rng).await),
        }
    }

    async fn sends(&self, method: Method, path: &str, body: &Value) -> Answer {
        let mut request = self.browser.request(method, path).header("If-Match", "*");
        if !body.is_null() {
            request = request.json(body);
        }
        let answer = self.browser.send(request).await;
        assert!(answer.status.as_u16() < 500, "{path}: {}", answer.text);
        answer
    }

    fn knows(&mut self, made: &Answer) -> String {
        let id = made.json()["id"].as_str().unwrap().to_owned();
        self.jobs.push(id.clone());
        id
    }
}

impl Writer {
    /// A field and what it is set to.
    fn field(&self, rng: &mut StdRng) -> (&'static str, Value) {
        let number = rng.random_range(1..500);
        let any = |rng: &mut StdRng, values: &[Value]| values.choose(rng).unwrap().clone();
        let pay = |amount: i64, period: &str| json!({ "min": amount, "max": amount + 1_000_000, "currency": "EUR", "period": period });
        match rng.random_range(0..13) {
            0 => ("title", json!(TITLES.choose(rng).unwrap())),
            1 => ("department", any(rng, &[Value::Null, json!("Care"), json!("Platform")])),
            2 => ("employment_type", any(rng, &[json!("full_time"), json!("contract")])),
            3 => ("experience_level", any(rng, &[Value::Null, json!("mid"), json!("senior")])),
            4 => ("workplace", any(rng, &[json!("onsite"), json!("remote")])),
            5 => ("locations", any(rng, &places())),
            6 => (
                "skills",
                any(rng, &[json!([]), json!(["SQL", "Rust"]), json!(["sql", "Patience"])]),
            ),
            7 => (
                "salary",
                any(rng, &[pay(5_000_000, "year"), pay(6_500_000, "year"), pay(500, "hour")]),
            ),
            8 => ("pay_blurb", json!(format!("and {number} cakes"))),
            9 => ("openings", json!(number)),
            10 => ("valid_through", any(rng, &[json!(self.last_day), Value::Null])),
            11 => ("description", json!(format!("Knows SQL, number {number}."))),
            _ => ("lang", any(rng, &[json!("de"), json!("en")])),
        }
    }
}

fn places() -> [Value; 4] {
    let berlin = json!({"country": "DE", "region": "Berlin", "city": "Berlin"});
    let cologne = json!({"country": "DE", "region": null, "city": "KÖLN"});
    let kassel = json!({"country": "DE", "region": "Hesse", "city": "Kassel"});
    let paris = json!({"country": "FR", "region": null, "city": "Paris"});
    [json!([berlin]), json!([cologne, kassel]), json!([paris]), json!([kassel, berlin])]
}
