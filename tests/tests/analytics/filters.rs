//! Whatever a report is narrowed to, it is narrowed to that.

use serde_json::Value;
use tenancy::{Clock as _, Role, SystemClock};
use time::OffsetDateTime;
use time::macros::datetime;
use uuid::Uuid;

use crate::history::{Application, History, SOURCES, Step};
use crate::{Scene, report};

const SPAN: (OffsetDateTime, OffsetDateTime) =
    (datetime!(2025-10-01 00:00 UTC), datetime!(2025-12-01 00:00 UTC));
const PERIOD: &str = "from=2025-10-10&to=2025-11-20";

/// A report, and a number in it.
type Figure = (&'static str, fn(&Value) -> i64);

/// Reports that have a number of something that belongs to one job and one source, with what it is.
const COUNTED: [Figure; 10] = [
    ("overview?", |answer| number(&answer["totals"]["applications"])),
    ("overview?", |answer| number(&answer["previous"]["totals"]["applications"])),
    ("overview?", |answer| number(&answer["now"]["open"])),
    ("timeseries?metric=rejections&", |answer| number(&answer["series"][0]["total"])),
    ("funnel?mode=cohort&", |answer| number(&answer["steps"][1]["reached"])),
    ("funnel?mode=activity&", |answer| number(&answer["stages"][0]["left"])),
    ("funnel?mode=snapshot&", |answer| number(&answer["now"]["rejected"])),
    ("sources?", |answer| {
        answer["sources"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| number(&one["reached"]["screen"]))
            .sum()
    }),
    ("time-in-stage?", |answer| number(&answer["stages"][0]["finished"])),
    ("time-to-hire?", |answer| number(&answer["finished"])),
];

/// The same of each group, with what is open, which other statements count.
const FURTHER: [Figure; 5] = [
    ("breakdown?by=job&", of_groups),
    ("breakdown?by=source&", of_groups),
    ("breakdown?by=department&", of_groups),
    ("time-in-stage?", |answer| number(&answer["stages"][0]["open"])),
    ("time-to-hire?", |answer| number(&answer["open"])),
];

fn of_groups(answer: &Value) -> i64 {
    let groups = answer["groups"].as_array().unwrap();
    groups.iter().map(|group| number(&group["totals"]["applications"])).sum()
}

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or_else(|| panic!("no number: {value}"))
}

/// What a manager is to see of a report: everything but when it was taken.
fn plain(mut answer: Value) -> Value {
    answer["as_of"] = Value::Null;
    answer["version"] = Value::Null;
    answer
}

async fn told(seed: u64, count: usize) -> Scene {
    let scene = Scene::open().await;
    let history = History::invent(seed, &scene.jobs, count, SPAN);
    history.happens(&scene.tenant, scene.superuser_url()).await;
    scene
}

#[tokio::test]
async fn jobs_and_sources_add_up_to_everything_in_every_report() {
    let scene = told(51, 240).await;
    let jobs: Vec<String> = scene.jobs.iter().map(|job| format!("&job={job}")).collect();
    let sources: Vec<String> =
        SOURCES.iter().map(|source| format!("&source={}", source.unwrap_or("-"))).collect();
    let mut faults = Vec::new();
    for (path, count) in COUNTED.into_iter().chain(FURTHER) {
        let path = format!("{path}{PERIOD}");
        let all = count(&report(&scene.owner, &path).await);
        for filters in [&jobs, &sources] {
            let mut parts = Vec::new();
            for filter in filters {
                parts.push(count(&report(&scene.owner, &format!("{path}{filter}")).await));
            }
            let is_divided = parts.iter().filter(|part| **part > 0).count() > 1;
            if parts.iter().sum::<i64>() != all || !is_divided {
                faults.push(format!("{path}: {parts:?} of {all}"));
            }
        }
    }
    assert_eq!(faults, Vec::<String>::new());
}

#[tokio::test]
async fn a_manager_sees_in_every_report_what_the_job_of_theirs_has() {
    let scene = told(52, 150).await;
    let ours = scene.jobs[0];
    scene.tenant.assigns(Role::HiringManager, &ours.to_string(), "view").await;
    let manager = scene.tenant.signs_in(&scene.portal, Role::HiringManager).await;
    let mut faults = Vec::new();
    for (path, _) in COUNTED.into_iter().chain(FURTHER) {
        let path = format!("{path}{PERIOD}");
        let of_job = plain(report(&scene.owner, &format!("{path}&job={ours}")).await);
        let of_all = plain(report(&scene.owner, &path).await);
        let of_manager = plain(report(&manager, &path).await);
        if of_manager != of_job || of_manager == of_all {
            faults.push(path);
        }
    }
    assert_eq!(faults, Vec::<String>::new());
}

#[tokio::test]
async fn a_file_is_of_the_job_and_the_source_that_are_asked_for() {
    let scene = told(53, 120).await;
    let lines = async |filter: &str| {
        let path = format!("/api/analytics/export.csv?{PERIOD}&grain=month{filter}");
        let text = scene.owner.get(&path).await.expect(200).text;
        text.lines().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    let all = lines("").await;
    for (filter, cell) in [
        (format!("&job={}", scene.jobs[1]), scene.jobs[1].to_string()),
        ("&source=referral".to_owned(), ",referral,".to_owned()),
        ("&source=-".to_owned(), ",,".to_owned()),
    ] {
        let expected: Vec<&String> = all.iter().filter(|line| line.contains(&cell)).collect();
        assert!(!expected.is_empty() && expected.len() < all.len(), "{filter}");
        assert_eq!(lines(&filter).await.iter().collect::<Vec<_>>(), expected, "{filter}");
    }
}

#[tokio::test]
async fn days_are_those_of_the_organization_where_nobody_asks_for_others() {
    let scene = told(54, 200).await;
    sqlx::query("UPDATE tenants SET time_zone = 'Asia/Kathmandu' WHERE id = $1")
        .bind(scene.tenant.id)
        .execute(&mut scene.superuser().await)
        .await
        .unwrap();
    let values = async |zone: &str| {
        let answer = report(&scene.owner, &format!("timeseries?{PERIOD}{zone}")).await;
        (answer["time_zone"].clone(), answer["series"].clone(), answer["starts"].clone())
    };
    let unasked = values("").await;
    assert_eq!(unasked.0, "Asia/Kathmandu");
    assert_eq!(unasked, values("&tz=Asia/Kathmandu").await);
    assert_ne!(unasked.1, values("&tz=UTC").await.1);
}

#[tokio::test]
async fn today_is_that_of_the_zone() {
    let scene = Scene::open().await;
    // A zone where it is an hour past midnight, and one where it is the afternoon. Names count
    // westward.
    let now = SystemClock.now();
    let hour = i64::from(now.hour());
    let zone = |clock: i64| {
        let ahead = (clock - hour + 36).rem_euclid(24) - 12;
        format!("Etc/GMT{:+}", -ahead)
    };
    sqlx::query(
        "INSERT INTO metric_hours (tenant_id, job_id, kind, bucket, n)
         VALUES ($1, $2, 'application.submitted',
                 date_bin('15 minutes', $3 - interval '3 hours', '2000-01-01 00:00+00'), 1)",
    )
    .bind(scene.tenant.id)
    .bind(scene.jobs[0])
    .bind(now)
    .execute(&mut scene.superuser().await)
    .await
    .unwrap();
    for (clock, expected) in [(1, 0), (14, 1)] {
        let zone = zone(clock);
        sqlx::query("UPDATE tenants SET time_zone = $2 WHERE id = $1")
            .bind(scene.tenant.id)
            .bind(&zone)
            .execute(&mut scene.superuser().await)
            .await
            .unwrap();
        let path = format!("overview?tz={}", zone.replace('+', "%2B"));
        let answer = report(&scene.owner, &path).await;
        assert_eq!(answer["today"]["applications"], expected, "{zone}");
        for subject in ["all".to_owned(), format!("job:{}", scene.jobs[0])] {
            let query = format!("?metrics={subject}");
            let mut stream =
                portal_tests::events::EventStream::open(&scene.owner, &query, None).await;
            let shown = crate::live::snapshot(&mut stream, &subject, |_| true).await;
            assert_eq!(shown["counters"]["today"]["applications"], expected, "{zone} {subject}");
        }
    }
}

#[tokio::test]
async fn sources_beyond_the_hundredth_are_counted_together() {
    let scene = Scene::open().await;
    let at = datetime!(2025-10-20 12:00 UTC);
    let submit = Step { action: "submit", from: None, to: Some("applied"), at };
    let of = |source: &'static str| Application {
        id: Uuid::now_v7(),
        job: scene.jobs[0],
        source: Some(source),
        steps: vec![submit],
    };
    let mut all: Vec<Application> = Vec::new();
    for nth in 0..103 {
        let name: &'static str = Box::leak(format!("s{nth:03}").into_boxed_str());
        // The first hundred have two each.
        all.extend((0..if nth < 100 { 2 } else { 1 }).map(|_| of(name)));
    }
    History(all).happens(&scene.tenant, scene.superuser_url()).await;
    let answer = report(&scene.owner, &format!("sources?{PERIOD}")).await;
    let shown = answer["sources"].as_array().unwrap();
    assert_eq!(shown.len(), 100);
    assert!(shown.iter().all(|one| one["reached"]["applied"] == 2), "{answer}");
    assert_eq!(answer["others"]["reached"]["applied"], 3);
}

#[tokio::test]
async fn a_job_that_is_a_draft_again_is_named_to_those_only_who_see_drafts() {
    let scene = told(55, 60).await;
    let hidden = scene.jobs[2];
    sqlx::query("UPDATE jobs SET status = 'draft' WHERE tenant_id = $1 AND id = $2")
        .bind(scene.tenant.id)
        .bind(hidden)
        .execute(&mut scene.superuser().await)
        .await
        .unwrap();
    let viewer = scene.tenant.signs_in(&scene.portal, Role::Viewer).await;
    let path = format!("breakdown?by=job&{PERIOD}");
    let (seen, all) = (report(&viewer, &path).await, report(&scene.owner, &path).await);
    let group = |answer: &Value, job: Option<Uuid>| {
        let job = job.map(|job| job.to_string());
        let groups = answer["groups"].as_array().unwrap().clone();
        groups.into_iter().find(|group| group["value"].as_str() == job.as_deref())
    };
    let named = group(&all, Some(hidden)).unwrap();
    assert_eq!(named["title"], "Registered Nurse");
    assert_eq!(group(&seen, Some(hidden)), None);
    let unnamed = group(&seen, None).unwrap();
    assert_eq!(unnamed["totals"], named["totals"]);
    assert!(unnamed["title"].is_null(), "{unnamed}");
}
