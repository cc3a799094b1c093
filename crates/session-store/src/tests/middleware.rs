//! The store below actix-session's middleware: cookies in, cookies out.

use actix_session::SessionMiddleware;
use actix_session::config::PersistentSession;
use actix_web::cookie::{Cookie, Key};
use actix_web::http::Method;
use actix_web::test::{TestRequest, init_service, read_body, try_call_service};
use actix_web::{App, Error, web};
use redis_provider::testing::Fault;
use tenancy::Clock as _;

use super::ledger::TestLedger;
use super::{ABSOLUTE, Bench, away, new_session};
use crate::{PortalSession, PortalSessionStore, is_store_outage};

const COOKIE: &str = "portal";

async fn who(store: web::Data<PortalSessionStore>, session: PortalSession) -> String {
    let current = session.current(&store).await.unwrap();
    current.map_or_else(|| "nobody".to_owned(), |record| record.name.clone())
}

async fn sign_out(session: PortalSession) -> &'static str {
    session.sign_out();
    "bye"
}

/// What a request came to: the cookie that was set, the body.
struct Answer {
    cookie: Option<Cookie<'static>>,
    body: String,
}

impl Bench {
    /// Lets what the process holds be forgotten, where the clock cannot be moved.
    async fn lease_ends_at_once(&self) {
        let change = TestLedger::change(&self.new_session(), Vec::new());
        drop(self.copies.apply(&change).await);
    }

    /// Sends one request, with the cookie where there is one.
    async fn send(&self, path: &str, cookie: Option<&Cookie<'static>>) -> Result<Answer, Error> {
        let now = self.clock.now();
        let sign_in = move |session: PortalSession| async move {
            session.sign_in(&new_session(now)).unwrap();
            format!("{session:?}")
        };
        let lifecycle = PersistentSession::default().session_ttl(ABSOLUTE.try_into().unwrap());
        let sessions = SessionMiddleware::builder(self.store.clone(), Key::from(&[7; 64]))
            .cookie_name(COOKIE.to_owned())
            .session_lifecycle(lifecycle)
            .build();
        let app = init_service(
            App::new()
                .wrap(sessions)
                .app_data(web::Data::new(self.store.clone()))
                .route("/in", web::get().to(sign_in))
                .route("/who", web::get().to(who))
                .route("/out", web::get().to(sign_out)),
        )
        .await;
        let mut request = TestRequest::default().method(Method::GET).uri(path);
        if let Some(cookie) = cookie {
            request = request.cookie(cookie.clone());
        }
        let response = try_call_service(&app, request.to_request()).await?;
        let set = response.response().cookies().find(|cookie| cookie.name() == COOKIE);
        let cookie = set.map(Cookie::into_owned);
        let body = String::from_utf8(read_body(response).await.to_vec()).unwrap();
        Ok(Answer { cookie, body })
    }
}

#[actix_web::test]
async fn signing_in_and_out_again() {
    let bench = Bench::new();
    assert!(bench.send("/who", None).await.unwrap().cookie.is_none());
    let cookie = bench.send("/in", None).await.unwrap().cookie.unwrap();
    let read = bench.send("/who", Some(&cookie)).await.unwrap();
    assert_eq!(read.body, "Ada Example");
    assert!(read.cookie.is_none(), "reading sets no cookie");

    let removal = bench.send("/out", Some(&cookie)).await.unwrap().cookie.unwrap();
    assert!(removal.value().is_empty());
    let replayed = bench.send("/who", Some(&cookie)).await.unwrap();
    assert_eq!(replayed.body, "nobody");
}

#[actix_web::test]
async fn signing_in_again_ends_the_session_before() {
    let bench = Bench::new();
    let first = bench.send("/in", None).await.unwrap().cookie.unwrap();
    let second = bench.send("/in", Some(&first)).await.unwrap().cookie.unwrap();
    assert_ne!(first.value(), second.value());
    assert_eq!(bench.send("/who", Some(&first)).await.unwrap().body, "nobody");
    assert_eq!(bench.send("/who", Some(&second)).await.unwrap().body, "Ada Example");
    assert_eq!(bench.ledger.sessions(), 1);
}

#[actix_web::test]
async fn an_altered_cookie_is_nobodys() {
    let bench = Bench::new();
    let mut cookie = bench.send("/in", None).await.unwrap().cookie.unwrap();
    cookie.set_value(cookie.value().replace(|c: char| c.is_ascii_lowercase(), "a"));
    assert_eq!(bench.send("/who", Some(&cookie)).await.unwrap().body, "nobody");
}

#[actix_web::test]
async fn every_outage_is_recognized_as_one() {
    let bench = Bench::new();
    let cookie = bench.send("/in", None).await.unwrap().cookie.unwrap();
    bench.redis.inject(Fault::Fail(away()));
    bench.ledger.goes_away(true);
    bench.lease_ends_at_once().await;
    // Each step of the middleware: load, save, update, delete.
    for (path, cookie) in
        [("/who", Some(&cookie)), ("/in", None), ("/in", Some(&cookie)), ("/out", Some(&cookie))]
    {
        let error = bench.send(path, cookie).await.err().unwrap();
        assert!(is_store_outage(&error), "{path}");
        assert!(format!("{error:?}").contains("the test said so"), "the log sees why: {error:?}");
    }
    bench.redis.heal();
    bench.ledger.goes_away(false);
    assert_eq!(bench.send("/who", Some(&cookie)).await.unwrap().body, "Ada Example");
    assert!(!is_store_outage(&actix_web::error::ErrorInternalServerError("another")));
}

#[actix_web::test]
async fn debug_of_a_session_tells_that_there_is_one() {
    let bench = Bench::new();
    let text = bench.send("/in", None).await.unwrap().body;
    assert_eq!(text, "PortalSession { is_signed_in: true }");
}
