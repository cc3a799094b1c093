//! In this process, from the request as it was parsed to the answer: no sockets.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::test::{TestRequest, init_service};
use futures_util::future::LocalBoxFuture;
use portal_api::testing::app_without_checks;

use crate::jobs::Route;
use crate::turns::{ROUNDS, Row, Turns, thread_micros};
use crate::world::{Header, Kind, World};
use crate::{Outcome, aims};

/// Requests of a turn.
const REQUESTS: u32 = 300;

/// Where requests come from.
const PEER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 40_000);

/// The places of the contenders that others are compared with.
const UNCHECKED: usize = 0;
const UNCHECKED_LIMITED: usize = 5;

/// Makes so many requests and answers the time that they took, us.
type Turn = Box<dyn Fn(u32) -> LocalBoxFuture<'static, Outcome<f64>>>;

/// What a browser sends along; those who come with a token or a key send the same.
const HEADERS: [(&str, &str); 6] = [
    ("Host", "portal.example.com"),
    ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0"),
    ("Accept", "application/json"),
    ("Accept-Language", "de-DE,de;q=0.8,en;q=0.5"),
    ("Accept-Encoding", "gzip, deflate, br, zstd"),
    ("Sec-Fetch-Site", "same-origin"),
];

pub(crate) async fn run() -> Outcome<()> {
    let plain = World::new(Kind::PLAIN).await?;
    let limited = World::new(Kind::LIMITED).await?;
    let lease_over = World::new(Kind::LEASE_OVER).await?;
    for route in Route::ALL {
        let contenders = [
            unchecked(&plain, "without checks", UNCHECKED, route).await,
            checked(&plain, "session", UNCHECKED, route, &plain.cookie).await,
            checked(&plain, "access token", UNCHECKED, route, &plain.token).await,
            checked(&plain, "API key", UNCHECKED, route, &plain.api_key).await,
            checked(&lease_over, "session, lease over", UNCHECKED, route, &lease_over.cookie).await,
            unchecked(&limited, "without checks, with limits", UNCHECKED_LIMITED, route).await,
            checked(&limited, "session, with limits", UNCHECKED_LIMITED, route, &limited.cookie)
                .await,
        ];
        let (rows, turns): (Vec<Row>, Vec<Turn>) = contenders.into_iter().unzip();
        let ratios = compare(Turns::new(rows), &turns, route).await?;
        if let [_, session, .., with_limits] = ratios.as_slice() {
            aims::check("session, tenant and permission", *session);
            aims::check("the same where requests are counted", *with_limits);
        }
    }
    Ok(())
}

async fn compare(mut turns: Turns, contenders: &[Turn], route: Route) -> Outcome<Vec<f64>> {
    for round in 0..=ROUNDS {
        for number in turns.order(round) {
            let Some(turn) = contenders.get(number) else { continue };
            turns.begin(number);
            let micros = turn(REQUESTS).await?;
            turns.end(round, number, REQUESTS, micros);
        }
    }
    turns.print(&format!("{}, without sockets, {REQUESTS} requests a turn", route.name()))
}

async fn unchecked(world: &World, name: &'static str, base: usize, route: Route) -> (Row, Turn) {
    let app = app_without_checks(world.state.clone(), world.reader.clone());
    let (service, credential) = (init_service(app).await, world.cookie.clone());
    let row = Row { name, base, redis: world.redis.clone() };
    (row, turn(service, move || request(route, &credential).to_request()))
}

async fn checked(
    world: &World,
    name: &'static str,
    base: usize,
    route: Route,
    credential: &Header,
) -> (Row, Turn) {
    let app = portal_api::app(world.state.clone());
    let (service, credential) = (init_service(app).await, credential.clone());
    let row = Row { name, base, redis: world.redis.clone() };
    (row, turn(service, move || request(route, &credential).to_request()))
}

fn request(route: Route, (name, value): &Header) -> TestRequest {
    let request = TestRequest::get().uri(&route.path()).peer_addr(PEER);
    let request = HEADERS.into_iter().fold(request, TestRequest::insert_header);
    request.insert_header((*name, value.as_str()))
}

/// The requests are made before the time begins.
fn turn<S, R, B>(service: S, request: impl Fn() -> R + 'static) -> Turn
where
    S: Service<R, Response = ServiceResponse<B>, Error = Error> + 'static,
    R: 'static,
    B: MessageBody + 'static,
{
    let (service, request) = (Rc::new(service), Rc::new(request));
    Box::new(move |count| {
        let (service, request) = (Rc::clone(&service), Rc::clone(&request));
        Box::pin(async move {
            let requests: Vec<R> = (0..count).map(|_| request()).collect();
            let began = thread_micros();
            for request in requests {
                let response = service.call(request).await.map_err(|error| error.to_string())?;
                if response.status() != StatusCode::OK {
                    return Err(format!("the answer was {}", response.status()).into());
                }
            }
            Ok(thread_micros() - began)
        })
    })
}
