//! The routes of notifications, through two instances.

use std::time::Duration;

use portal_tests::client::{Answer, Browser};
use portal_tests::portal::{Portal, Redis};
use portal_tests::tenant::World;
use portal_tests::waiting::eventually;
use reqwest::Method;
use serde_json::{Value, json};
use tenancy::Role;

const SOON: Duration = Duration::from_secs(20);

async fn puts(browser: &Browser, path: &str, body: &Value) -> Answer {
    browser.send(browser.request(Method::PUT, path).json(body)).await
}

async fn invalidates(browser: &Browser) {
    let body = json!({ "feature": "jobs" });
    let request = browser.request(Method::DELETE, "/api/cache/invalidate").json(&body);
    let _ = browser.send(request).await.expect(200);
}

async fn unread(browser: &Browser) -> i64 {
    let count = browser.get("/api/notifications/unread-count").await.expect(200);
    assert_eq!(count.header("cache-control"), "no-store");
    count.json()["unread"].as_i64().unwrap()
}

async fn list(browser: &Browser, query: &str) -> Value {
    browser.get(&format!("/api/notifications/list?{query}")).await.expect(200).json()
}

fn seqs(list: &Value) -> Vec<i64> {
    list["data"].as_array().unwrap().iter().map(|one| one["seq"].as_i64().unwrap()).collect()
}

async fn hears(browser: &Browser, head: i64) {
    eventually("it is told", SOON, async || {
        (list(browser, "").await["head"]["seq"] == head).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_colleague_hears_of_a_purge_and_all_devices_agree_on_the_count() {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let (here, there) = (
        Portal::spawn(&world.databases, Redis::Memory).await,
        Portal::spawn(&world.databases, Redis::Memory).await,
    );
    let admin = tenant.signs_in(&here, Role::Admin).await;
    let (desk, phone) =
        (tenant.signs_in(&here, Role::Owner).await, tenant.signs_in(&there, Role::Owner).await);
    let before = list(&desk, "").await["head"].clone();
    assert_eq!((&before["seq"], &before["unread"]), (&json!(0), &json!(0)));
    for head in 1..=4 {
        invalidates(&admin).await;
        hears(&desk, head).await;
    }
    assert_eq!(list(&admin, "").await["data"], json!([]), "not of their own deeds");
    let whole = list(&phone, "").await;
    assert_eq!(whole["head"]["epoch"], before["epoch"]);
    let first = &whole["data"][3];
    assert_eq!((&first["seq"], &first["kind"]), (&json!(1), &json!("cache_invalidated")));
    assert_eq!(first["data"], json!({ "mode": "hard", "groups": 1 }));
    assert_eq!(first["actor"], json!(tenant.user(Role::Admin).await));

    let read = puts(&desk, "/api/notifications/2/read", &json!({})).await.expect(200).json();
    assert_eq!((&read["unread"], &read["seq"]), (&json!(3), &json!(4)));
    assert_eq!((unread(&desk).await, unread(&phone).await), (3, 3));
    let _ = phone.post("/api/notifications/4/archive", &json!({})).await.expect(200);
    assert_eq!((unread(&desk).await, unread(&phone).await), (2, 2));
    assert_eq!(seqs(&list(&desk, "").await), [3, 2, 1]);
    assert_eq!(seqs(&list(&desk, "unread=true").await), [3, 1]);
    assert_eq!(seqs(&list(&desk, "archived=true").await), [4]);
    assert_eq!(
        seqs(&list(&desk, "after=2").await),
        [3, 4],
        "what was missed, whatever became of it"
    );
    let page = list(&desk, "limit=2").await;
    assert_eq!((seqs(&page), &page["page"]["next_cursor"]), (vec![3, 2], &json!("2")));
    assert_eq!(seqs(&list(&desk, "limit=2&cursor=2").await), [1]);

    let _ = puts(&phone, "/api/notifications/read-up-to", &json!({ "seq": 1 })).await.expect(200);
    assert_eq!((unread(&desk).await, unread(&phone).await), (1, 1));
    let _ = puts(&desk, "/api/notifications/mark-all-read", &json!({})).await.expect(200);
    assert_eq!((unread(&desk).await, unread(&phone).await), (0, 0));
    for (path, status, code) in [
        ("/api/notifications/5/read", 404, "not_found"),
        ("/api/notifications/02/read", 404, "not_found"),
        ("/api/notifications/x/read", 404, "not_found"),
    ] {
        puts(&desk, path, &json!({})).await.expect_problem(status, code);
    }
    let refused = puts(&desk, "/api/notifications/read-up-to", &json!({ "seq": -1 })).await;
    refused.expect_problem(422, "validation_failed");
}

#[tokio::test]
async fn nobody_is_told_of_what_they_do_not_want() {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let portal = Portal::spawn(&world.databases, Redis::Memory).await;
    let admin = tenant.signs_in(&portal, Role::Admin).await;
    let owner = tenant.signs_in(&portal, Role::Owner).await;
    let path = "/api/notifications/preferences";
    let usual = owner.get(path).await.expect(200).json();
    assert_eq!(usual["kinds"]["application_submitted"], json!({ "in_app": true, "mail": true }));
    assert_eq!(usual["quiet_hours"], Value::Null);
    let wanted = json!({
        "kinds": { "cache_invalidated": { "in_app": false } },
        "digest": "daily", "digest_at": "07:15",
        "quiet_hours": { "from": "20:00", "until": "07:00" }, "time_zone": "Europe/Berlin",
    });
    let kept = puts(&owner, path, &wanted).await.expect(200).json();
    assert_eq!(owner.get(path).await.json(), kept);
    assert_eq!(kept["kinds"]["cache_invalidated"], json!({ "in_app": false, "mail": false }));
    assert_eq!(kept["time_zone"], "Europe/Berlin");
    let nowhere = puts(&owner, path, &json!({ "time_zone": "Europe/Atlantis" })).await;
    let faults = nowhere.expect_problem(422, "validation_failed");
    assert_eq!(faults["errors"][0]["pointer"], "#/time_zone");
    assert_eq!(owner.get(path).await.json(), kept, "what is refused changes nothing");

    invalidates(&admin).await;
    // What comes after it is told, so it itself was not.
    tenant.tells_everybody().await;
    hears(&owner, 1).await;
    assert_eq!(list(&owner, "").await["data"][0]["kind"], "role_changed");
    let _ = puts(&owner, path, &json!({})).await.expect(200);
    assert_eq!(owner.get(path).await.json(), usual);
    invalidates(&admin).await;
    hears(&owner, 2).await;
}

#[tokio::test]
async fn who_may_see_less_is_told_less() {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let portal = Portal::spawn(&world.databases, Redis::Memory).await;
    let owner = tenant.signs_in(&portal, Role::Owner).await;
    let admin = tenant.signs_in(&portal, Role::Admin).await;
    invalidates(&owner).await;
    hears(&admin, 1).await;
    assert_eq!(unread(&admin).await, 1);
    let member = tenant.user(Role::Admin).await;
    let body = json!({ "role": "viewer" });
    let path = format!("/api/team/{member}/role");
    let _ = owner.send(owner.request(Method::PATCH, &path).json(&body)).await.expect(200);
    // Their own new role is what is left.
    hears(&admin, 2).await;
    assert_eq!(seqs(&list(&admin, "").await), [2]);
    assert_eq!(unread(&admin).await, 1);
    puts(&admin, "/api/notifications/1/read", &json!({})).await.expect_problem(404, "not_found");
}
