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
