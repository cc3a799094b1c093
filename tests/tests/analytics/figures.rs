//! Sums by step of time, counted anew from what happened.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tenancy::{Clock as _, SystemClock};
use time::OffsetDateTime;
use time::macros::datetime;
use uuid::Uuid;

use crate::history::{Event, History};
use crate::{Scene, instant, report};

const METRICS: [&str; 4] = ["applications", "hires", "rejections", "withdrawals"];

/// Clocks go back in these weeks, in Berlin and in New York.
const AUTUMN: (OffsetDateTime, OffsetDateTime) =
    (datetime!(2025-10-10 00:00 UTC), datetime!(2025-11-12 00:00 UTC));

/// The days on which these happened, as Postgres reckons them.
async fn days_of(scene: &Scene, events: &[Event], zone: &str) -> Vec<String> {
    let instants: Vec<OffsetDateTime> = events.iter().map(|event| event.at).collect();
    sqlx::query_scalar(
        "SELECT (e.at AT TIME ZONE $2)::date::text
         FROM unnest($1::timestamptz[]) WITH ORDINALITY AS e (at, nth) ORDER BY e.nth",
    )
    .bind(instants)
    .bind(zone)
    .fetch_all(&mut scene.superuser().await)
    .await
    .unwrap()
}

fn numbers(values: &Value) -> Vec<i64> {
    values.as_array().unwrap().iter().map(|value| value.as_i64().unwrap()).collect()
}

#[tokio::test]
async fn days_are_those_of_the_zone_and_none_is_missing() {
    let scene = Scene::open().await;
    let history = History::invent(1, &scene.jobs, 250, AUTUMN);
    history.happens(&scene.tenant, scene.superuser_url()).await;
    let events = history.events();
    for zone in [
        "Europe/Berlin",
        "America/New_York",
        "Asia/Kolkata",
        "Asia/Kathmandu",
        "UTC",
        "Pacific/Apia",
    ] {
        let days = days_of(&scene, &events, zone).await;
        for (filter, is_wanted) in filters(&scene.jobs) {
            let path = format!(
                "timeseries?from=2025-10-20&to=2025-11-05&tz={zone}&metric={}{filter}",
                METRICS.join(",")
            );
            let answer = report(&scene.owner, &path).await;
            assert_eq!(answer["rule"], "activity");
            assert_eq!(answer["time_zone"], zone);
            let period = json!({ "from": "2025-10-20", "to": "2025-11-05", "is_complete": true });
            assert_eq!(answer["period"], period);
            let previous = &answer["previous"];
            assert_eq!(previous["period"]["from"], "2025-10-03");
            assert_eq!(previous["period"]["to"], "2025-10-19");
            for (nth, metric) in METRICS.iter().enumerate() {
                let mut by_day: BTreeMap<&str, i64> = BTreeMap::new();
                for (event, day) in events.iter().zip(&days) {
                    if event.metric == *metric && is_wanted(event) {
                        *by_day.entry(day).or_default() += 1;
                    }
                }
                let series = &answer["series"][nth];
                assert_eq!(series["metric"], *metric);
                let mut totals = Vec::new();
                for (starts, values) in [
                    (&answer["starts"], &series["values"]),
                    (&previous["starts"], &series["previous_values"]),
                ] {
                    let starts = starts.as_array().unwrap();
                    assert_eq!(starts.len(), 17, "{zone}");
                    let counted = numbers(values);
                    let expected: Vec<i64> = starts
                        .iter()
                        .map(|start| by_day.get(&start.as_str().unwrap()[..10]).copied())
                        .map(Option::unwrap_or_default)
                        .collect();
                    assert_eq!(counted, expected, "{zone} {metric} {filter}");
                    totals.push(counted.iter().sum::<i64>());
                }
                assert_eq!(series["total"], totals[0]);
                assert_eq!(series["previous_total"], totals[1]);
            }
        }
    }
}

type Wanted = Box<dyn Fn(&Event) -> bool>;

fn filters(jobs: &[Uuid]) -> Vec<(String, Wanted)> {
    let job = jobs[1];
    vec![
        (String::new(), Box::new(|_: &Event| true)),
        (format!("&job={job}"), Box::new(move |event: &Event| event.job == job)),
        ("&source=referral".to_owned(), Box::new(|event: &Event| event.source == Some("referral"))),
        ("&source=-".to_owned(), Box::new(|event: &Event| event.source.is_none())),
    ]
}

#[tokio::test]
async fn hours_weeks_and_months_hold_what_happened_within_them() {
    let scene = Scene::open().await;
    let history = History::invent(2, &scene.jobs, 200, AUTUMN);
    history.happens(&scene.tenant, scene.superuser_url()).await;
    let events = history.events();
    for (query, steps, end) in [
        // A day of 25 hours.
        (
            "from=2025-10-26&to=2025-10-26&tz=Europe/Berlin&grain=hour",
            25,
            "2025-10-27T00:00:00+01:00",
        ),
        (
            "from=2025-11-02&to=2025-11-03&tz=America/New_York&grain=hour",
            49,
            "2025-11-04T00:00:00-05:00",
        ),
        // Hours between the hours.
        (
            "from=2025-10-20&to=2025-10-21&tz=Asia/Kolkata&grain=hour",
            48,
            "2025-10-22T00:00:00+05:30",
        ),
        // From a Wednesday to a Tuesday.
        (
            "from=2025-10-15&to=2025-11-04&tz=Europe/Berlin&grain=week",
            4,
            "2025-11-05T00:00:00+01:00",
        ),
        (
            "from=2025-09-20&to=2025-11-20&tz=Asia/Kathmandu&grain=month",
            3,
            "2025-11-21T00:00:00+05:45",
        ),
    ] {
        let answer = report(&scene.owner, &format!("timeseries?{query}")).await;
        let mut bounds: Vec<OffsetDateTime> =
            answer["starts"].as_array().unwrap().iter().map(instant).collect();
        assert_eq!(bounds.len(), steps, "{query}");
        bounds.push(instant(&json!(end)));
        let expected: Vec<i64> = bounds
            .windows(2)
            .map(|step| {
                let is_in = |event: &&Event| {
                    event.metric == "applications" && (step[0]..step[1]).contains(&event.at)
                };
                i64::try_from(events.iter().filter(is_in).count()).unwrap()
            })
            .collect();
        assert!(expected.iter().sum::<i64>() > 0, "{query} is about something");
        assert_eq!(numbers(&answer["series"][0]["values"]), expected, "{query}");
    }
}

#[tokio::test]
async fn an_overview_says_what_happened_how_that_differs_and_how_things_are() {
    let scene = Scene::open().await;
    let now = SystemClock.now();
    let weeks = time::Duration::weeks;
    let history = History::invent(3, &scene.jobs, 200, (now - weeks(12), now - weeks(6)));
    history.happens(&scene.tenant, scene.superuser_url()).await;
    let events = history.events();
    let (from, to) = ((now - weeks(8)).date(), (now - weeks(6)).date());
    let path = format!("overview?from={from}&to={to}&tz=UTC");
    let answer = report(&scene.owner, &path).await;
    let length = to - from + time::Duration::days(1);
    let count = |metric: &str, first: time::Date, after: time::Date| {
        let (first, after) = (first.midnight().assume_utc(), after.midnight().assume_utc());
        let is_in =
            |event: &&Event| event.metric == metric && event.at >= first && event.at < after;
        events.iter().filter(is_in).count()
    };
    for metric in METRICS {
        let here = count(metric, from, to + time::Duration::days(1));
        let before = count(metric, from - length, from);
        assert_eq!(answer["totals"][metric], here, "{metric}");
        assert_eq!(answer["previous"]["totals"][metric], before, "{metric}");
        let change = answer["change"][metric].as_f64();
        match (before, change) {
            (0, change) => assert_eq!(change, None),
            (_, None) => panic!("no change of {metric}"),
            (_, Some(change)) => {
                let whole = i32::try_from(before).unwrap();
                let grown = f64::from(i32::try_from(here).unwrap() - whole) / f64::from(whole);
                assert!((change - grown).abs() < 0.001, "{metric}: {change} {grown}");
            }
        }
    }
    let standing = |status: &str| history.0.iter().filter(|one| one.standing().1 == status).count();
    assert_eq!(answer["now"]["open"], standing("active"));
    for status in ["hired", "rejected", "withdrawn"] {
        assert_eq!(answer["now"][status], standing(status), "{status}");
    }
    for stage in ["applied", "screen", "interview", "offer"] {
        let there = history.0.iter().filter(|one| one.standing() == (stage, "active")).count();
        assert_eq!(answer["now"]["open_by_stage"][stage], there, "{stage}");
    }
    assert!(!scene.owner.get(&format!("/api/analytics/{path}")).await.text.contains("Secretname"));
}

#[tokio::test]
async fn an_answer_is_kept_and_says_of_which_moment_it_is() {
    let scene = Scene::open().await;
    let asks = async |query: &str| {
        scene.owner.get(&format!("/api/analytics/overview{query}")).await.expect(200)
    };
    let first = asks("").await;
    assert_eq!(first.header("x-cache"), "miss");
    let history = History::invent(4, &scene.jobs, 20, AUTUMN);
    history.happens(&scene.tenant, scene.superuser_url()).await;
    let second = asks("").await;
    assert_eq!(second.header("x-cache"), "hit");
    assert_eq!(second.text, first.text, "for five minutes");
    // Another spelling of the same is the same; another zone is another question.
    assert_eq!(asks("?source=&tz=").await.header("x-cache"), "hit");
    let other = asks("?tz=UTC").await;
    assert_eq!(other.header("x-cache"), "miss");
    assert_eq!(asks("?tz=utc").await.header("x-cache"), "hit");
    let (first, other) = (first.json(), other.json());
    assert!(other["version"].as_i64() > first["version"].as_i64(), "{first} {other}");
    assert!(instant(&other["as_of"]) > instant(&first["as_of"]));
    assert_eq!(first["period"]["is_complete"], false, "today is not over");
    assert_eq!(first["now"]["open"], 0);
    assert!(other["now"]["open"].as_i64().unwrap() > 0);
}
