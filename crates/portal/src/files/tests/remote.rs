//! The same over a server that speaks S3, and what happens when it fails.

use std::fmt::Write as _;
use std::time::Instant;

use dev_s3::{DevS3, Fault, Operation};
use secrecy::SecretString;

use super::*;

/// Shorter than in production, so that what hangs is given up soon.
const SHORT: Waits = Waits {
    connect: Duration::from_millis(500),
    read: Duration::from_millis(300),
    retries: 2,
    retry: Duration::from_millis(500),
};

fn settings(server: &DevS3) -> S3Settings {
    S3Settings {
        bucket: DevS3::BUCKET.to_owned(),
        region: DevS3::REGION.to_owned(),
        endpoint: Some(server.endpoint().parse().unwrap()),
        prefix: String::new(),
        credentials: S3Credentials::Key(
            DevS3::KEY_ID.to_owned(),
            SecretString::from(DevS3::SECRET),
        ),
    }
}

fn over(settings: &S3Settings, waits: Waits) -> Objects {
    Objects { store: s3(settings, waits).unwrap(), is_remote: true }
}

async fn server() -> (DevS3, Objects) {
    let server = DevS3::start().await.unwrap();
    let store = over(&settings(&server), WAITS);
    (server, store)
}

/// Everything that an error says, to whoever prints it in whichever way.
fn said(error: &FileError) -> String {
    let mut said = format!("{error:?}");
    let mut next: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = next {
        let _ = write!(said, " / {error}");
        next = error.source();
    }
    said
}

#[tokio::test]
async fn a_store_that_speaks_s3_keeps_the_same_contract() {
    let (server, store) = server().await;
    server.lists_by(2);
    contract(&store).await;
    assert_eq!(server.uploads(), 0, "parts that were given up are gone");

    let below = S3Settings { prefix: "/portal/files/".to_owned(), ..settings(&server) };
    contract(&over(&below, WAITS)).await;
    let keys = server.keys();
    assert!(keys.contains(&"portal/files/resumes/a/10".to_owned()), "{keys:?}");
}

#[tokio::test]
async fn what_is_cut_in_the_middle_is_read_on_from_there() {
    let (server, store) = server().await;
    let whole = keep(&store, "resumes/a/1", &[PART_BYTES, 3_000]).await.unwrap();
    server.fails(Operation::Get, Fault::Cut, 2);
    assert!(given(&store, "resumes/a/1").await == whole);
    let gets = server.calls().iter().filter(|call| call.starts_with("Get")).count();
    assert_eq!(gets, 3);
}

#[tokio::test]
async fn what_was_done_and_not_answered_is_there_once() {
    let (server, store) = server().await;
    server.fails(Operation::Put, Fault::LostAnswer, 1);
    server.fails(Operation::Part, Fault::LostAnswer, 1);
    let small = keep(&store, "resumes/a/small", &[9]).await.unwrap();
    let large = keep(&store, "resumes/a/large", &[PART_BYTES, PART_BYTES, 1]).await.unwrap();
    assert!(given(&store, "resumes/a/small").await == small);
    assert!(given(&store, "resumes/a/large").await == large);
    assert_eq!(server.keys().len(), 2);
    // The store may have forgotten the upload when it is asked once more: then nobody knows.
    server.fails(Operation::Complete, Fault::LostAnswer, 1);
    let unknown = keep(&store, "resumes/a/unknown", &[PART_BYTES, 1]).await;
    assert!(unknown.is_err());
    store.delete("resumes/a/unknown").await.unwrap();
    assert_eq!((server.keys().len(), server.uploads()), (2, 0));
}

#[tokio::test]
async fn a_busy_store_is_asked_again_and_an_upload_that_fails_leaves_nothing() {
    let (server, store) = server().await;
    server.fails(Operation::Put, Fault::SlowDown, 2);
    let _ = keep(&store, "resumes/a/1", &[9]).await.unwrap();
    for operation in [Operation::Begin, Operation::Part, Operation::Complete] {
        server.fails(operation, Fault::SlowDown, 100);
        let refused = keep(&store, "resumes/a/2", &[PART_BYTES, 1]).await.unwrap_err();
        assert!(said(&refused).contains("SlowDown"), "{refused:?}");
        server.recovers();
        assert_eq!(server.uploads(), 0, "{operation:?}: no parts are left");
    }
    assert_eq!(server.keys(), ["resumes/a/1"]);
}

#[tokio::test]
async fn nobody_waits_without_an_end() {
    let server = DevS3::start().await.unwrap();
    let store = over(&settings(&server), SHORT);
    let _ = keep(&store, "resumes/a/1", &[9]).await.unwrap();
    for operation in [Operation::Put, Operation::Get, Operation::Delete, Operation::List] {
        server.fails(operation, Fault::Hangs, 100);
        let began = Instant::now();
        let failed = match operation {
            Operation::Put => keep(&store, "resumes/a/2", &[9]).await.map(drop),
            Operation::Get => store.open("resumes/a/1").await.map(drop),
            Operation::Delete => store.delete("resumes/a/1").await,
            _ => store.list("resumes", None, 10).await.map(drop),
        };
        assert!(said(&failed.unwrap_err()).contains("took too long"), "{operation:?}");
        assert!(began.elapsed() < Duration::from_secs(10), "{operation:?}");
        server.recovers();
    }
    server.fails(Operation::Get, Fault::Slow(Duration::from_millis(50)), 1);
    assert!(!given(&store, "resumes/a/1").await.is_empty(), "what is slow is waited for");
    drop(server);
    let gone = store.open("resumes/a/1").await.unwrap_err();
    assert!(said(&gone).contains("no connection"), "{gone:?}");
}

#[tokio::test]
async fn no_error_repeats_what_was_signed() {
    let server = DevS3::start().await.unwrap();
    let wrong = "not/the+secret0of1anybody2and3nothing4el";
    let refused = [
        S3Settings {
            credentials: S3Credentials::Key(DevS3::KEY_ID.to_owned(), SecretString::from(wrong)),
            ..settings(&server)
        },
        S3Settings {
            credentials: S3Credentials::Key(
                "AKIDOFSOMEBODYELSE01".to_owned(),
                SecretString::from(wrong),
            ),
            ..settings(&server)
        },
        S3Settings { region: "us-east-1".to_owned(), ..settings(&server) },
    ];
    for (settings, code) in refused.iter().zip(["Signature", "InvalidAccessKeyId", "Malformed"]) {
        let store = over(settings, WAITS);
        for error in [
            keep(&store, "resumes/a/1", &[9]).await.unwrap_err(),
            keep(&store, "resumes/a/1", &[PART_BYTES, 1]).await.unwrap_err(),
            store.open("resumes/a/1").await.map(drop).unwrap_err(),
            store.delete("resumes/a/1").await.unwrap_err(),
            store.list("resumes", None, 10).await.map(drop).unwrap_err(),
        ] {
            let said = said(&error);
            assert!(said.contains(code), "{said}");
            for secret in [wrong, "AKID", "AWS4-HMAC", "UNSIGNED", "host:", "20"] {
                assert!(!said.contains(secret), "{secret}: {said}");
            }
        }
    }
    assert_eq!(server.calls(), Vec::<String>::new());
}

#[tokio::test]
async fn a_bucket_that_is_not_there_is_no_missing_file() {
    let server = DevS3::start().await.unwrap();
    let elsewhere = S3Settings { bucket: "nobodys".to_owned(), ..settings(&server) };
    let store = over(&elsewhere, WAITS);
    let unavailable = store.open("resumes/a/1").await.map(drop).unwrap_err();
    assert!(said(&unavailable).contains("NoSuchBucket"), "{unavailable:?}");
    assert!(matches!(unavailable, FileError::Unavailable(_)));
    assert!(keep(&store, "resumes/a/1", &[9]).await.is_err());
}
