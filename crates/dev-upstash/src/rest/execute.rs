//! Sends commands to Redis.

use bytes::Bytes;

use super::access::Access;
use super::commands::Kind;
use super::decode::Words;
use super::error::RestError;
use super::policy::{Prepared, prepare};
use super::replication::Source;
use crate::faults::Fault;
use crate::front::Front;
use crate::redis::RedisError;
use crate::resp::Reply;

const KEY_MAX: usize = 32 << 10;

/// Who asks, and by which path.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller<'a> {
    pub(super) access: Access,
    pub(super) path: &'a str,
    /// The point up to which it knows the data.
    pub(super) known: Option<u64>,
}

/// A command, or the text of its refusal.
type Checked = Result<Prepared, String>;

/// Carries out commands in order, each on its own: what one of them gets wrong is its own error.
pub(super) async fn run(
    front: &Front,
    caller: Caller<'_>,
    commands: Vec<Words>,
) -> Result<Vec<Reply>, RestError> {
    let checked = check(front, caller, commands).await?;
    let prepared: Vec<&Prepared> = checked.iter().flatten().collect();
    let sent: Vec<&Words> = prepared.iter().map(|command| &command.words).collect();
    let replies = if prepared.iter().any(|command| command.kind.is_write()) {
        write(front, &sent, &prepared).await?
    } else {
        read(front, caller, &sent).await?
    };
    let mut replies = replies.into_iter();
    checked
        .iter()
        .map(|command| match command {
            Ok(command) => {
                let reply = replies.next().ok_or(RedisError::Closed)?;
                Ok(command.finish(reply))
            }
            Err(text) => Ok(Reply::error(text.as_str())),
        })
        .collect()
}

/// Carries out commands as a transaction. A command that is refused, here or when Redis queues it,
/// discards the whole.
pub(super) async fn run_transaction(
    front: &Front,
    caller: Caller<'_>,
    commands: Vec<Words>,
) -> Result<Vec<Reply>, RestError> {
    let checked = check(front, caller, commands).await?;
    let prepared: Vec<Prepared> =
        checked.into_iter().collect::<Result<_, _>>().map_err(RestError::Refused)?;
    let mut sent = vec![vec![Bytes::from_static(b"MULTI")]];
    sent.extend(prepared.iter().map(|command| command.words.clone()));
    sent.push(vec![Bytes::from_static(b"EXEC")]);
    let prepared: Vec<&Prepared> = prepared.iter().collect();
    let mut replies = write(front, &sent, &prepared).await?;
    match replies.pop() {
        Some(Reply::Array(Some(results))) => {
            let results = prepared.iter().zip(results);
            Ok(results.map(|(command, reply)| command.finish(reply)).collect())
        }
        _ => Err(RestError::Refused(discard_reason(&prepared, replies))),
    }
}

/// What the first command that was not queued got wrong.
fn discard_reason(prepared: &[&Prepared], queued: Vec<Reply>) -> String {
    let queued = prepared.iter().zip(queued.into_iter().skip(1));
    let mut errors = queued.map(|(command, reply)| command.finish(reply));
    errors
        .find_map(|reply| match reply {
            Reply::Error(text) => Some(String::from_utf8_lossy(&text).into_owned()),
            _ => None,
        })
        .unwrap_or_else(|| "EXECABORT Transaction discarded because of previous errors.".to_owned())
}

async fn read(front: &Front, caller: Caller<'_>, sent: &[&Words]) -> Result<Vec<Reply>, RestError> {
    if sent.is_empty() {
        return Ok(Vec::new());
    }
    let is_stale = || front.faults.take(caller.path, &[Fault::StaleReads]).is_some();
    Ok(match front.replication.choose(caller.known, is_stale).await? {
        Source::Primary => front.pool.exchange(sent).await?,
        Source::Replica(pool) => pool.exchange(sent).await?,
    })
}

async fn write<C: AsRef<[Bytes]>>(
    front: &Front,
    sent: &[C],
    prepared: &[&Prepared],
) -> Result<Vec<Reply>, RestError> {
    let turn = front.replication.begin_write().await;
    let replies = front.pool.exchange(sent).await;
    // A failed exchange may have been carried out, too.
    front.replication.finish_write(turn, &front.pool, prepared).await?;
    Ok(replies?)
}

async fn check(
    front: &Front,
    caller: Caller<'_>,
    commands: Vec<Words>,
) -> Result<Vec<Checked>, RestError> {
    front.statistics.count_commands(commands.len());
    let mut checked: Vec<Checked> =
        commands.into_iter().map(|words| prepare(words, caller.access, &front.scripts)).collect();
    apply_faults(front, caller, &mut checked);
    for command in &mut checked {
        if let Ok(prepared) = command
            && let Some(length) = oversized_key(front, prepared).await?
        {
            *command = Err(format!(
                "ERR max key size exceeded. Limit: {KEY_MAX} bytes, Actual: {length} bytes"
            ));
        }
    }
    Ok(checked)
}

/// The faults that strike single commands.
fn apply_faults(front: &Front, caller: Caller<'_>, checked: &mut [Checked]) {
    let mut is_full = None;
    for command in checked {
        let Ok(prepared) = command else { continue };
        if prepared.is_by_hash() && front.faults.take(caller.path, &[Fault::NoScript]).is_some() {
            prepared.forget_script();
        }
        if prepared.kind == Kind::Write
            && *is_full.get_or_insert_with(|| {
                front.faults.take(caller.path, &[Fault::DbCapacity]).is_some()
            })
        {
            *command = Err("ERR DB capacity quota exceeded".to_owned());
        }
    }
}

/// The length of a key that is longer than the service takes. Redis knows which words are keys.
async fn oversized_key(front: &Front, command: &Prepared) -> Result<Option<usize>, RedisError> {
    if command.words.iter().all(|word| word.len() <= KEY_MAX) {
        return Ok(None);
    }
    let keys = keys_of(&front.pool, &[command]).await?;
    Ok(keys.iter().map(Bytes::len).find(|length| *length > KEY_MAX))
}

/// The keys that commands name.
pub(super) async fn keys_of(
    pool: &crate::redis::Pool,
    commands: &[&Prepared],
) -> Result<Vec<Bytes>, RedisError> {
    let question = |command: &&Prepared| {
        let mut words = vec![Bytes::from_static(b"COMMAND"), Bytes::from_static(b"GETKEYS")];
        words.extend(command.words.iter().cloned());
        words
    };
    let replies = pool.exchange(&commands.iter().map(question).collect::<Vec<_>>()).await?;
    let keys = replies.into_iter().filter_map(|reply| match reply {
        Reply::Array(Some(keys)) => Some(keys),
        // The command has no keys, or the wrong number of arguments.
        _ => None,
    });
    Ok(keys.flatten().filter_map(|key| key.as_bytes().cloned()).collect())
}
