//! Tokens of IAM sign-in, and where the keys that sign them come from.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod endpoint;
mod server;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use redis_provider::{
    AwsKeys, CredentialSource, Credentials, ElastiCacheProvider, ElastiCacheSettings,
    IamCredentials, IamSettings, RedisProvider, SetOptions,
};
use secrecy::ExposeSecret;
use time::OffsetDateTime;
use time::macros::datetime;
use tokio::time::Instant;

use crate::endpoint::{Answer, Endpoint};
use crate::server::Server;

const NOW: OffsetDateTime = datetime!(2026-11-22 09:30:15 UTC);

fn settings(keys: AwsKeys) -> IamSettings {
    IamSettings {
        user: "portal-app".to_owned(),
        cache_name: "portal-cache".to_owned(),
        region: "eu-central-1".to_owned(),
        is_serverless: false,
        keys,
    }
}

fn static_keys(access_key_id: &str, session_token: Option<&str>) -> AwsKeys {
    AwsKeys::Static {
        access_key_id: access_key_id.to_owned(),
        secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into(),
        session_token: session_token.map(Into::into),
    }
}

fn lent(endpoint: &Endpoint) -> AwsKeys {
    AwsKeys::Container { url: endpoint.url.clone(), authorization: None, authorization_file: None }
}

/// A clock that is moved by hand.
#[derive(Clone, Default)]
struct Hand(Arc<AtomicI64>);

impl Hand {
    fn forward(&self, minutes: i64) {
        self.0.fetch_add(minutes * 60, Ordering::SeqCst);
    }

    fn credentials(&self, keys: AwsKeys) -> IamCredentials {
        let moved = Arc::clone(&self.0);
        let clock = move || NOW + time::Duration::seconds(moved.load(Ordering::SeqCst));
        IamCredentials::with_clock(settings(keys), clock).unwrap()
    }
}

async fn token(credentials: &IamCredentials) -> String {
    credentials.fetch().await.unwrap().password.expose_secret().to_owned()
}

async fn error(credentials: &IamCredentials) -> String {
    let error = credentials.fetch().await.unwrap_err();
    let text = format!("{error} {error:?}");
    assert!(!text.contains("marker"), "{text}");
    text
}

/// Made with botocore 1.44.5: `SigV4QueryAuth(Credentials(..), "elasticache", "eu-central-1",
/// expires=900)` over `http://portal-cache/?Action=connect&User=portal-app`, its clock at `NOW`,
/// without the scheme.
#[tokio::test]
async fn a_token_is_the_one_that_botocore_makes() {
    let credentials = Hand::default().credentials(static_keys("AKIDEXAMPLE", None));
    let login = credentials.fetch().await.unwrap();
    assert_eq!(login.username, "portal-app");
    assert_eq!(login.refresh_after, Some(Duration::from_secs(11 * 3600)));
    assert_eq!(
        login.password.expose_secret(),
        "portal-cache/?Action=connect&User=portal-app&X-Amz-Algorithm=AWS4-HMAC-SHA256\
         &X-Amz-Credential=AKIDEXAMPLE%2F20261122%2Feu-central-1%2Felasticache%2Faws4_request\
         &X-Amz-Date=20261122T093015Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host\
         &X-Amz-Signature=3fe05e4881b080d9bfd76a5b21a1a759394f9122dba8320571b34cdcb53c7106",
    );
}

/// Made in the same way, with a session token and `&ResourceType=ServerlessCache`.
#[tokio::test]
async fn a_serverless_token_with_lent_keys_is_the_one_that_botocore_makes() {
    let session = Some("IQoJb3JpZ2luX2Vj//Example+Session=Token==");
    // AWS lowers a cache's name, and so do we.
    let settings = IamSettings {
        cache_name: "Portal-Cache".to_owned(),
        is_serverless: true,
        ..settings(static_keys("ASIAEXAMPLE", session))
    };
    let credentials = IamCredentials::with_clock(settings, || NOW).unwrap();
    assert_eq!(
        token(&credentials).await,
        "portal-cache/?Action=connect&User=portal-app&ResourceType=ServerlessCache\
         &X-Amz-Algorithm=AWS4-HMAC-SHA256\
         &X-Amz-Credential=ASIAEXAMPLE%2F20261122%2Feu-central-1%2Felasticache%2Faws4_request\
         &X-Amz-Date=20261122T093015Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host\
         &X-Amz-Security-Token=IQoJb3JpZ2luX2Vj%2F%2FExample%2BSession%3DToken%3D%3D\
         &X-Amz-Signature=c6967452614e9194ef9c4e64118f5f275975e28897753a210b52fbfcca8163d3",
    );
}

#[tokio::test]
async fn every_connection_gets_a_token_of_its_moment() {
    let hand = Hand::default();
    let credentials = hand.credentials(static_keys("AKIDEXAMPLE", None));
    assert!(token(&credentials).await.contains("X-Amz-Date=20261122T093015Z"));
    hand.forward(16);
    assert!(token(&credentials).await.contains("X-Amz-Date=20261122T094615Z"));
}

/// The token is long and full of signs that mean something elsewhere.
#[tokio::test]
async fn the_adapter_gets_in_with_a_token() {
    let session = "IQoJb3JpZ2luX2Vj//+=".repeat(50);
    let credentials = || Hand::default().credentials(static_keys("ASIAEXAMPLE", Some(&session)));
    let server = Server::start("portal-app", &token(&credentials()).await).await;
    let settings = ElastiCacheSettings {
        credentials: Credentials::Source(Arc::new(credentials())),
        connect_timeout: Duration::from_secs(2),
        command_timeout: Duration::from_secs(1),
        ..ElastiCacheSettings::new("127.0.0.1", server.port)
    };
    let provider = ElastiCacheProvider::connect(&settings).await.unwrap();
    assert!(provider.set("key", "value".into(), SetOptions::default()).await.unwrap());
    assert_eq!(provider.get("key").await.unwrap().as_deref(), Some(&b"value"[..]));
    provider.close().await;

    let other = Hand::default();
    other.forward(1);
    let stale = other.credentials(static_keys("ASIAEXAMPLE", Some(&session)));
    let credentials = Credentials::Source(Arc::new(stale));
    let settings = ElastiCacheSettings { credentials, ..settings };
    let refused = match ElastiCacheProvider::connect(&settings).await {
        Ok(provider) => format!("{:?}", provider.get("key").await.unwrap_err()),
        Err(error) => format!("{error} {error:?}"),
    };
    assert!(!refused.contains("IQoJ") && !refused.contains("X-Amz"), "{refused}");
}

#[tokio::test]
async fn unusable_settings_are_refused() {
    let good = settings(static_keys("AKIDEXAMPLE", None));
    assert!(IamCredentials::new(good.clone()).is_ok());
    let endpoint = "clustercfg.portal.abc123.euc1.cache.amazonaws.com";
    for bad in [
        IamSettings { user: String::new(), ..good.clone() },
        IamSettings { user: "portal app".to_owned(), ..good.clone() },
        IamSettings { cache_name: endpoint.to_owned(), ..good.clone() },
        IamSettings { region: String::new(), ..good.clone() },
        IamSettings { keys: static_keys("", None), ..good.clone() },
    ] {
        assert!(IamCredentials::new(bad.clone()).is_err(), "{bad:?}");
    }
}

#[tokio::test]
async fn keys_are_only_asked_for_where_aws_lends_them() {
    let credentials = |url: &str| {
        IamCredentials::new(settings(AwsKeys::Container {
            url: url.parse().unwrap(),
            authorization: None,
            authorization_file: None,
        }))
    };
    for good in [
        "http://127.0.0.1:51678/creds",
        "http://localhost/creds",
        "http://[::1]/creds",
        "http://169.254.170.2/v2/credentials/id",
        "http://169.254.170.23/v1/credentials",
        "http://[fd00:ec2::23]/v1/credentials",
        "https://keys.example.com/creds",
    ] {
        assert!(credentials(good).is_ok(), "{good}");
    }
    for bad in [
        "http://keys.example.com/creds",
        "http://169.254.169.254/latest/meta-data",
        "http://10.0.0.1/creds",
        "http://localhost.example.com/creds",
        "http://[fd00:ec2::254]/creds",
        "ftp://127.0.0.1/creds",
        "file:///etc/passwd",
    ] {
        let error = credentials(bad).unwrap_err().to_string();
        assert!(error.contains("endpoint must be https"), "{bad}: {error}");
    }
}

#[tokio::test]
async fn no_secret_prints() {
    let endpoint = Endpoint::start(Answer::Silence).await;
    let container = AwsKeys::Container {
        url: endpoint.url.clone(),
        authorization: Some("marker-authorization".into()),
        authorization_file: None,
    };
    let fixed = AwsKeys::Static {
        access_key_id: "AKIDEXAMPLE".to_owned(),
        secret_access_key: "marker-secret-key".into(),
        session_token: Some("marker-session-token".into()),
    };
    for keys in [container, fixed] {
        let settings = settings(keys);
        let credentials = IamCredentials::new(settings.clone()).unwrap();
        let text = format!("{settings:?} {credentials:?}");
        assert!(text.contains("portal-cache") && !text.contains("marker"), "{text}");
    }
}

#[tokio::test]
async fn connections_opened_together_ask_once_and_keys_are_renewed_before_they_end() {
    let endpoint = Endpoint::start(Answer::keys("ASIAFIRST", "2026-11-22T10:30:15Z")).await;
    let hand = Hand::default();
    let credentials = hand.credentials(lent(&endpoint));
    let tokens = futures_util::future::join_all((0..10).map(|_| token(&credentials))).await;
    for token in tokens {
        assert!(token.contains("X-Amz-Credential=ASIAFIRST%2F"), "{token}");
        assert!(token.contains("X-Amz-Security-Token=marker-session-token"), "{token}");
    }
    assert_eq!(endpoint.requests().len(), 1);

    endpoint.answers(Answer::keys("ASIASECOND", "2026-11-22T16:30:15Z"));
    hand.forward(54);
    assert!(token(&credentials).await.contains("ASIAFIRST"));
    hand.forward(2);
    assert!(token(&credentials).await.contains("ASIASECOND"));
    assert_eq!(endpoint.requests().len(), 2);
}

#[tokio::test]
async fn keys_serve_to_their_end_while_the_endpoint_fails() {
    let endpoint = Endpoint::start(Answer::keys("ASIAFIRST", "2026-11-22T10:30:15Z")).await;
    let hand = Hand::default();
    let credentials = hand.credentials(lent(&endpoint));
    assert!(token(&credentials).await.contains("ASIAFIRST"));

    endpoint.answers(Answer::Silence);
    hand.forward(58);
    assert!(token(&credentials).await.contains("ASIAFIRST"));
    // Only the first one waited: the endpoint is left alone for a while.
    let began = Instant::now();
    assert!(token(&credentials).await.contains("ASIAFIRST"));
    assert!(began.elapsed() < Duration::from_millis(500), "{:?}", began.elapsed());
    assert_eq!(endpoint.requests().len(), 2);

    hand.forward(3);
    assert!(error(&credentials).await.contains("in time"));
    endpoint.answers(Answer::keys("ASIASECOND", "2026-11-22T16:30:15Z"));
    assert!(token(&credentials).await.contains("ASIASECOND"));
}

#[tokio::test]
async fn the_authorization_is_sent_and_its_file_is_read_each_time() {
    let endpoint = Endpoint::start(Answer::keys("ASIAFIRST", "2026-11-22T10:30:15Z")).await;
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    let path = folder.join(format!("authorization-{}", std::process::id()));
    std::fs::write(&path, "marker-one\n").unwrap();
    let hand = Hand::default();
    let credentials = hand.credentials(AwsKeys::Container {
        url: endpoint.url.clone(),
        authorization: Some("marker-unused".into()),
        authorization_file: Some(path.clone()),
    });
    token(&credentials).await;
    std::fs::write(&path, "marker-two\n").unwrap();
    hand.forward(60);
    token(&credentials).await;
    let requests = endpoint.requests();
    assert!(requests[0].starts_with("GET /v2/credentials/marker-path HTTP/1.1\r\n"));
    assert!(requests[0].contains("\r\nauthorization: marker-one\r\n"), "{}", requests[0]);
    assert!(requests[1].contains("\r\nauthorization: marker-two\r\n"), "{}", requests[1]);

    std::fs::write(&path, "marker\r\nX-Other: marker\n").unwrap();
    assert!(error(&credentials).await.contains("not one line"));
    std::fs::remove_file(&path).unwrap();
    assert!(error(&credentials).await.contains("cannot read the authorization file"));
    assert_eq!(endpoint.requests().len(), 2);

    let credentials = hand.credentials(AwsKeys::Container {
        url: endpoint.url.clone(),
        authorization: Some("marker-plain".into()),
        authorization_file: None,
    });
    token(&credentials).await;
    assert!(endpoint.requests()[2].contains("\r\nauthorization: marker-plain\r\n"));
}

#[tokio::test]
async fn a_silent_endpoint_is_waited_for_one_second_by_everybody() {
    let endpoint = Endpoint::start(Answer::Silence).await;
    let credentials = Hand::default().credentials(lent(&endpoint));
    let began = Instant::now();
    futures_util::future::join_all((0..5).map(|_| error(&credentials))).await;
    let waited = began.elapsed();
    assert!((Duration::from_millis(900)..Duration::from_secs(3)).contains(&waited), "{waited:?}");
}

#[tokio::test]
async fn what_is_not_an_answer_with_keys_is_an_error_that_tells_nothing() {
    let elsewhere = Endpoint::start(Answer::keys("ASIASTOLEN", "2026-11-22T10:30:15Z")).await;
    let redirect = format!("HTTP/1.1 302 Found\r\nLocation: {}\r\n\r\n", elsewhere.url);
    let without_end = r#"{"AccessKeyId":"A","SecretAccessKey":"marker","Token":"marker"}"#;
    let cut = b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{\"AccessKeyId\":\"marker".to_vec();
    for (answer, told) in [
        (Answer::body("404 Not Found", r#"{"message":"marker"}"#), "answered 404"),
        (Answer::body("500 Oh", "<html>marker</html>"), "answered 500"),
        (Answer::body("200 OK", "<html>marker</html>"), "without keys"),
        (Answer::body("200 OK", r#"{"code":"marker","message":"marker"}"#), "without keys"),
        (Answer::body("200 OK", without_end), "without keys"),
        (Answer::keys("ASIAFIRST", "marker"), "without keys"),
        (Answer::keys("", "2026-11-22T10:30:15Z"), "without keys"),
        (Answer::body("200 OK", &" ".repeat(100_000)), "too large"),
        (Answer::Bytes(redirect.into_bytes()), "answered 302"),
        (Answer::Bytes(cut), "cannot be reached"),
        (Answer::Bytes(b"marker\r\n\r\n".to_vec()), "cannot be reached"),
        (Answer::Bytes(Vec::new()), "cannot be reached"),
    ] {
        let endpoint = Endpoint::start(answer).await;
        let error = error(&Hand::default().credentials(lent(&endpoint))).await;
        assert!(error.contains(told), "{told}: {error}");
    }
    assert!(elsewhere.requests().is_empty());
}
