//! Settings that do not fit the servers are told at the start, each for what it is.

use std::path::Path;
use std::time::Duration;

use dev_redis_cluster::{OwnServer, ServerOptions, redis_server_program};
use redis_provider::{
    ClusterMode, ConnectError, Credentials, ElastiCacheProvider, ElastiCacheSettings,
    Misconfiguration, RedisProvider, TlsSettings, Topology,
};
use tokio::time::Instant;

use crate::bench::{Cluster, connect, is_away, round_trip};

fn tls(authority: Option<&Path>) -> Option<TlsSettings> {
    authority.map(|path| TlsSettings { authorities: Some(path.to_path_buf()) })
}

fn credentials(password: Option<&str>) -> Credentials {
    password.map_or(Credentials::None, |password| Credentials::Password {
        username: None,
        password: password.into(),
    })
}

fn settings(server: &OwnServer) -> ElastiCacheSettings {
    ElastiCacheSettings {
        credentials: credentials(server.password()),
        tls: tls(server.ca_file()),
        connect_timeout: Duration::from_secs(2),
        ..ElastiCacheSettings::new("localhost", server.port())
    }
}

async fn server(with_password: bool, with_tls: bool) -> OwnServer {
    let options = ServerOptions { with_password, with_tls };
    let start = move || OwnServer::start(&redis_server_program(), options);
    tokio::task::spawn_blocking(start).await.expect("a server")
}

#[track_caller]
fn assert_is(
    what: &str,
    refused: Result<ElastiCacheProvider, ConnectError>,
    expected: &Misconfiguration,
) {
    match refused {
        Err(ConnectError::Misconfigured(found)) => assert_eq!(found, *expected, "{what}"),
        other => panic!("{what}: {other:?}"),
    }
}

/// Connects, which takes no longer than the connect timeout.
async fn try_connect(settings: &ElastiCacheSettings) -> Result<ElastiCacheProvider, ConnectError> {
    let since = Instant::now();
    let connected = ElastiCacheProvider::connect(settings).await;
    let took = since.elapsed();
    assert!(took < settings.connect_timeout + Duration::from_millis(500), "took {took:?}");
    connected
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn single_servers_tell_what_is_wrong() {
    let (plain, with_password, with_tls, other) = (
        server(false, false).await,
        server(true, false).await,
        server(true, true).await,
        server(false, true).await,
    );
    for right in [&plain, &with_password, &with_tls] {
        for mode in [ClusterMode::Detect, ClusterMode::Single] {
            let provider = connect(&ElastiCacheSettings { mode, ..settings(right) }).await;
            round_trip(&*provider, "key").await.unwrap();
            let info = provider.info().await.unwrap();
            assert_eq!(info.topology, Topology::Single);
            assert_eq!(info.is_encrypted, right.ca_file().is_some());
            provider.close().await;
        }
    }
    let foreign = "it is signed by an authority that is not trusted".to_owned();
    for (what, settings, expected) in [
        (
            "no password",
            ElastiCacheSettings { credentials: Credentials::None, ..settings(&with_password) },
            Misconfiguration::PasswordMissing,
        ),
        (
            "a wrong password",
            ElastiCacheSettings {
                credentials: credentials(Some("wrong")),
                ..settings(&with_password)
            },
            Misconfiguration::Credentials,
        ),
        (
            "a wrong password over TLS",
            ElastiCacheSettings { credentials: credentials(Some("wrong")), ..settings(&with_tls) },
            Misconfiguration::Credentials,
        ),
        (
            "plain text to TLS",
            ElastiCacheSettings { tls: None, ..settings(&with_tls) },
            Misconfiguration::TlsExpected,
        ),
        (
            "TLS to plain text",
            ElastiCacheSettings { tls: tls(with_tls.ca_file()), ..settings(&plain) },
            Misconfiguration::TlsUnexpected,
        ),
        (
            "another authority",
            ElastiCacheSettings { tls: tls(other.ca_file()), ..settings(&with_tls) },
            Misconfiguration::Certificate(foreign),
        ),
        (
            "a cluster expected",
            ElastiCacheSettings { mode: ClusterMode::Cluster, ..settings(&plain) },
            Misconfiguration::NotACluster,
        ),
    ] {
        assert_is(what, try_connect(&settings).await, &expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clusters_tell_what_is_wrong() {
    let cluster = Cluster::start().await;
    let right = cluster.settings(cluster.own().app());
    let single = ElastiCacheSettings { mode: ClusterMode::Single, ..right.clone() };
    assert_is(
        "a single server expected",
        try_connect(&single).await,
        &Misconfiguration::UnexpectedCluster,
    );
    let plain = ElastiCacheSettings { tls: None, ..right.clone() };
    assert_is("plain text", try_connect(&plain).await, &Misconfiguration::TlsExpected);
    let nobody = ElastiCacheSettings { credentials: Credentials::None, ..right.clone() };
    assert_is("nobody", try_connect(&nobody).await, &Misconfiguration::PasswordMissing);
    // The certificate names localhost and 127.0.0.1, and not this name of the same machine.
    let other_name = ElastiCacheSettings {
        seeds: vec![("localhost.localdomain".to_owned(), cluster.own().ports()[0])],
        ..right.clone()
    };
    if tokio::net::lookup_host("localhost.localdomain:1").await.is_ok() {
        let fault = Misconfiguration::Certificate("it is for another name".to_owned());
        assert_is("another name", try_connect(&other_name).await, &fault);
    }
    let provider = connect(&right).await;
    round_trip(&*provider, "key").await.unwrap();
    provider.close().await;
}

/// A server that is away, a name that nobody knows, something else that answers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_time_may_mend_is_no_error_and_another_service_is_one() {
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for host in ["localhost", "no-such-host.invalid"] {
        let settings = ElastiCacheSettings::new(host, unused);
        let provider = try_connect(&settings).await.expect("no error");
        let answer = provider.get("key").await;
        assert!(is_away(&answer), "{answer:?}");
        provider.close().await;
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut answering = tokio::task::JoinSet::new();
    answering.spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 512];
            let _read = stream.read(&mut request).await;
            let _written = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    let wrong = Misconfiguration::WrongService("an HTTP server".to_owned());
    assert_is("HTTP", try_connect(&ElastiCacheSettings::new("127.0.0.1", port)).await, &wrong);
}
