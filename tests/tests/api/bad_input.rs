//! Whatever comes in, the answer is a clear problem and never a 5xx.

use portal_tests::job;
use portal_tests::portal::{Portal, Redis};
use portal_tests::tenant::World;
use reqwest::Method;
use serde_json::{Value, json};
use tenancy::Role;

#[tokio::test]
async fn bad_queries_are_refused_by_name() {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let portal = Portal::spawn(&world.databases, Redis::Memory).await;
    let recruiter = tenant.signs_in(&portal, Role::Recruiter).await;
    let long = "x".repeat(201);
    let many = (0..21).map(|number| format!("skill-{number}")).collect::<Vec<_>>().join(",");
    for query in [
        "unknown=1",
        "status=open",
        "limit=0",
        "limit=101",
        "limit=-1",
        "limit=ten",
        "skip=10001",
        "skip=-1",
        "sort=random",
        "remote=maybe",
        "employment_type=slavery",
        "workplace=moon",
        "salary_min=-1",
        "salary_min=99999999999999999999",
        "posted_after=yesterday",
        "posted_after=2026-13-01",
        "count=perhaps",
        "fields=password",
        "q=%00",
        "q=%ff%fe",
        "department=%0a",
        &format!("q={long}"),
        &format!("skill={many}"),
        "sort=relevance",
        "limit=5&limit=6",
    ] {
        let answer = recruiter.get(&format!("/api/jobs?{query}")).await;
        assert_eq!(answer.status, 400, "{query}: {}", answer.text);
        answer.expect_problem(400, "invalid_parameter");
    }
    let deep = recruiter.get("/api/jobs?skip=10001").await.json();
    assert!(deep.to_string().contains("cursor"), "{deep}");
}

#[tokio::test]
async fn hostile_texts_are_searched_for_literally() {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let portal = Portal::spawn(&world.databases, Redis::Memory).await;
    let recruiter = tenant.signs_in(&portal, Role::Recruiter).await;
    let _ = recruiter.post("/api/jobs", &job::nurse()).await.expect(201);
    for text in [
        "'; DROP TABLE jobs; --",
        "%",
        "_",
        "\\",
        "nurse & ! | ( ) <-> :*",
        "\"unclosed",
        "tenant:{org_a:jobs}:!g",
        "*",
        "\u{202e}esrun",
        "日本語",
        "None",
        "null",
        "' OR 1=1",
        "${jndi:ldap://x}",
        "../../etc/passwd",
        "<script>",
        "-nurse",
        "or",
    ] {
        for name in ["q", "location", "department", "skill"] {
            let query = url::form_urlencoded::Serializer::new(String::new())
                .append_pair(name, text)
                .finish();
            let _ = recruiter.get(&format!("/api/jobs?{query}")).await.expect(200);
            let _ = recruiter.get(&format!("/api/jobs/facets?{query}")).await.expect(200);
        }
    }
}

#[tokio::test]
async fn bad_bodies_are_refused_with_every_fault_at_its_place() {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let portal = Portal::spawn(&world.databases, Redis::Memory).await;
    let recruiter = tenant.signs_in(&portal, Role::Recruiter).await;
    let sends = async |content_type: &str, body: String| {
        let request = recruiter.request(Method::POST, "/api/jobs");
        recruiter.send(request.header("Content-Type", content_type).body(body)).await
    };
    for body in
        ["", "{", "[]", "null", "{\"title\":}", "\"text\"", "{\"title\":\"a\"}}", "\u{feff}{}"]
    {
        let answer = sends("application/json", body.to_owned()).await;
        assert!(matches!(answer.status.as_u16(), 400 | 422), "{body}: {}", answer.text);
    }
    sends("application/json", "{".to_owned()).await.expect_problem(400, "malformed_json");
    let deep = format!("{}1{}", "[".repeat(5_000), "]".repeat(5_000));
    sends("application/json", deep).await.expect_problem(400, "malformed_json");
    let form = sends("application/x-www-form-urlencoded", "title=a".to_owned()).await;
    form.expect_problem(415, "unsupported_media_type");
    let huge = json!({ "title": "x".repeat(400_000) }).to_string();
    sends("application/json", huge).await.expect_problem(413, "payload_too_large");

    let faulty = json!({
        "title": "", "employment_type": "sometimes", "workplace": "onsite", "openings": 0,
        "locations": [{ "country": "XX" }], "skills": [""],
        "salary": { "min": 5, "max": 1, "currency": "ZZZ", "period": "year" },
        "valid_through": "2001-01-01T00:00:00Z",
    });
    let problem =
        recruiter.post("/api/jobs", &faulty).await.expect_problem(422, "validation_failed");
    let pointers: Vec<&str> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|e| e["pointer"].as_str())
        .collect();
    for pointer in [
        "#/title",
        "#/openings",
        "#/locations/0/country",
        "#/skills/0",
        "#/salary/currency",
        "#/valid_through",
    ] {
        assert!(pointers.contains(&pointer), "{pointer} is missing in {pointers:?}");
    }
}

#[tokio::test]
async fn bad_fields_one_by_one() {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let portal = Portal::spawn(&world.databases, Redis::Memory).await;
    let recruiter = tenant.signs_in(&portal, Role::Recruiter).await;
    let created = recruiter.post("/api/jobs", &job::nurse()).await.expect(201);
    let (path, etag) = (created.header("location"), created.header("etag"));
    for (name, value) in [
        ("title", json!("x".repeat(201))),
        ("title", json!("a\u{0}b")),
        ("title", json!(5)),
        ("title", Value::Null),
        ("description", json!("x".repeat(20_001))),
        ("employment_type", json!("FULL_TIME")),
        ("workplace", Value::Null),
        ("openings", json!(1.5)),
        ("openings", json!(-1)),
        ("openings", json!(u64::MAX)),
        ("skills", json!("rust")),
        ("skills", json!(vec!["s"; 31])),
        ("locations", json!([{ "city": "Berlin" }])),
        ("salary", json!({ "min": "1" })),
        ("salary", json!({ "max": 1 })),
        ("salary", json!({ "min": -1, "max": 1, "currency": "USD", "period": "year" })),
        ("valid_through", json!("tomorrow")),
        ("status", json!("published")),
        ("tenant_id", json!("00000000-0000-0000-0000-000000000000")),
        ("unknown", json!(1)),
    ] {
        let changes = json!({ name: value });
        let answer = recruiter.patch(&path, &etag, &changes).await;
        assert!(
            matches!(answer.status.as_u16(), 400 | 422),
            "{changes}: {} {}",
            answer.status,
            answer.text
        );
        assert!(answer.json()["errors"].to_string().contains(name), "{}", answer.text);
    }
    let _ = recruiter.patch(&path, &etag, &json!({ "openings": 3 })).await.expect(200);
}

#[tokio::test]
async fn bad_paths_and_methods_are_problems_too() {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let portal = Portal::spawn(&world.databases, Redis::Memory).await;
    let recruiter = tenant.signs_in(&portal, Role::Recruiter).await;
    for path in
        ["/api/jobs/x", "/api/jobs/%00", "/api/jobs/1%27", "/api/nothing", "/nothing", "/api/jobs/"]
    {
        recruiter.get(path).await.expect_problem(404, "not_found");
    }
    let answer = recruiter.send(recruiter.request(Method::DELETE, "/api/jobs")).await;
    answer.expect_problem(405, "method_not_allowed");
    let allow = answer.header("allow");
    assert!(allow.contains("GET") && allow.contains("POST"), "{allow}");
}
