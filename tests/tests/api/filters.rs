//! Every filter, every order, and pages without gaps or repetitions.

use std::collections::BTreeSet;

use portal_tests::client::Browser;
use portal_tests::job;
use portal_tests::portal::{Portal, Redis};
use portal_tests::tenant::World;
use serde_json::{Value, json};
use tenancy::Role;

async fn creates(browser: &Browser, changes: Value) -> String {
    let mut body = job::nurse();
    for (name, value) in changes.as_object().unwrap() {
        body[name] = value.clone();
    }
    browser.post("/api/jobs", &body).await.expect(201).header("location")
}

async fn titles(browser: &Browser, query: &str) -> Vec<String> {
    let list = browser.get(&format!("/api/jobs?{query}")).await.expect(200).json();
    let jobs = list["data"].as_array().unwrap();
    jobs.iter().map(|job| job["title"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn each_filter_finds_what_it_names_and_nothing_else() {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let portal = Portal::spawn(&world.databases, Redis::Memory).await;
    let recruiter = tenant.signs_in(&portal, Role::Recruiter).await;
    creates(
        &recruiter,
        json!({
            "title": "Rust Engineer", "department": "Platform", "workplace": "remote",
            "employment_type": "contract", "skills": ["rust", "postgres"],
            "locations": [{ "country": "DE", "region": "Berlin", "city": "Berlin" }],
            "salary": { "min": 8_000_000, "max": 11_000_000, "currency": "EUR", "period": "year" },
        }),
    )
    .await;
    let path = creates(&recruiter, json!({ "title": "Ward Nurse", "department": "Surgery" })).await;
    let _ = recruiter.post(&format!("{path}/publish"), &json!({})).await.expect(200);
    creates(&recruiter, json!({ "title": "100% Remote_Helper", "workplace": "remote" })).await;

    for (query, expected) in [
        ("status=published", vec!["Ward Nurse"]),
        (
            "status=published&status=draft",
            vec!["100% Remote_Helper", "Rust Engineer", "Ward Nurse"],
        ),
        ("status=published,draft", vec!["100% Remote_Helper", "Rust Engineer", "Ward Nurse"]),
        ("location=berlin", vec!["Rust Engineer"]),
        ("location=DE", vec!["Rust Engineer"]),
        ("remote=true", vec!["100% Remote_Helper", "Rust Engineer"]),
        ("remote=false", vec!["Ward Nurse"]),
        ("workplace=remote,onsite", vec!["100% Remote_Helper", "Rust Engineer", "Ward Nurse"]),
        ("employment_type=contract", vec!["Rust Engineer"]),
        ("department=Platform", vec!["Rust Engineer"]),
        ("skill=rust", vec!["Rust Engineer"]),
        ("salary_min=10000000", vec!["Rust Engineer"]),
        // Drafts have not been posted.
        ("posted_after=2020-01-01", vec!["Ward Nurse"]),
        ("posted_after=2999-01-01T00:00:00Z", vec![]),
        ("q=nurse", vec!["Ward Nurse"]),
        ("q=engineer&location=berlin&skill=rust", vec!["Rust Engineer"]),
        ("q=engineer&status=published", vec![]),
        // Wildcards of SQL mean themselves.
        ("q=%25", vec![]),
        ("q=_", vec![]),
        ("department=%25", vec![]),
        ("location=_erlin", vec![]),
    ] {
        let mut found = titles(&recruiter, query).await;
        found.sort_unstable();
        assert_eq!(found, expected, "{query}");
    }
    // A typing error still finds it.
    assert_eq!(titles(&recruiter, "q=enginer").await, ["Rust Engineer"]);
    let counted = recruiter.get("/api/jobs?count=true&limit=1").await.expect(200).json();
    assert_eq!((&counted["total"], counted["data"].as_array().unwrap().len()), (&json!(3), 1));
    let fields = recruiter.get("/api/jobs?fields=id,title").await.expect(200).json();
    let keys: BTreeSet<&String> = fields["data"][0].as_object().unwrap().keys().collect();
    assert_eq!(keys.into_iter().collect::<Vec<_>>(), ["id", "title"]);
    let facets = recruiter.get("/api/jobs/facets").await.expect(200).json();
    assert!(facets.to_string().contains("Surgery"), "{facets}");
}

#[tokio::test]
async fn pages_by_cursor_cover_everything_once_in_every_order() {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let portal = Portal::spawn(&world.databases, Redis::Memory).await;
    let recruiter = tenant.signs_in(&portal, Role::Recruiter).await;
    for number in 0..23 {
        creates(&recruiter, json!({ "title": format!("Job {:02}", number % 7) })).await;
    }
    for sort in ["newest", "oldest", "updated", "title", "salary"] {
        let mut seen = Vec::new();
        let mut next = format!("/api/jobs?sort={sort}&limit=5");
        for page in 0.. {
            assert!(page < 10, "{sort} does not end");
            let answer = recruiter.get(&next).await.expect(200);
            let body = answer.json();
            let jobs = body["data"].as_array().unwrap();
            seen.extend(jobs.iter().map(|job| job["id"].as_str().unwrap().to_owned()));
            if body["page"]["has_more"] == json!(false) {
                assert!(body["page"]["next_cursor"].is_null());
                assert!(answer.header("link").is_empty());
                break;
            }
            let cursor = body["page"]["next_cursor"].as_str().unwrap();
            assert!(answer.header("link").contains("rel=\"next\""), "{}", answer.header("link"));
            next = format!("/api/jobs?sort={sort}&limit=5&cursor={cursor}");
        }
        let distinct: BTreeSet<&String> = seen.iter().collect();
        assert_eq!((seen.len(), distinct.len()), (23, 23), "{sort}");
    }
    let skipped = titles(&recruiter, "sort=title&skip=20&limit=10").await;
    assert_eq!(skipped.len(), 3);
}

#[tokio::test]
async fn a_cursor_holds_for_its_own_tenant_filters_and_order_only() {
    let world = World::shared().await;
    let (ours, theirs) = (world.tenant().await, world.tenant().await);
    let portal = Portal::spawn(&world.databases, Redis::Memory).await;
    let recruiter = ours.signs_in(&portal, Role::Recruiter).await;
    for _ in 0..3 {
        creates(&recruiter, json!({})).await;
    }
    let page = recruiter.get("/api/jobs?limit=1").await.expect(200).json();
    let cursor = page["page"]["next_cursor"].as_str().unwrap().to_owned();
    let _ = recruiter.get(&format!("/api/jobs?limit=1&cursor={cursor}")).await.expect(200);
    let mut altered = cursor.clone().into_bytes();
    let middle = altered.len() / 2;
    altered[middle] = if altered[middle] == b'A' { b'B' } else { b'A' };
    let altered = String::from_utf8(altered).unwrap();
    for query in [
        format!("limit=1&cursor={altered}"),
        format!("limit=1&sort=title&cursor={cursor}"),
        format!("limit=1&status=draft&cursor={cursor}"),
        "cursor=x".to_owned(),
        format!("cursor={}", "A".repeat(5_000)),
    ] {
        let answer = recruiter.get(&format!("/api/jobs?{query}")).await;
        answer.expect_problem(400, "cursor_invalid");
    }
    let stranger = theirs.signs_in(&portal, Role::Recruiter).await;
    let answer = stranger.get(&format!("/api/jobs?limit=1&cursor={cursor}")).await;
    answer.expect_problem(400, "cursor_invalid");
}
