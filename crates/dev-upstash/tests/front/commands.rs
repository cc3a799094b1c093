//! Single commands: forms, encodings, refusals.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Front, READ_ONLY, TOKEN, send};

#[tokio::test]
async fn a_command_is_json() {
    let front = Front::start().await;
    assert_eq!(front.result(json!(["SET", "k", "v,é", "EX", 100])).await, "OK");
    assert_eq!(front.result(json!(["get", "k"])).await, "v,é");
    assert_eq!(front.result(json!(["TTL", "k"])).await, 100);
    assert_eq!(front.result(json!(["GET", "absent"])).await, Value::Null);
    assert_eq!(front.result(json!(["MGET", "k", "absent"])).await, json!(["v,é", null]));
    assert_eq!(front.result(json!(["SET", "n", i64::MAX - 1])).await, "OK");
    assert_eq!(front.result(json!(["INCR", "n"])).await, i64::MAX);
    assert_eq!(front.result(json!(["HSET", "h", "f", true])).await, 1);
    assert_eq!(front.result(json!(["HGETALL", "h"])).await, json!(["f", "true"]));
    assert_eq!(front.result(json!(["ZADD", "z", 1.5, "m"])).await, 1);
    assert_eq!(front.result(json!(["ZSCORE", "z", "m"])).await, "1.5");
    assert_eq!(front.result(json!(["COMMAND"])).await, json!([]));
    assert_eq!(front.result(json!(["ECHO", "hello"])).await, "hello");
    let info = front.result(json!(["INFO"])).await;
    let info = info.as_str().unwrap();
    assert!(info.contains("redis_version:") && !info.contains("executable"), "{info}");
}

#[tokio::test]
async fn a_command_is_a_path_with_a_body_and_a_query() {
    let front = Front::start().await;
    let bytes: Vec<u8> = (0..=255).collect();
    let answer = send(front.post("/set/a%2Fb?EX=100").body(bytes.clone())).await;
    assert_eq!(answer.json(), json!({ "result": "OK" }));
    assert_eq!(send(front.get("/ttl/a%2Fb")).await.json(), json!({ "result": 100 }));
    let raw = send(front.get("/get/a%2Fb").header("Upstash-Response-Format", "resp2")).await;
    assert_eq!(raw.header("content-type"), Some("application/octet-stream"));
    assert_eq!(raw.body, [b"$256\r\n", &bytes[..], b"\r\n"].concat());
    let put = front.bare(Method::PUT, "/set/c/d").bearer_auth(TOKEN);
    assert_eq!(send(put).await.json(), json!({ "result": "OK" }));
    let head = send(front.bare(Method::HEAD, "/get/c").bearer_auth(TOKEN)).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    let get = send(front.bare(Method::GET, &format!("/get/c?_token={TOKEN}"))).await;
    assert_eq!(get.json(), json!({ "result": "d" }));
}

#[tokio::test]
async fn base64_carries_every_byte() {
    let front = Front::start().await;
    send(front.post("/set/k").body(vec![0xff, 0x00, 0x41])).await;
    send(front.post("/set/ok").body("OK")).await;
    let ask = |path: &'static str| send(front.get(path).header("Upstash-Encoding", "base64"));
    assert_eq!(ask("/get/k").await.json(), json!({ "result": "/wBB" }));
    assert_eq!(ask("/get/ok").await.json(), json!({ "result": "T0s=" }));
    assert_eq!(ask("/set/k2/v").await.json(), json!({ "result": "OK" }));
    assert_eq!(ask("/mget/k/none").await.json(), json!({ "result": ["/wBB", null] }));
    assert_eq!(ask("/strlen/k").await.json(), json!({ "result": 3 }));
    let error = ask("/incr/k").await;
    assert_eq!(
        (error.status, error.error().as_str()),
        (400, "ERR value is not an integer or out of range")
    );
    assert_eq!(send(front.get("/get/k")).await.json(), json!({ "result": "\u{fffd}\0A" }));
}

#[tokio::test]
async fn formats_that_exclude_one_another_are_refused() {
    let front = Front::start().await;
    let resp2 = |path| front.get(path).header("Upstash-Response-Format", "resp2");
    let both = send(resp2("/ping").header("Upstash-Encoding", "base64")).await;
    assert_eq!(both.status, 400);
    let other = send(front.get("/ping").header("Upstash-Response-Format", "xml")).await;
    assert_eq!(other.status, 400);
    let error = send(resp2("/incr")).await;
    assert_eq!(error.status, 400);
    assert_eq!(error.text(), "-ERR wrong number of arguments for 'incr' command\r\n");
    let batch = front.post("/pipeline").header("Upstash-Response-Format", "resp2");
    let batch = send(batch.body(r#"[["PING"],["GET","none"]]"#)).await;
    assert_eq!(batch.text(), "+PONG\r\n$-1\r\n");
    let atomic = front.post("/multi-exec").header("Upstash-Response-Format", "resp2");
    let atomic = send(atomic.body(r#"[["PING"]]"#)).await;
    assert_eq!(atomic.json(), json!([{ "result": "PONG" }]));
}

#[tokio::test]
async fn a_token_is_asked_for() {
    let front = Front::start().await;
    let wrong = "WRONGPASS invalid or missing auth token";
    for request in [
        front.bare(Method::GET, "/ping"),
        front.bare(Method::GET, "/ping").bearer_auth("other"),
        front.bare(Method::GET, "/ping").header("authorization", format!("Basic {TOKEN}")),
        front.bare(Method::GET, &format!("/ping?_token={TOKEN}x")),
        front.bare(Method::POST, "/subscribe/c"),
    ] {
        let answer = send(request).await;
        assert_eq!((answer.status, answer.error().as_str()), (401, wrong));
        assert!(!answer.token().is_empty());
    }
}

#[tokio::test]
async fn other_methods_are_refused() {
    let front = Front::start().await;
    for (method, path) in [
        (Method::DELETE, "/get/k"),
        (Method::PATCH, "/"),
        (Method::GET, "/"),
        (Method::GET, "/pipeline"),
        (Method::DELETE, "/subscribe/c"),
    ] {
        let answer = send(front.bare(method, path).bearer_auth(TOKEN)).await;
        assert_eq!(answer.status, 405, "{answer:?}");
        assert!(answer.error().starts_with("ERR "));
    }
}

#[tokio::test]
async fn what_is_wrong_is_a_400_with_its_text() {
    let front = Front::start().await;
    front.result(json!(["SET", "text", "t"])).await;
    let see = "See https://upstash.com/docs/redis/overall/rediscompatibility for details";
    for (command, error) in [
        (
            json!(["LPUSH", "text", "x"]),
            "WRONGTYPE Operation against a key holding the wrong kind of value".to_owned(),
        ),
        (json!(["GET"]), "ERR wrong number of arguments for 'get' command".to_owned()),
        (json!(["FOO", "k"]), format!("ERR Command is not available: 'FOO'. {see}")),
        (json!(["CONFIG", "GET", "*"]), format!("ERR Command is not available: 'CONFIG'. {see}")),
        (
            json!(["SUBSCRIBE", "c"]),
            "ERR Command \"SUBSCRIBE\" is not allowed in REST or it has a special context path"
                .to_owned(),
        ),
        (json!(["GET", null]), "ERR failed to parse command".to_owned()),
        (json!(["GET", {}]), "ERR failed to parse command".to_owned()),
        (json!([]), "ERR empty command".to_owned()),
    ] {
        let answer = front.command(command).await;
        assert_eq!((answer.status, answer.error()), (400, error));
    }
    assert_eq!(send(front.post("/").body("no JSON")).await.status, 400);
}

#[tokio::test]
async fn a_read_only_token_reads_and_no_more() {
    let front = Front::start().await;
    front.result(json!(["SET", "k", "v"])).await;
    let ask = |path: &'static str| send(front.bare(Method::GET, path).bearer_auth(READ_ONLY));
    assert_eq!(ask("/get/k").await.json(), json!({ "result": "v" }));
    for (path, name) in [("/set/k/w", "set"), ("/SCAN/0", "scan"), ("/keys/*", "keys")] {
        let answer = ask(path).await;
        let error = format!(
            "NOPERM this user has no permissions to run the '{name}' command or its subcommand"
        );
        assert_eq!((answer.status, answer.error()), (400, error));
    }
    assert_eq!(front.result(json!(["GET", "k"])).await, "v");
}

#[tokio::test]
async fn sizes_are_limited() {
    let front = Front::start().await;
    let too_large = 10 * 1024 * 1024 + 1;
    let answer = send(front.post("/set/k").body(vec![b'x'; too_large])).await;
    let error =
        format!("ERR max request size exceeded. Limit: 10485760 bytes, Actual: {too_large} bytes");
    assert_eq!((answer.status, answer.error()), (400, error));
    let answer = send(front.post("/set/k").body(vec![b'x'; too_large - 1])).await;
    assert_eq!(answer.json(), json!({ "result": "OK" }));
    assert_eq!(front.result(json!(["STRLEN", "k"])).await, too_large - 1);

    let key = "k".repeat(32 * 1024 + 1);
    let answer = front.command(json!(["SET", key, "v"])).await;
    let error = "ERR max key size exceeded. Limit: 32768 bytes, Actual: 32769 bytes";
    assert_eq!((answer.status, answer.error().as_str()), (400, error));
    assert_eq!(front.result(json!(["SET", &key[1..], "v"])).await, "OK");
    let value = &key;
    assert_eq!(front.result(json!(["SET", "k", value])).await, "OK", "only keys are short");
}

#[tokio::test]
async fn many_callers_at_once_are_all_answered() {
    let front = Front::start().await;
    let calls: Vec<_> = (0..400).map(|_| front.result(json!(["INCR", "n"]))).collect();
    let mut counts: Vec<_> =
        futures_util::future::join_all(calls).await.iter().filter_map(Value::as_u64).collect();
    counts.sort_unstable();
    assert!(counts.into_iter().eq(1..=400));
    assert!(front.statistics().await["peak_in_flight"].as_u64().unwrap() > 1);
}
