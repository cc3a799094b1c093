use actix_web::dev::ServiceResponse;
use actix_web::http::StatusCode;
use actix_web::middleware::from_fn;
use actix_web::{App, HttpResponse, test, web};
use serde_json::Value;

use super::*;
use crate::error::{ApiError, ErrorCode};

const BUDGET: Duration = Duration::from_millis(50);

async fn leak() -> Result<HttpResponse, actix_web::Error> {
    Err(actix_web::error::ErrorInternalServerError("secret of the framework"))
}

async fn refuse_with_cookie() -> HttpResponse {
    let mut response = HttpResponse::from_error(ApiError::new(ErrorCode::LoginFailed, "again"));
    let cookie = actix_web::cookie::Cookie::new("gone", "");
    response.add_removal_cookie(&cookie).unwrap();
    response
}

async fn failing_layer<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    if request.path() == "/api/broken-layer" {
        return Err(ApiError::unavailable("redis is away").into());
    }
    Ok(next.call(request).await?.map_into_boxed_body())
}

async fn tell_budget() -> String {
    let budget = Budget::current().map(|budget| budget.remaining());
    format!("{budget:?}")
}

macro_rules! portal {
    () => {
        portal!(shows_timing: true)
    };
    (shows_timing: $shows_timing:literal) => {
        test::init_service(
            App::new()
                .app_data(web::Data::new(EdgeSettings {
                    headers: CommonHeaders { insists_on_https: true },
                    redis_budget: BUDGET,
                    shows_timing: $shows_timing,
                    ..EdgeSettings::default()
                }))
                .wrap(from_fn(failing_layer))
                .wrap(from_fn(edge))
                .route("/api/fine", web::get().to(|| async { HttpResponse::Ok().body("{}") }))
                .route("/api/budget", web::get().to(tell_budget))
                .route("/api/leak", web::get().to(leak))
                .route("/auth/callback", web::get().to(refuse_with_cookie))
                .service(
                    web::resource("/api/number/{n}")
                        .route(web::get().to(async |_: web::Path<u8>| HttpResponse::Ok().finish())),
                ),
        )
        .await
    };
}

async fn problem_of(response: ServiceResponse, status: u16) -> Value {
    assert_eq!(response.status(), StatusCode::from_u16(status).unwrap());
    let kind = response.headers().get("content-type").unwrap();
    assert_eq!(kind, "application/problem+json");
    let id = response.headers().get("x-request-id").unwrap().to_str().unwrap().to_owned();
    let body: Value = test::read_body_json(response).await;
    assert_eq!(body["status"], status);
    assert_eq!(body["request_id"], id);
    body
}

#[actix_web::test]
async fn answers_carry_the_common_headers() {
    let portal = portal!();
    let request = test::TestRequest::get().uri("/api/fine?q=private").to_request();
    let response = test::call_service(&portal, request).await;
    let header = |name: &str| response.headers().get(name).unwrap().to_str().unwrap().to_owned();
    assert!(header("content-security-policy").starts_with("default-src 'none'"));
    assert_eq!(header("x-content-type-options"), "nosniff");
    assert_eq!(header("referrer-policy"), "no-referrer");
    assert_eq!(header("cache-control"), "private, no-store");
    assert!(header("strict-transport-security").starts_with("max-age="));
    assert_eq!(header("vary"), "Cookie, Authorization");
}

#[actix_web::test]
async fn the_request_id_is_always_ours() {
    let portal = portal!();
    let request = test::TestRequest::get()
        .uri("/api/fine")
        .insert_header(("X-Request-Id", "chosen-by-the-client"))
        .to_request();
    let response = test::call_service(&portal, request).await;
    let id = response.headers().get("x-request-id").unwrap().to_str().unwrap();
    assert_eq!(uuid::Uuid::parse_str(id).unwrap().get_version_num(), 7);
}

#[actix_web::test]
async fn errors_of_the_framework_become_problems() {
    let portal = portal!();
    let get = |path: &str| test::TestRequest::get().uri(path).to_request();

    let body = problem_of(test::call_service(&portal, get("/api/leak")).await, 500).await;
    assert_eq!(body["code"], "internal");
    assert!(!body.to_string().contains("secret"));

    let body = problem_of(test::call_service(&portal, get("/nowhere?q=1")).await, 404).await;
    assert_eq!(body["instance"], "/nowhere");

    let body = problem_of(test::call_service(&portal, get("/api/number/x")).await, 404).await;
    assert_eq!(body["code"], "not_found");

    let request = test::TestRequest::delete().uri("/api/number/7").to_request();
    let body = problem_of(test::call_service(&portal, request).await, 405).await;
    assert_eq!(body["code"], "method_not_allowed");
}

#[actix_web::test]
async fn cookies_of_an_error_survive_its_rendering() {
    let portal = portal!();
    let request = test::TestRequest::get().uri("/auth/callback").to_request();
    let response = test::call_service(&portal, request).await;
    assert!(response.headers().get("set-cookie").unwrap().to_str().unwrap().starts_with("gone="));
    problem_of(response, 400).await;
}

#[actix_web::test]
async fn a_failing_layer_is_answered_as_well() {
    let portal = portal!();
    let request = test::TestRequest::get().uri("/api/broken-layer").to_request();
    let error = test::try_call_service(&portal, request).await.unwrap_err();
    let response = error.error_response();
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers().get("retry-after").unwrap(), "2");
    assert!(response.headers().contains_key("x-request-id"));
    assert_eq!(response.headers().get("content-type").unwrap(), "application/problem+json");
}

#[actix_web::test]
async fn every_request_has_a_budget_of_its_own() {
    let portal = portal!();
    for _ in 0..2 {
        let request = test::TestRequest::get().uri("/api/budget").to_request();
        let told = test::call_and_read_body(&portal, request).await;
        assert_eq!(told, format!("{:?}", Some(BUDGET)));
    }
    assert!(Budget::current().is_none());
}

#[actix_web::test]
async fn time_spent_on_redis_is_told_to_developers_only() {
    let timing = |response: &HttpResponse| response.headers().contains_key("server-timing");
    for path in ["/api/fine", "/api/leak", "/nowhere"] {
        let request = || test::TestRequest::get().uri(path).to_request();
        let told = test::call_service(&portal!(), request()).await;
        assert_eq!(told.headers().get("server-timing").unwrap(), "redis;dur=0.000", "{path}");
        let silent = test::call_service(&portal!(shows_timing: false), request()).await;
        assert!(!timing(silent.response()), "{path}");
    }
    let request = test::TestRequest::get().uri("/api/broken-layer").to_request();
    let error = test::try_call_service(&portal!(), request).await.unwrap_err();
    assert!(timing(&error.error_response()), "a failing layer is answered with it as well");
}
