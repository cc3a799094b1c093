//! Pipelines.

use std::time::Duration;

use bytes::Bytes;

use super::{Bench, assert_rejected, unique_prefix};
use crate::limits::MAX_PIPELINE_COMMANDS;
use crate::port::{Command, Reply, Script, ScriptReply, SetOptions};

const HOUR: Duration = Duration::from_secs(3600);

pub(super) async fn mixed(bench: &Bench) {
    let prefix = unique_prefix("pipeline");
    let [a, b] = ["a", "b"].map(|name| format!("{prefix}{name}"));
    let options = SetOptions::with_ttl(HOUR);
    let value = Bytes::from_static(b"\0value\xff");
    let commands = vec![
        Command::Get(a.clone()),
        Command::Set(a.clone(), value.clone(), options),
        Command::Get(a.clone()),
        Command::Set(a.clone(), Bytes::new(), options.if_absent()),
        Command::Set(b.clone(), Bytes::new(), options.if_present()),
        Command::Set(b.clone(), Bytes::new(), options),
        Command::Get(b.clone()),
        Command::Expire(b.clone(), HOUR),
        Command::Delete(b.clone()),
        Command::Delete(b.clone()),
        Command::Expire(b, HOUR),
        Command::Evaluate(Script::DeleteIfEquals, vec![a.clone()], vec![value.clone()]),
        Command::Evaluate(
            Script::AdvanceStamp,
            vec![a.clone()],
            vec![Bytes::from("QUEUED"), Bytes::from("60000")],
        ),
        Command::Get(a),
    ];
    let expected = [
        Reply::Value(None),
        Reply::Applied(true),
        Reply::Value(Some(value)),
        Reply::Applied(false),
        Reply::Applied(false),
        Reply::Applied(true),
        Reply::Value(Some(Bytes::new())),
        Reply::Applied(true),
        Reply::Applied(true),
        Reply::Applied(false),
        Reply::Applied(false),
        Reply::Script(ScriptReply::Integer(1)),
        Reply::Script(ScriptReply::Bytes(Bytes::from("QUEUED"))),
        Reply::Value(Some(Bytes::from("QUEUED"))),
    ];
    let answers = bench.provider.pipeline(commands).await.expect("pipeline");
    assert_eq!(answers, expected.map(Ok));
    assert_eq!(bench.provider.pipeline(Vec::new()).await, Ok(Vec::new()));
    let one = bench.provider.pipeline(vec![Command::Get(prefix)]).await;
    assert_eq!(one, Ok(vec![Ok(Reply::Value(None))]));
}

/// A command that fails does not take its neighbours with it, nor shift their answers.
pub(super) async fn failures_stay_apart(bench: &Bench) {
    let key = unique_prefix("failures");
    bench.put(&key, "x").await;
    let commands = vec![
        Command::Get(String::new()),
        Command::Get(key.clone()),
        Command::Evaluate(Script::DeleteIfEquals, vec![key.clone()], Vec::new()),
        Command::Evaluate(Script::DeleteIfEquals, Vec::new(), vec![Bytes::new()]),
        Command::Delete(key.clone()),
        Command::Expire(String::new(), HOUR),
    ];
    let answers = bench.provider.pipeline(commands).await.expect("pipeline");
    assert_eq!(answers.len(), 6);
    assert_eq!(answers[1], Ok(Reply::Value(Some(Bytes::from("x")))));
    assert_eq!(answers[4], Ok(Reply::Applied(true)));
    for failed in [0, 2, 3, 5] {
        assert_rejected(answers[failed].clone(), &format!("command {failed}"));
    }
    let too_many = vec![Command::Get(key); MAX_PIPELINE_COMMANDS + 1];
    assert_rejected(bench.provider.pipeline(too_many).await, "too many commands");
}

/// Many keys wherever they lie, some of the commands refused: each answer is in its place.
pub(super) async fn failures_across_slots(bench: &Bench) {
    let prefix = unique_prefix("slots");
    let is_refused = |number: usize| number.is_multiple_of(7);
    let options = SetOptions::with_ttl(HOUR);
    let keys: Vec<String> = (0..200).map(|number| format!("{prefix}{number}")).collect();
    let value = |number: usize| Bytes::from(number.to_string());
    let writes = keys.iter().enumerate().map(|(number, key)| match number {
        number if is_refused(number) => {
            Command::Evaluate(Script::DeleteIfEquals, vec![key.clone()], Vec::new())
        }
        number => Command::Set(key.clone(), value(number), options),
    });
    let answers = bench.provider.pipeline(writes.collect()).await.expect("pipeline");
    assert_eq!(answers.len(), keys.len());
    for (number, answer) in answers.into_iter().enumerate() {
        if is_refused(number) {
            assert_rejected(answer, &format!("command {number}"));
        } else {
            assert_eq!(answer, Ok(Reply::Applied(true)), "command {number}");
        }
    }
    let reads = keys.iter().map(|key| Command::Get(key.clone())).collect();
    let answers = bench.provider.pipeline(reads).await.expect("pipeline");
    for (number, answer) in answers.into_iter().enumerate() {
        let expected = (!is_refused(number)).then(|| value(number));
        assert_eq!(answer, Ok(Reply::Value(expected)), "key {number}");
    }
}
