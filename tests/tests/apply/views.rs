//! Views of published jobs, counted without knowing by whom.

use std::time::Duration;

use portal_tests::waiting::eventually;
use reqwest::Method;
use reqwest::header::USER_AGENT;
use sqlx::Connection as _;

use crate::Scene;

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0";

#[tokio::test]
async fn views_are_counted_by_where_people_came_from() {
    let scene = Scene::open().await;
    let anybody = scene.anybody();
    let look = async |slug: &str, query: &str, agent: &str| {
        let path = format!("/public/boards/{}/jobs/{slug}/view{query}", scene.tenant.slug);
        anybody.send(anybody.request(Method::POST, &path).header(USER_AGENT, agent)).await
    };
    for _ in 0..3 {
        let _ = look(&scene.slug, "?source=News%20Letter", FIREFOX).await.expect(204);
    }
    let _ = look(&scene.slug, "", FIREFOX).await.expect(204);
    let _ = look(&scene.slug, "", "Googlebot/2.1").await.expect(204);
    let _ = look("nothing", "", FIREFOX).await.expect_problem(404, "not_found");
    let _ = look(&scene.slug, "?who=me", FIREFOX).await.expect_problem(400, "invalid_parameter");

    let url = &scene.world.databases.superuser_url;
    let mut superuser = sqlx::PgConnection::connect(url).await.unwrap();
    let expected = [(String::new(), 1_i64), ("news-letter".to_owned(), 3)];
    eventually("the views are written down", Duration::from_secs(10), async || {
        let rows: Vec<(String, i64)> = sqlx::query_as(
            "SELECT source, sum(n)::bigint FROM metric_hours
             WHERE tenant_id = $1 AND kind = 'job.viewed' GROUP BY source ORDER BY source",
        )
        .bind(scene.tenant.id)
        .fetch_all(&mut superuser)
        .await
        .unwrap();
        (rows == expected).then_some(())
    })
    .await;
}

#[tokio::test]
async fn made_up_sources_add_no_rows_without_end() {
    let scene = Scene::open().await;
    let anybody = scene.anybody();
    for index in 0..120 {
        let path = format!(
            "/public/boards/{}/jobs/{}/view?source=x{index}",
            scene.tenant.slug, scene.slug
        );
        let look = anybody.request(Method::POST, &path).header(USER_AGENT, FIREFOX);
        let _ = anybody.send(look).await.expect(204);
    }
    let url = &scene.world.databases.superuser_url;
    let mut superuser = sqlx::PgConnection::connect(url).await.unwrap();
    let most = eventually("all views are written down", Duration::from_secs(10), async || {
        let (total, most): (Option<i64>, Option<i64>) = sqlx::query_as(
            "SELECT sum(n)::bigint, max(count)::bigint FROM (
                 SELECT sum(n) AS n, count(*) FROM metric_hours
                 WHERE tenant_id = $1 AND kind = 'job.viewed' GROUP BY bucket) AS hours",
        )
        .bind(scene.tenant.id)
        .fetch_one(&mut superuser)
        .await
        .unwrap();
        (total == Some(120)).then_some(most)
    })
    .await;
    assert!(most.unwrap() <= 51, "{most:?}: fifty sources, and none");
}

#[tokio::test]
async fn an_address_looks_so_often_a_minute() {
    let scene = Scene::open_with(&[
        ("PORTAL__RATE_LIMITS__ENABLED", "true"),
        ("PORTAL__RATE_LIMITS__VIEW_ADDRESS_PER_MINUTE", "2"),
    ])
    .await;
    let anybody = scene.anybody();
    let path = format!("/public/boards/{}/jobs/{}/view", scene.tenant.slug, scene.slug);
    for status in [204, 204, 429] {
        let look = anybody.request(Method::POST, &path).header(USER_AGENT, FIREFOX);
        let _ = anybody.send(look).await.expect(status);
    }
}
