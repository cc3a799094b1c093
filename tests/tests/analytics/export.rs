//! Figures as a file.

use std::collections::BTreeMap;

use portal_tests::waiting::eventually;
use tenancy::Role;
use time::macros::datetime;

use crate::Scene;
use crate::history::{History, SOON};

const PERIOD: &str = "from=2025-10-20&to=2025-11-05&tz=Europe/Berlin";

/// The cells of a line, as RFC 4180 has them.
fn cells(line: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut is_quoted = false;
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if is_quoted && letters.peek() == Some(&'"') => {
                let _ = letters.next();
                cells.last_mut().unwrap().push('"');
            }
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => cells.push(String::new()),
            letter => cells.last_mut().unwrap().push(letter),
        }
    }
    assert!(!is_quoted, "{line}");
    cells
}

#[tokio::test]
async fn a_file_has_what_the_series_have_and_computes_nothing() {
    let scene = Scene::open().await;
    let span = (datetime!(2025-10-10 00:00 UTC), datetime!(2025-11-12 00:00 UTC));
    let history = History::invent(41, &scene.jobs, 200, span);
    history.happens(&scene.tenant, scene.superuser_url()).await;
    let answer = scene.owner.get(&format!("/api/analytics/export.csv?{PERIOD}")).await.expect(200);
    assert_eq!(answer.header("content-type"), "text/csv; charset=utf-8; header=present");
    assert!(
        answer.header("content-disposition").starts_with("attachment; filename=\"figures-2025")
    );
    assert_eq!(answer.header("cache-control"), "private, no-store");
    let lines: Vec<Vec<String>> =
        answer.text.strip_suffix("\r\n").unwrap().split("\r\n").map(cells).collect();
    let column = |name: &str| lines[0].iter().position(|cell| cell == name).unwrap();
    let mut by_day: BTreeMap<&str, i64> = BTreeMap::new();
    for line in &lines[1..] {
        assert_eq!(line.len(), lines[0].len(), "{line:?}");
        assert_eq!(line[column("time_zone")], "Europe/Berlin");
        assert_eq!(line[column("job_title")], "Registered Nurse");
        *by_day.entry(&line[column("start")]).or_default() +=
            line[column("applications")].parse::<i64>().unwrap();
    }
    let series = crate::report(&scene.owner, &format!("timeseries?{PERIOD}")).await;
    let starts = series["starts"].as_array().unwrap().iter().map(|start| start.as_str().unwrap());
    let values = series["series"][0]["values"].as_array().unwrap();
    let mut total = 0;
    for (start, value) in starts.zip(values) {
        assert_eq!(by_day.get(start).copied().unwrap_or_default(), value.as_i64().unwrap());
        total += value.as_i64().unwrap();
    }
    assert!(total > 0 && by_day.values().sum::<i64>() == total);
    // One of the departments is called as a formula begins.
    assert!(answer.text.contains(",\"'=Transport\","), "{}", answer.text);
    assert!(!answer.text.contains(",=Transport"));
    assert!(!answer.text.contains("Secretname"));
    let trail = scene.tenant.audit_trail("analytics_exported").await;
    assert_eq!(trail.len(), 1);
    assert_eq!(trail[0].3["from"], "2025-10-20");
}

#[tokio::test]
async fn a_file_is_for_owners_and_admins_and_leaves_a_row() {
    let scene = Scene::open().await;
    let path = format!("/api/analytics/export.csv?{PERIOD}");
    for role in [Role::Recruiter, Role::HiringManager, Role::Viewer] {
        let browser = scene.tenant.signs_in(&scene.portal, role).await;
        let _ = browser.get(&path).await.expect_problem(403, "forbidden");
    }
    assert_eq!(scene.tenant.audited("analytics_exported").await, 0);
    let admin = scene.tenant.signs_in(&scene.portal, Role::Admin).await;
    // Without anything there is the line of names.
    let empty = admin.get(&path).await.expect(200);
    assert_eq!(empty.text.lines().count(), 1);
    assert_eq!(scene.tenant.audited("analytics_exported").await, 1);
    let refused =
        admin.get("/api/analytics/export.csv?grain=hour&from=2025-01-01&to=2025-03-01").await;
    let _ = refused.expect_problem(400, "invalid_parameter");
    let stranger = scene.world.tenant().await.signs_in(&scene.portal, Role::Owner).await;
    let foreign = format!("{path}&job={}", scene.jobs[0]);
    let _ = stranger.get(&foreign).await.expect_problem(404, "not_found");
}

#[tokio::test]
async fn who_does_not_read_keeps_a_place_and_one_too_many_is_told_to_come_again() {
    let scene = Scene::open_with(&[("PORTAL__ANALYTICS__EXPORTS", "1")]).await;
    let many = "INSERT INTO metric_hours (tenant_id, job_id, source, kind, bucket, n)
        SELECT $1, $2, 's' || s, 'job.viewed', '2025-10-21 00:00+00'::timestamptz
               + q * interval '1 hour', 1
        FROM generate_series(1, 1500) s, generate_series(0, 75) q";
    sqlx::query(many)
        .bind(scene.tenant.id)
        .bind(scene.jobs[0])
        .execute(&mut scene.superuser().await)
        .await
        .unwrap();
    let path = format!("/api/analytics/export.csv?{PERIOD}&grain=hour");
    let request = scene.owner.request(reqwest::Method::GET, &path);
    let slow = request.send().await.unwrap();
    assert_eq!(slow.status(), 200);
    let refused = scene.owner.get(&path).await;
    let _ = refused.expect_problem(503, "unavailable");
    assert!(!refused.header("retry-after").is_empty());
    drop(slow);
    // A file that is read to its end is whole.
    let whole = eventually("the place is free", SOON, async || {
        let answer = scene.owner.get(&path).await;
        (answer.status == 200).then_some(answer)
    });
    assert_eq!(whole.await.text.lines().count(), 1 + 1_500 * 76);
}
