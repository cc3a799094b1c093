//! Ways through the pipeline, and how long they take, counted anew from what happened.

use std::collections::BTreeMap;

use serde_json::Value;
use time::OffsetDateTime;
use time::macros::datetime;
use uuid::Uuid;

use crate::history::{Application, History, Step};
use crate::{Scene, report};

const SPAN: (OffsetDateTime, OffsetDateTime) =
    (datetime!(2025-10-01 00:00 UTC), datetime!(2025-12-01 00:00 UTC));
const FROM: OffsetDateTime = datetime!(2025-10-20 00:00 UTC);
const UNTIL: OffsetDateTime = datetime!(2025-11-11 00:00 UTC);
const PERIOD: &str = "from=2025-10-20&to=2025-11-10&tz=UTC";
const STAGES: [&str; 5] = ["applied", "screen", "interview", "offer", "hired"];

async fn told(seed: u64) -> (Scene, History) {
    let scene = Scene::open().await;
    let history = History::invent(seed, &scene.jobs, 300, SPAN);
    history.happens(&scene.tenant, scene.superuser_url()).await;
    (scene, history)
}

/// A filter, as parameters and as what it means.
type Filter = (String, Box<dyn Fn(&Application) -> bool>);

fn filters(scene: &Scene) -> Vec<Filter> {
    let job: Uuid = scene.jobs[2];
    vec![
        (String::new(), Box::new(|_: &Application| true)),
        (format!("&job={job}"), Box::new(move |one: &Application| one.job == job)),
        ("&source=-".to_owned(), Box::new(|one: &Application| one.source.is_none())),
    ]
}

fn place(stage: Option<&str>) -> usize {
    STAGES.iter().position(|one| Some(*one) == stage).map_or(0, |place| place + 1)
}

/// How many came as far as each stage, or past it.
fn reached<'a>(all: impl Iterator<Item = &'a Application>) -> [usize; 5] {
    let mut reached = [0; 5];
    for one in all {
        let furthest = one.steps.iter().map(|step| place(step.to)).max().unwrap();
        reached[..furthest].iter_mut().for_each(|count| *count += 1);
    }
    reached
}

fn is_of_period(one: &Application) -> bool {
    (FROM..UNTIL).contains(&one.submitted_at())
}

#[tokio::test]
async fn a_cohort_is_followed_past_the_end_of_its_period() {
    let (scene, history) = told(21).await;
    for (filter, is_wanted) in filters(&scene) {
        let answer = report(&scene.owner, &format!("funnel?mode=cohort&{PERIOD}{filter}")).await;
        assert_eq!(answer["rule"], "cohort");
        let cohort: Vec<&Application> =
            history.0.iter().filter(|one| is_of_period(one) && is_wanted(one)).collect();
        let expected = reached(cohort.iter().copied());
        for (nth, step) in STAGES.iter().enumerate() {
            let shown = &answer["steps"][nth];
            assert_eq!(shown["step"], *step);
            assert_eq!(shown["reached"], expected[nth], "{step} {filter}");
            if nth > 0 {
                assert_eq!(shown["lost"], expected[nth - 1] - expected[nth], "{step}");
            }
        }
        for (field, status) in
            [("open", "active"), ("rejected", "rejected"), ("withdrawn", "withdrawn")]
        {
            let there = cohort.iter().filter(|one| one.standing().1 == status).count();
            assert_eq!(answer[field], there, "{field} {filter}");
        }
    }
    let all = report(&scene.owner, &format!("funnel?{PERIOD}")).await;
    assert_eq!(all["rule"], "cohort", "where nobody says which");
    assert_eq!(all["steps"][0]["of_first"], 1.0);
}

#[tokio::test]
async fn activity_is_what_entered_and_left_within_the_period() {
    let (scene, history) = told(22).await;
    for (filter, is_wanted) in filters(&scene) {
        let answer = report(&scene.owner, &format!("funnel?mode=activity&{PERIOD}{filter}")).await;
        assert_eq!(answer["rule"], "activity");
        let steps: Vec<&Step> = history
            .0
            .iter()
            .filter(|one| is_wanted(one))
            .flat_map(|one| &one.steps)
            .filter(|step| (FROM..UNTIL).contains(&step.at))
            .collect();
        let count = |is_it: &dyn Fn(&Step) -> bool| steps.iter().filter(|step| is_it(step)).count();
        for (nth, stage) in STAGES[..4].iter().enumerate() {
            let shown = &answer["stages"][nth];
            let stage = Some(*stage);
            assert_eq!(shown["entered"], count(&|step| step.to == stage), "{stage:?} {filter}");
            assert_eq!(shown["left"], count(&|step| step.from == stage), "{stage:?} {filter}");
            let passed = |step: &Step| step.from == stage && matches!(step.action, "move" | "hire");
            assert_eq!(shown["passed"], count(&passed), "{stage:?} {filter}");
            let gone = |action| count(&|step: &Step| step.from == stage && step.action == action);
            assert_eq!(shown["rejected"], gone("reject"), "{stage:?} {filter}");
            assert_eq!(shown["withdrawn"], gone("withdraw"), "{stage:?} {filter}");
        }
        assert_eq!(answer["hired"], count(&|step| step.action == "hire"));
    }
    let now = report(&scene.owner, "funnel?mode=snapshot").await;
    assert_eq!(now["rule"], "snapshot");
    let open = history.0.iter().filter(|one| one.standing().1 == "active").count();
    assert_eq!(now["now"]["open"], open);
}

#[tokio::test]
async fn sources_tell_who_was_hired_of_those_who_came_from_there() {
    let (scene, history) = told(23).await;
    let answer = report(&scene.owner, &format!("sources?{PERIOD}")).await;
    let mut of: BTreeMap<Option<&str>, Vec<&Application>> = BTreeMap::new();
    for one in history.0.iter().filter(|one| is_of_period(one)) {
        of.entry(one.source).or_default().push(one);
    }
    let shown = answer["sources"].as_array().unwrap();
    assert_eq!(shown.len(), of.len());
    for row in shown {
        let cohort = &of[&row["source"].as_str()];
        let expected = reached(cohort.iter().copied());
        for (nth, stage) in STAGES.iter().enumerate() {
            assert_eq!(row["reached"][stage], expected[nth], "{row}");
        }
        let rate = row["hire_rate"].as_f64().unwrap();
        let counted = f64::from(u16::try_from(expected[4]).unwrap())
            / f64::from(u16::try_from(expected[0]).unwrap());
        assert!((rate - counted).abs() < 0.001, "{rate} {counted}");
    }
    assert!(answer["others"].is_null());
}

#[tokio::test]
async fn groups_add_up_whatever_they_are_made_of() {
    let (scene, history) = told(24).await;
    let applications = |of: &dyn Fn(&Application) -> String| {
        let mut by: BTreeMap<String, usize> = BTreeMap::new();
        for one in history.0.iter().filter(|one| is_of_period(one)) {
            *by.entry(of(one)).or_default() += 1;
        }
        by
    };
    let departments = ["Care", "Kitchen", "=Transport"];
    let department = |one: &Application| {
        let nth = scene.jobs.iter().position(|job| *job == one.job).unwrap();
        departments[nth].to_owned()
    };
    for (by, expected) in [
        ("job", applications(&|one| one.job.to_string())),
        ("source", applications(&|one| one.source.unwrap_or_default().to_owned())),
        ("department", applications(&department)),
        ("workplace", applications(&|_| "onsite".to_owned())),
        ("employment_type", applications(&|_| "full_time".to_owned())),
    ] {
        let answer = report(&scene.owner, &format!("breakdown?by={by}&{PERIOD}")).await;
        assert_eq!((&answer["by"], &answer["rule"]), (&by.into(), &"activity".into()));
        let found: BTreeMap<String, usize> = answer["groups"]
            .as_array()
            .unwrap()
            .iter()
            .map(|group| {
                let value = group["value"].as_str().unwrap_or_default().to_owned();
                let count = group["totals"]["applications"].as_u64().unwrap();
                (value, usize::try_from(count).unwrap())
            })
            .filter(|(_, count)| *count > 0)
            .collect();
        assert_eq!(found, expected, "{by}");
    }
    let all = report(&scene.owner, &format!("breakdown?by=job&{PERIOD}")).await;
    let one = report(&scene.owner, &format!("breakdown?by=job&{PERIOD}&limit=1")).await;
    assert_eq!(one["groups"].as_array().unwrap().len(), 1);
    assert_eq!(one["groups"][0], all["groups"][0]);
    assert_eq!(one["groups"][0]["title"], "Registered Nurse");
    let rest: i64 = all["groups"].as_array().unwrap()[1..]
        .iter()
        .map(|group| group["totals"]["applications"].as_i64().unwrap())
        .sum();
    assert_eq!(one["others"]["totals"]["applications"], rest);
    assert_eq!(one["others"]["groups"], 2);
}

/// The value below which so many lie, between two of them where it has to be.
fn percentile(seconds: &mut [f64], part: f64) -> f64 {
    seconds.sort_by(f64::total_cmp);
    let last = f64::from(u32::try_from(seconds.len() - 1).unwrap());
    let mut left = part * last;
    let mut nth = 0;
    while left >= 1.0 {
        left -= 1.0;
        nth += 1;
    }
    let next = seconds.get(nth + 1).copied().unwrap_or(seconds[nth]);
    seconds[nth] + (next - seconds[nth]) * left
}

fn agree(shown: &Value, mut seconds: Vec<f64>, what: &str) {
    assert_eq!(shown["finished"], seconds.len(), "{what}");
    for (field, part) in [("median_seconds", 0.5), ("p90_seconds", 0.9)] {
        let (shown, counted) = (shown[field].as_f64().unwrap(), percentile(&mut seconds, part));
        assert!((shown - counted).abs() < 1.0, "{what} {field}: {shown} {counted}");
    }
}

#[tokio::test]
async fn times_are_those_of_what_is_over_and_what_is_open_is_counted() {
    let (scene, history) = told(25).await;
    for (filter, is_wanted) in filters(&scene) {
        let wanted: Vec<&Application> = history.0.iter().filter(|one| is_wanted(one)).collect();
        let answer = report(&scene.owner, &format!("time-in-stage?{PERIOD}{filter}")).await;
        for (nth, stage) in STAGES[..4].iter().enumerate() {
            let mut stays = Vec::new();
            let mut open = 0;
            for one in &wanted {
                for pair in one.steps.windows(2) {
                    if pair[1].from == Some(*stage) && (FROM..UNTIL).contains(&pair[1].at) {
                        stays.push((pair[1].at - pair[0].at).as_seconds_f64());
                    }
                }
                let is_there = one.standing() == (*stage, "active");
                open += usize::from(is_there && one.steps.last().unwrap().at < UNTIL);
            }
            let shown = &answer["stages"][nth];
            assert_eq!(shown["stage"], *stage);
            assert_eq!(shown["open"], open, "{stage} {filter}");
            if stays.len() > 2 {
                agree(shown, stays, &format!("{stage} {filter}"));
            }
        }
        let answer = report(&scene.owner, &format!("time-to-hire?{PERIOD}{filter}")).await;
        let hires = wanted.iter().filter_map(|one| {
            let hire = one.steps.iter().find(|step| step.action == "hire")?;
            let is_in = (FROM..UNTIL).contains(&hire.at);
            is_in.then(|| (hire.at - one.submitted_at()).as_seconds_f64())
        });
        let hires: Vec<f64> = hires.collect();
        assert!(!filter.is_empty() || hires.len() > 2, "it is about something");
        assert_eq!(answer["finished"], hires.len(), "{filter}");
        if hires.len() > 2 {
            agree(&answer, hires, &format!("hire {filter}"));
        }
        let is_open =
            |one: &&&Application| one.standing().1 == "active" && one.submitted_at() < UNTIL;
        assert_eq!(answer["open"], wanted.iter().filter(is_open).count(), "{filter}");
    }
}
