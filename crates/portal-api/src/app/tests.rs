use std::collections::{BTreeSet, HashSet};

use serde_json::Value;

use super::*;

/// Routes that are pages for people or redirects, not part of the API.
const PAGES: [&str; 3] = ["/", "/api/docs", "/api/docs/{file:.*}"];

#[test]
fn the_document_describes_exactly_the_routes() {
    let document: Value = serde_json::from_str(&crate::openapi_document()).unwrap();
    let mut documented = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            documented.insert(format!("{} {path}", method.to_uppercase()));
        }
    }
    let routed: BTreeSet<String> = ROUTES
        .iter()
        .filter(|route| !PAGES.contains(&route.path))
        .map(|route| format!("{} {}", route.method, route.path))
        .collect();
    assert_eq!(documented, routed);
}

#[test]
fn no_route_stands_twice() {
    let routes: HashSet<_> = ROUTES.iter().map(|route| (route.method, route.path)).collect();
    assert_eq!(routes.len(), ROUTES.len());
}

/// What candidates do, who have no account: limited, and never in anybody's name.
const FOR_STRANGERS: [&str; 2] =
    ["/public/boards/{slug}/jobs/{job_slug}/apply", "/public/boards/{slug}/jobs/{job_slug}/view"];

#[test]
fn whatever_changes_something_needs_somebody() {
    for route in ROUTES {
        assert!(
            route.method == "GET"
                || route.access != Access::Public
                || FOR_STRANGERS.contains(&route.path),
            "{} {}",
            route.method,
            route.path
        );
    }
}

#[test]
fn methods_are_told() {
    assert_eq!(allowed_methods("/api/jobs"), "GET, HEAD, POST");
    assert_eq!(allowed_methods("/api/jobs/{id}/pause"), "POST");
}

#[actix_web::test]
async fn routes_without_a_session_need_no_state() {
    let app = actix_web::test::init_service(
        App::new()
            .configure(configure_open)
            .default_service(web::to(refuse_path))
            .wrap(from_fn(edge)),
    )
    .await;
    for (method, path, status) in [
        ("GET", "/live", 200),
        ("HEAD", "/live", 200),
        ("POST", "/live", 405),
        ("GET", "/", 303),
        ("GET", "/api/docs", 303),
        ("GET", "/api/docs/", 200),
        ("GET", "/api/docs/swagger-ui.css", 200),
        ("GET", "/api/docs/../live", 404),
        ("GET", "/api/docs/nothing.js", 404),
        ("GET", "/api/openapi.json", 200),
        ("GET", "/live/", 404),
        ("GET", "//live", 404),
        ("GET", "/LIVE", 404),
    ] {
        let request = actix_web::test::TestRequest::default()
            .method(method.parse().unwrap())
            .uri(path)
            .to_request();
        let response = actix_web::test::call_service(&app, request).await;
        assert_eq!(response.status().as_u16(), status, "{method} {path}");
        if status == 405 {
            assert_eq!(response.headers().get("allow").unwrap(), "GET, HEAD");
        }
        if status >= 400 {
            let kind = response.headers().get("content-type").unwrap();
            assert_eq!(kind, "application/problem+json", "{method} {path}");
        }
    }
}

#[actix_web::test]
async fn every_route_of_the_table_is_routed_and_nothing_else() {
    let app = actix_web::test::init_service(
        App::new()
            .configure(configure_open)
            .service(
                web::scope("").configure(configure_sessions).default_service(web::to(refuse_path)),
            )
            .default_service(web::to(refuse_path))
            .wrap(from_fn(edge)),
    )
    .await;
    let call = async |method: &str, path: &str| {
        let request = actix_web::test::TestRequest::default()
            .method(method.parse().unwrap())
            .uri(path)
            .to_request();
        actix_web::test::call_service(&app, request).await
    };
    let id = "0191f1c0-5a5a-7000-8000-00000000abcd";
    let paths: BTreeSet<&str> = ROUTES.iter().map(|route| route.path).collect();
    for path in paths {
        let concrete =
            path.replace("{id}", id).replace("{user}", id).replace("{file:.*}", "index.html");
        let known: Vec<&str> =
            ROUTES.iter().filter(|route| route.path == path).map(|route| route.method).collect();
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"] {
            let response = call(method, &concrete).await;
            let is_known = known.contains(&method) || (method == "HEAD" && known.contains(&"GET"));
            let is_refused = response.status() == 405;
            assert_eq!(is_known, !is_refused, "{method} {path}");
            assert_ne!(response.status(), 404, "{method} {path}");
            if is_refused {
                let allowed = response.headers().get("allow").unwrap();
                assert_eq!(allowed.to_str().unwrap(), allowed_methods(path));
            }
        }
    }
    for path in ["/api/job", "/api/jobs/", "/api", "/auth", "/api/jobs/x/explode"] {
        assert_eq!(call("GET", path).await.status(), 404, "{path}");
    }
}
