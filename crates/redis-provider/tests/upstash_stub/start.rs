//! What the look at the start makes of whatever answers there.

use std::time::Duration;

use redis_provider::{ConnectError, Misconfiguration, UpstashProvider, UpstashSettings};
use tokio::time::Instant;

use crate::server::{Does, Seen, Stub, TOKEN, answer_probe, ok, status};

const HTML: &str = "<html><title>nothing here</title></html>";

async fn look(does: Does) -> Result<(), Misconfiguration> {
    look_with(move |_| does.clone()).await
}

async fn look_with(
    script: impl Fn(&Seen) -> Does + Send + Sync + 'static,
) -> Result<(), Misconfiguration> {
    let stub = Stub::bare(script).await;
    connect(&UpstashSettings { connect_timeout: Duration::from_millis(700), ..stub.settings() })
        .await
}

async fn connect(settings: &UpstashSettings) -> Result<(), Misconfiguration> {
    let started = Instant::now();
    let outcome = UpstashProvider::connect(settings).await;
    assert!(started.elapsed() < Duration::from_secs(5), "took {:?}", started.elapsed());
    match outcome {
        Ok(_) => Ok(()),
        Err(ConnectError::Misconfigured(wrong)) => {
            assert!(!format!("{wrong} {wrong:?}").contains(TOKEN));
            Err(wrong)
        }
        Err(other) => panic!("{other}"),
    }
}

fn is_wrong_service(outcome: &Result<(), Misconfiguration>) -> bool {
    matches!(outcome, Err(Misconfiguration::WrongService(_)))
}

#[tokio::test]
async fn wrong_tokens_are_told() {
    for does in [
        status(401, "{\"error\":\"WRONGPASS invalid or missing auth token\"}"),
        status(400, "{\"error\":\"WRONGPASS invalid or missing auth token\"}"),
        status(401, "{\"error\":\"Unauthorized\"}"),
        status(401, HTML),
    ] {
        assert_eq!(look(does.clone()).await, Err(Misconfiguration::Credentials), "{does:?}");
    }
    let denied = |what: &str| {
        let text = format!("NOPERM this user has no permissions to {what}");
        status(400, serde_json::json!({ "error": text }).to_string())
    };
    let read_only = denied("run the 'set' command or its subcommand");
    assert_eq!(look(read_only).await, Err(Misconfiguration::ReadOnly));
    let no_keys = look(denied("access one of the keys used as arguments")).await;
    assert!(matches!(no_keys, Err(Misconfiguration::MissingRight(_))), "{no_keys:?}");
}

#[tokio::test]
async fn other_services_are_told() {
    for does in [
        status(404, HTML),
        status(405, "Method Not Allowed"),
        status(302, ""),
        ok(HTML),
        ok("{\"status\":\"green\"}"),
        ok("[]"),
        ok("{\"result\":\"bm8=\"}"),
        ok("{\"result\":1}"),
        status(400, "{\"message\":\"no such route\"}"),
    ] {
        let outcome = look(does.clone()).await;
        assert!(is_wrong_service(&outcome), "{does:?}: {outcome:?}");
    }
    // It speaks the protocol and not the encoding that it was asked for.
    let plain = look_with(|seen| {
        let is_read = seen.text().starts_with("[\"GET\"");
        if is_read { ok("{\"result\":\"portal-probe!\"}") } else { answer_probe(seen) }
    });
    assert!(is_wrong_service(&plain.await));
}

#[tokio::test]
async fn plain_text_against_tls_is_told_both_ways() {
    let nginx = "<html>400 The plain HTTP request was sent to HTTPS port</html>";
    assert_eq!(look(status(400, nginx)).await, Err(Misconfiguration::TlsExpected));
    // A TLS alert: decode error.
    let alert = Does::Raw(vec![0x15, 0x03, 0x01, 0x00, 0x02, 0x02, 0x32]);
    assert_eq!(look(alert).await, Err(Misconfiguration::TlsExpected));

    // The other way round: what a TLS client says first is no request, and the answer is no TLS.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let url = url::Url::parse(&format!("https://{address}")).expect("a URL");
    let settings = UpstashSettings::new(url, TOKEN.into());
    let server = async {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut hello = [0; 16];
        stream.read_exact(&mut hello).await.expect("a greeting");
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.expect("an answer");
        stream
    };
    let (outcome, _stream) = tokio::join!(connect(&settings), server);
    assert_eq!(outcome, Err(Misconfiguration::TlsUnexpected));
}

#[tokio::test]
async fn an_outage_is_no_reason_not_to_start() {
    for does in [
        status(500, "{\"error\":\"ERR internal\"}"),
        status(502, HTML),
        status(429, "{\"error\":\"slow down\"}"),
        status(400, "{\"error\":\"ERR max daily request limit exceeded. Limit: 1, Usage: 2\"}"),
        status(400, "{\"error\":\"LOADING Redis is loading the dataset in memory\"}"),
        Does::Hang,
        Does::Cut,
        Does::CutWithin,
        Does::Drip("{\"result\":\"OK\"}".to_owned()),
    ] {
        assert_eq!(look(does.clone()).await, Ok(()), "{does:?}");
    }
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let url = url::Url::parse(&format!("http://{address}")).expect("a URL");
    assert_eq!(connect(&UpstashSettings::new(url, TOKEN.into())).await, Ok(()));
}

#[tokio::test]
async fn a_working_service_passes() {
    let stub = Stub::start(|_| Does::Cut).await;
    assert_eq!(connect(&stub.settings()).await, Ok(()));
    assert!(stub.seen().is_empty(), "no more than a write and a read");
}
