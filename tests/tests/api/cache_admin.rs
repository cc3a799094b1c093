//! `/api/cache`: an admin's view of the cache, and their hands on it.

use std::time::{Duration, Instant};

use portal_tests::client::Browser;
use portal_tests::job;
use portal_tests::portal::{Portal, Redis};
use portal_tests::tenant::{Tenant, World};
use reqwest::Method;
use serde_json::{Value, json};
use tenancy::Role;

const LISTS: [&str; 3] = ["/api/jobs", "/api/jobs/stats/overview", "/api/jobs/facets"];

struct Scene {
    world: World,
    portal: Portal,
    tenant: Tenant,
    admin: Browser,
}

async fn scene(redis: Redis, settings: &[(&str, &str)]) -> Scene {
    let world = World::shared().await;
    let portal = Portal::spawn_with(&world.databases, redis, settings).await;
    let tenant = world.tenant().await;
    let admin = tenant.signs_in(&portal, Role::Admin).await;
    Scene { world, portal, tenant, admin }
}

async fn invalidates(browser: &Browser, body: &Value) -> portal_tests::client::Answer {
    browser.send(browser.request(Method::DELETE, "/api/cache/invalidate").json(body)).await
}

async fn outcome(browser: &Browser, path: &str) -> String {
    browser.get(path).await.expect(200).header("x-cache")
}

#[tokio::test]
async fn cache_admin_drops_what_was_named_and_nothing_else() {
    let Scene { world, portal, tenant, admin } = scene(Redis::Shared, &[]).await;
    let other = world.tenant().await.signs_in(&portal, Role::Admin).await;
    let first = admin.post("/api/jobs", &job::nurse()).await.expect(201).header("location");
    let second = admin.post("/api/jobs", &job::nurse()).await.expect(201).header("location");
    let id = first.rsplit('/').next().unwrap();
    let [list, stats, facets] = LISTS;
    let org = tenant.org.as_str();
    for (what, dropped, groups) in [
        (json!({"all": true}), vec![list, stats, facets, &first, &second], vec!["everything"]),
        (json!({"feature": "jobs"}), vec![list, stats, &first, &second], vec!["jobs"]),
        (json!({"feature": "jobs", "prefix": "list:all:0"}), vec![list], vec!["jobs:list"]),
        (json!({"tag": "stats"}), vec![stats], vec!["jobs:stats"]),
        (json!({"tag": format!("job-{id}")}), vec![&first], vec![&format!("jobs:job-{id}")]),
        (
            json!({"keys": [format!("tenant:{{{org}:jobs}}:list:all"), "search:job-facets:all"]}),
            vec![list, facets],
            vec!["jobs:list", "search:job-facets"],
        ),
        (
            json!({"keys": [format!("jobs:item:all:{id}")], "mode": "hard"}),
            vec![&first],
            vec![&format!("jobs:job-{id}")],
        ),
    ] {
        let paths = [list, stats, facets, &first, &second];
        for path in paths {
            let _ = admin.get(path).await.expect(200);
            assert_eq!(outcome(&admin, path).await, "hit", "{path}");
        }
        let _ = other.get(list).await.expect(200);
        let estimate = {
            let mut what = what.clone();
            what["dry_run"] = true.into();
            invalidates(&admin, &what).await.expect(200).json()
        };
        assert_eq!(estimate["dry_run"], true);
        assert_eq!(estimate["estimate"]["entries"], dropped.len(), "{what}: {estimate}");
        let answer = invalidates(&admin, &what).await.expect(200).json();
        let names: Vec<&str> = answer["groups"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|g| g["group"].as_str())
            .collect();
        assert_eq!(names, groups, "{what}");
        for group in answer["groups"].as_array().unwrap() {
            assert_eq!(group["generation"].as_str().unwrap().len(), 32, "{answer}");
        }
        assert!(answer["audit_id"].is_string(), "{answer}");
        for path in paths {
            let expected = if dropped.contains(&path) { "miss" } else { "hit" };
            assert_eq!(outcome(&admin, path).await, expected, "{path} after {what}");
        }
        assert_eq!(outcome(&other, list).await, "hit", "another tenant after {what}");
    }
}

#[tokio::test]
async fn cache_admin_takes_query_parameters_and_reaches_every_instance() {
    let Scene { world, tenant, admin, portal: _portal } = scene(Redis::Shared, &[]).await;
    let two = Portal::spawn(&world.databases, Redis::Shared).await;
    let at_two = admin.at(two.base_url());
    let _ = admin.get("/api/jobs").await.expect(200);
    assert_eq!(outcome(&at_two, "/api/jobs").await, "hit");
    let path = "/api/cache/invalidate?feature=jobs&prefix=list";
    let answer = at_two.send(at_two.request(Method::DELETE, path)).await.expect(200).json();
    assert_eq!(answer["groups"][0]["group"], "jobs:list");
    assert_eq!(outcome(&admin, "/api/jobs").await, "miss");
    assert_eq!(tenant.audited("cache_invalidate").await, 1);
}

#[tokio::test]
async fn cache_admin_purges_softly() {
    let Scene { portal: _portal, admin, .. } = scene(Redis::Memory, &[]).await;
    for (query, body) in
        [("?all=true&mode=soft", json!({})), ("", json!({"tag": "list", "mode": "soft"}))]
    {
        let _ = admin.get("/api/jobs").await.expect(200);
        let path = format!("/api/cache/invalidate{query}");
        let answer = admin.send(admin.request(Method::DELETE, &path).json(&body)).await;
        let answer = answer.expect(200).json();
        assert_eq!(answer["mode"], "soft", "{answer}");
        assert_eq!(outcome(&admin, "/api/jobs").await, "stale", "{query}");
        // Loaded anew beside the request; nobody can tell when.
        let deadline = Instant::now() + Duration::from_secs(10);
        while outcome(&admin, "/api/jobs").await != "hit" {
            assert!(Instant::now() < deadline, "still stale");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

#[tokio::test]
async fn cache_admin_takes_hostile_input_literally_or_not_at_all() {
    let Scene { world, portal, tenant, admin } = scene(Redis::Memory, &[]).await;
    let theirs = world.tenant().await;
    let other = theirs.signs_in(&portal, Role::Admin).await;
    for browser in [&admin, &other] {
        for path in LISTS {
            let _ = browser.get(path).await.expect(200);
        }
    }
    let stars = "*".repeat(64 * 1024);
    let foreign = format!("tenant:{{{}:jobs}}:list:all", theirs.org);
    let texts = [
        "*",
        "**",
        "?",
        "[a-z]*",
        "\\*",
        "tenant:*",
        "tenant:{*}:list",
        "{",
        "}",
        "{}",
        ":",
        "::",
        "!",
        "!g",
        "platform:!g",
        "jobs:*",
        "jobs:list*",
        "jobs:list:*",
        "jobs:!g",
        "jobs:!t:list",
        "jobs:\u{0}",
        "\r\nFLUSHALL\r\n",
        "jobs:list\nflushall",
        "sid:*",
        "session:*",
        "jobs\u{202e}",
        " jobs",
        "JOBS",
        "None",
        "null",
        "",
        "../jobs",
        "%2a",
        "jobs%3Alist",
        &stars,
        &foreign,
    ];
    for text in texts {
        let wanted = [
            json!({ "keys": [text] }),
            json!({ "feature": text }),
            json!({ "feature": text, "prefix": text }),
            json!({ "feature": "jobs", "prefix": text }),
            json!({ "tag": text }),
            json!({ "org": text, "all": true }),
            json!({ "all": text }),
        ];
        for body in wanted {
            invalidates(&admin, &body).await.expect_problem(400, "invalid_parameter");
        }
        let query =
            url::form_urlencoded::Serializer::new(String::new()).append_pair("keys", text).finish();
        let path = format!("/api/cache/invalidate?{query}");
        if path.len() < 32 * 1024 {
            let answer = admin.send(admin.request(Method::DELETE, &path)).await;
            answer.expect_problem(400, "invalid_parameter");
        }
    }
    for body in [json!({}), json!({"all": false}), json!({"all": true, "feature": "jobs"})] {
        invalidates(&admin, &body).await.expect_problem(400, "invalid_parameter");
    }
    for browser in [&admin, &other] {
        for path in LISTS {
            assert_eq!(outcome(browser, path).await, "hit", "{path}");
        }
    }
    let trail = tenant.audit_trail("cache_invalidate").await;
    assert!(trail.len() > 200, "{}", trail.len());
    assert!(trail.iter().all(|(_, _, _, detail)| detail["result"] == "refused"), "{trail:?}");
}

#[tokio::test]
async fn cache_admin_calls_are_audited_when_refused_as_well() {
    let few = [
        ("PORTAL__RATE_LIMITS__ENABLED", "true"),
        ("PORTAL__RATE_LIMITS__CACHE_WRITES_PER_MINUTE", "2"),
    ];
    let Scene { portal, tenant, admin, .. } = scene(Redis::Memory, &few).await;
    let recruiter = tenant.signs_in(&portal, Role::Recruiter).await;
    let everything = json!({ "all": true });
    invalidates(&recruiter, &everything).await.expect_problem(403, "forbidden");
    let id = invalidates(&admin, &everything).await.expect(200).json()["audit_id"].clone();
    assert!(id.is_string());
    invalidates(&admin, &json!({ "tag": "*" })).await.expect_problem(400, "invalid_parameter");
    for _ in 0..3 {
        let refused = invalidates(&admin, &everything).await;
        refused.expect_problem(429, "too_many_requests");
        assert!((1..=30).contains(&refused.header("retry-after").parse::<u64>().unwrap()));
    }
    let trail = tenant.audit_trail("cache_invalidate").await;
    let told: Vec<(&str, &str)> = trail
        .iter()
        .map(|(_, _, _, detail)| {
            (detail["result"].as_str().unwrap(), detail["code"].as_str().unwrap_or_default())
        })
        .collect();
    let expected = [
        ("refused", "forbidden"),
        ("done", ""),
        ("refused", "invalid_parameter"),
        // Once for all that follow.
        ("refused", "too_many_requests"),
    ];
    assert_eq!(told, expected);
    assert_ne!(trail[0].0, trail[1].0, "each in their own name");
    assert_eq!(trail[1].1, "cache:everything");
    assert!(trail.iter().all(|(actor, _, ip, _)| {
        actor.starts_with("user:") && ip.as_deref() == Some("127.0.0.1")
    }));
    // Looking is counted by itself.
    let _ = admin.get("/api/cache/status").await.expect(200);
    let _ = admin.get("/api/cache/keys").await.expect(200);
    let _ = admin.post("/api/cache/warm", &json!({})).await.expect(429);
    for (action, count) in [("cache_status", 1), ("cache_keys", 1), ("cache_warm", 0)] {
        assert_eq!(tenant.audited(action).await, count, "{action}");
    }
    let mut forged = portal.browser();
    for (name, value) in admin.cookies() {
        forged.set_cookie(name, value);
    }
    invalidates(&forged, &everything).await.expect_problem(403, "csrf_failed");
}

#[tokio::test]
async fn cache_admin_status_has_the_own_tenants_figures() {
    let Scene { world, portal, admin, .. } = scene(Redis::Shared, &[]).await;
    let other = world.tenant().await.signs_in(&portal, Role::Admin).await;
    for _ in 0..4 {
        let _ = admin.get("/api/jobs").await.expect(200);
        let _ = other.get("/api/jobs/facets").await.expect(200);
    }
    let status = admin.get("/api/cache/status").await.expect(200);
    assert_eq!(status.header("cache-control"), "no-store");
    let status = status.json();
    assert_eq!(status["health"]["backend"], Redis::Shared.backend(), "{status}");
    assert_eq!(status["health"]["breaker"]["reads"], "closed");
    assert_eq!((&status["total"]["hits"], &status["total"]["misses"]), (&json!(3), &json!(1)));
    assert_eq!(status["total"]["hit_rate_percent"], 75.0);
    let features = status["features"].as_array().unwrap();
    assert_eq!(features.len(), 1, "{features:?}");
    assert_eq!(features[0]["operations"][0]["operation"], "jobs:list");
    assert!(features[0]["total"]["stored_bytes"].as_u64().unwrap() > 0);
    let server = &status["server"];
    for field in ["used_memory_bytes", "evicted_keys", "keys", "keys_without_ttl"] {
        assert!(server[field].is_number(), "{field} is missing in {server}");
    }
    assert!(status["audit_id"].is_string(), "{status}");
    let calls = status["calls"].as_array().unwrap();
    assert!(Redis::Shared.backend() == "memory" || !calls.is_empty(), "{status}");
}

#[tokio::test]
async fn cache_admin_lists_the_own_keys() {
    let Scene { world, portal, tenant, admin } = scene(Redis::Shared, &[]).await;
    let theirs = world.tenant().await;
    let other = theirs.signs_in(&portal, Role::Admin).await;
    for path in LISTS {
        let _ = admin.get(path).await.expect(200);
        let _ = other.get(path).await.expect(200);
    }
    let mut keys = Vec::new();
    let mut path = "/api/cache/keys".to_owned();
    loop {
        let page = admin.get(&path).await.expect(200).json();
        keys.extend(page["data"].as_array().unwrap().clone());
        match page["page"]["next_cursor"].as_str() {
            Some(cursor) => path = format!("/api/cache/keys?cursor={cursor}"),
            None => break,
        }
    }
    let own = format!("tenant:{{{}:", tenant.org);
    assert!(keys.iter().all(|key| key["key"].as_str().unwrap().starts_with(&own)), "{keys:?}");
    let values: Vec<&Value> = keys.iter().filter(|key| key["kind"] == "value").collect();
    assert_eq!(values.len(), 3, "{keys:?}");
    for value in values {
        assert!(value["bytes"].as_u64().unwrap() > 0, "{value}");
        assert!((1..=900).contains(&value["ttl_seconds"].as_u64().unwrap()), "{value}");
    }
    for query in ["feature=*", "feature=tenant:", "prefix=*", "cursor=", "cursor=AAAA"] {
        assert_eq!(admin.get(&format!("/api/cache/keys?{query}")).await.status, 400, "{query}");
    }
    // A cursor is good for the tenant and the question that it was given for only.
    let page = admin.get("/api/cache/keys?feature=jobs").await.expect(200).json();
    if let Some(cursor) = page["page"]["next_cursor"].as_str() {
        other
            .get(&format!("/api/cache/keys?feature=jobs&cursor={cursor}"))
            .await
            .expect_problem(400, "cursor_invalid");
    }
}

#[tokio::test]
async fn cache_admin_warms_what_people_see_first() {
    let Scene { portal, tenant, admin, .. } = scene(Redis::Memory, &[]).await;
    let _ = admin.post("/api/jobs", &job::nurse()).await.expect(201);
    let warmed = admin.post("/api/cache/warm", &json!({ "feature": "search" })).await.expect(200);
    assert_eq!(warmed.json()["warmed"].as_array().unwrap().len(), 2);
    let warmed = admin.post("/api/cache/warm", &json!({})).await.expect(200).json();
    let outcomes: Vec<(&str, &str)> = warmed["warmed"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["operation"].as_str().unwrap(), one["outcome"].as_str().unwrap()))
        .collect();
    let expected = [
        ("jobs:list", "miss"),
        ("jobs:list", "miss"),
        ("jobs:stats", "miss"),
        ("jobs:stats", "miss"),
        ("search:job-facets", "hit"),
        ("search:job-facets", "hit"),
    ];
    assert_eq!(outcomes, expected);
    let viewer = tenant.signs_in(&portal, Role::Viewer).await;
    for browser in [&admin, &viewer] {
        for path in LISTS {
            assert_eq!(outcome(browser, path).await, "hit", "{path}");
        }
    }
    let refused = admin.post("/api/cache/warm", &json!({ "feature": "*" })).await;
    refused.expect_problem(422, "validation_failed");
    assert_eq!(tenant.audited("cache_warm").await, 3);
}
