//! What goes over the wire.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use redis_provider::{Command, Expiry, RedisProvider, Reply, Script, ScriptReply, SetOptions};
use serde_json::json;

use crate::connect;
use crate::server::{Stub, TOKEN, each, ok, status};

const MINUTE: Duration = Duration::from_secs(60);
const BINARY: Bytes = Bytes::from_static(b"\xff\0/?");

#[tokio::test]
async fn the_token_is_in_its_header_and_nowhere_else() {
    let stub = Stub::start(|seen| each(seen, "{\"result\":\"OK\"}")).await;
    let provider = connect(&stub.settings()).await;
    assert_eq!(provider.set("a", Bytes::from("1"), SetOptions::default()).await, Ok(true));
    assert_eq!(provider.set("a", BINARY, SetOptions::default()).await, Ok(true));
    for seen in stub.seen() {
        assert_eq!(seen.method, "POST");
        assert_eq!(seen.header("authorization"), Some(format!("Bearer {TOKEN}").as_str()));
        assert_eq!(seen.header("upstash-encoding"), Some("base64"));
        assert!(!seen.target.contains(TOKEN) && !seen.text().contains(TOKEN));
    }
    assert!(!format!("{provider:?} {:?}", stub.settings()).contains(TOKEN));
    provider.close().await;
}

#[tokio::test]
async fn bytes_that_are_not_text_are_bodies() {
    let stub = Stub::start(|_| ok("{\"result\":\"OK\"}")).await;
    let provider = connect(&stub.settings()).await;
    let options = SetOptions::with_ttl(MINUTE);
    let key = "a/b ?é{t}%2F";
    let escaped = "a%2Fb%20%3F%C3%A9%7Bt%7D%252F";
    assert_eq!(provider.set(key, BINARY, options).await, Ok(true));
    assert_eq!(provider.set(key, BINARY, SetOptions::default()).await, Ok(true));
    assert_eq!(provider.set(key, BINARY, options.if_absent()).await, Ok(true));
    let seen = stub.seen();
    assert_eq!(seen[0].target, format!("/set/{escaped}?PX=60000"));
    assert_eq!(seen[1].target, format!("/set/{escaped}"));
    assert!(seen[2].target.starts_with("/eval/%23%21lua%20flags%3Dallow-key-locking%0A"));
    assert!(seen[2].target.ends_with(&format!("/1/{escaped}/PX/60000/NX")), "{}", seen[2].target);
    assert!(seen.iter().all(|seen| seen.body == BINARY));

    // Text goes as JSON, whatever the text is.
    let text = Bytes::from("\0\u{1f600}\"\\\u{7f}\u{2028}");
    assert_eq!(provider.set(key, text.clone(), options.if_present()).await, Ok(true));
    let seen = stub.seen();
    let text = std::str::from_utf8(&text).expect("text");
    assert_eq!(seen[3].commands(), [json!(["SET", key, text, "PX", "60000", "XX"])]);
    let kept = SetOptions { expiry: Expiry::Keep, ..SetOptions::default() };
    assert_eq!(provider.set("a", Bytes::new(), kept).await, Ok(true));
    assert_eq!(stub.seen()[4].commands(), [json!(["SET", "a", "", "KEEPTTL"])]);
    for key in [".", ".."] {
        let refused = provider.set(key, BINARY, options).await;
        assert!(matches!(refused, Err(redis_provider::RedisError::Rejected(_))), "{refused:?}");
    }
    provider.close().await;
}

#[tokio::test]
async fn many_keys_are_one_command() {
    let stub = Stub::start(|_| ok("{\"result\":[\"QQ==\",null]}")).await;
    let provider = connect(&stub.settings()).await;
    let answers = provider.get_many(&["a", "b"]).await;
    assert_eq!(answers, Ok(vec![Some(Bytes::from("A")), None]));
    assert!(provider.get_many(&["a"]).await.is_err(), "an answer too many");
    assert_eq!(provider.get_many(&[]).await, Ok(Vec::new()));
    assert_eq!(provider.delete_many(&[]).await, Ok(0));
    let seen = stub.seen();
    assert_eq!(seen.len(), 2);
    assert_eq!(
        (seen[0].target.as_str(), seen[0].commands()),
        ("/", vec![json!(["MGET", "a", "b"])])
    );
    let cost = provider.report().cost;
    assert_eq!((cost.commands, cost.requests), (4, 4), "with the two at the start");
    provider.close().await;
}

#[tokio::test]
async fn a_counter_and_its_time_to_live_are_one_transaction() {
    let stub = Stub::start(|seen| match seen.text() {
        text if text.contains("large") => {
            ok("[{\"result\":null},{\"result\":\"9007199254740993\"}]")
        }
        text if text.contains("text") => {
            ok("[{\"result\":null},{\"error\":\"ERR value is not an integer\"}]")
        }
        text if text.contains("discarded") => status(400, "{\"error\":\"EXECABORT discarded\"}"),
        _ => ok("[{\"result\":\"OK\"},{\"result\":-3}]"),
    })
    .await;
    let provider = connect(&stub.settings()).await;
    assert_eq!(provider.increment("a", -3, MINUTE).await, Ok(-3));
    assert_eq!(provider.increment("large", 1, MINUTE).await, Ok(9_007_199_254_740_993));
    assert_eq!(
        provider.increment("text", 1, MINUTE).await.map_err(|error| error.kind()),
        Err("rejected")
    );
    let discarded = provider.increment("discarded", 1, MINUTE).await;
    assert_eq!(discarded.map_err(|error| error.kind()), Err("rejected"));
    let seen = &stub.seen()[0];
    assert_eq!(seen.target, "/multi-exec");
    let commands = [json!(["SET", "a", "0", "PX", "60000", "NX"]), json!(["INCRBY", "a", "-3"])];
    assert_eq!(seen.commands(), commands);
    provider.close().await;
}

#[tokio::test]
async fn scripts_go_by_their_hash_until_it_is_unknown() {
    let calls = AtomicU32::new(0);
    let stub = Stub::start(move |seen| {
        let is_by_hash = seen.text().starts_with("[\"EVALSHA\"");
        if is_by_hash && calls.fetch_add(1, Ordering::Relaxed) == 1 {
            return status(400, "{\"error\":\"NOSCRIPT No matching script.\"}");
        }
        ok("{\"result\":1}")
    })
    .await;
    let provider = connect(&stub.settings()).await;
    let verbs = ["EVAL", "EVALSHA", "EVALSHA", "EVAL", "EVALSHA"];
    for _ in 0..4 {
        let answer = provider.evaluate(Script::DeleteIfEquals, &["k"], &[Bytes::from("v")]).await;
        assert_eq!(answer, Ok(ScriptReply::Integer(1)));
    }
    let seen: Vec<_> = stub.seen().iter().map(|seen| seen.commands()[0].clone()).collect();
    assert_eq!(
        seen.iter().map(|command| command[0].as_str().expect("a verb")).collect::<Vec<_>>(),
        verbs
    );
    assert!(seen[0][1].as_str().expect("a script").starts_with("#!lua flags=allow-key-locking\n"));
    assert_eq!(seen[1].as_array().expect("an array")[2..], [json!("1"), json!("k"), json!("v")]);
    provider.close().await;
}

/// Where keys repeat, order counts; where they do not, one way there and back is enough.
#[tokio::test]
async fn pipelines_with_bytes_keep_their_order() {
    let stub = Stub::start(|seen| each(seen, "{\"result\":\"OK\"}")).await;
    let provider = connect(&stub.settings()).await;
    let set = |key: &str, value| Command::Set(key.to_owned(), value, SetOptions::default());
    let get = |key: &str| Command::Get(key.to_owned());
    let commands = vec![get("a"), get("b"), set("a", BINARY), get("a"), set("c", BINARY)];
    let answers = provider.pipeline(commands).await.expect("a pipeline");
    let value = Ok(Reply::Value(Some(Bytes::from("OK"))));
    let written = Ok(Reply::Applied(true));
    assert_eq!(answers, [value.clone(), value.clone(), written.clone(), value.clone(), written]);
    let targets: Vec<String> = stub.seen().into_iter().map(|seen| seen.target).collect();
    assert_eq!(targets, ["/pipeline", "/set/a", "/", "/set/c"]);

    let commands = vec![get("x"), set("y", BINARY), get("z"), set("w", Bytes::from("text"))];
    assert_eq!(provider.pipeline(commands).await.expect("a pipeline").len(), 4);
    let mut targets: Vec<String> = stub.seen().drain(4..).map(|seen| seen.target).collect();
    targets.sort();
    assert_eq!(targets, ["/", "/pipeline", "/set/y"]);
    provider.close().await;
}

/// A part that got no answer says what is known of each command.
#[tokio::test]
async fn a_pipeline_that_breaks_says_where() {
    let stub = Stub::start(|seen| {
        if seen.target.starts_with("/set/") {
            status(502, "")
        } else {
            each(seen, "{\"result\":\"OK\"}")
        }
    })
    .await;
    let provider = connect(&stub.settings()).await;
    let set = Command::Set("a".to_owned(), BINARY, SetOptions::default());
    let get = Command::Get("a".to_owned());
    let answers = provider.pipeline(vec![get.clone(), set.clone(), get.clone()]).await;
    let answers = answers.expect("the first was answered");
    assert_eq!(answers[0], Ok(Reply::Value(Some(Bytes::from("OK")))));
    assert_eq!(answers[1], Err(redis_provider::RedisError::Timeout { maybe_applied: true }));
    assert!(matches!(answers[2], Err(redis_provider::RedisError::Unavailable(_))));
    assert_eq!(stub.seen().len(), 2, "what comes after is not sent");
    let whole = provider.pipeline(vec![set, get]).await;
    assert_eq!(whole, Err(redis_provider::RedisError::Timeout { maybe_applied: true }));
    provider.close().await;
}

#[tokio::test]
async fn the_newest_token_is_sent_with_each_request() {
    let count = AtomicU32::new(0);
    let stub = Stub::start(move |seen| {
        let next = count.fetch_add(1, Ordering::Relaxed) + 1;
        let headers = vec![("Upstash-Sync-Token", format!("token-{next}"))];
        let (status, body) = if seen.text().contains("bad") {
            (400, "{\"error\":\"ERR no\"}")
        } else {
            (200, "{\"result\":null}")
        };
        crate::server::Does::Answer(status, headers, body.to_owned())
    })
    .await;
    let provider = connect(&stub.settings()).await;
    assert_eq!(provider.get("a").await, Ok(None));
    assert!(provider.get("bad").await.is_err());
    assert_eq!(provider.set("a", BINARY, SetOptions::default()).await, Ok(false));
    assert_eq!(provider.get("a").await, Ok(None));
    let sent: Vec<_> = stub
        .seen()
        .iter()
        .map(|seen| seen.header("upstash-sync-token").map(str::to_owned))
        .collect();
    let expected = ["", "token-1", "token-2", "token-3"].map(|token| Some(token.to_owned()));
    assert_eq!(sent, expected);
    provider.close().await;
}
