//! Which commands the service has over REST.

use bytes::Bytes;

/// What a command does to the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Read,
    /// A read that a read-only token may not do.
    PowerfulRead,
    /// May need memory.
    Write,
    /// Changes something, but needs no memory: it works when the database is full.
    FreeingWrite,
}

impl Kind {
    pub(super) fn is_write(self) -> bool {
        matches!(self, Self::Write | Self::FreeingWrite)
    }
}

/// Commands that need a connection of their own, or would change it.
pub(super) fn is_not_for_rest(name: &str) -> bool {
    matches!(
        name,
        "AUTH"
            | "HELLO"
            | "RESET"
            | "QUIT"
            | "SELECT"
            | "CLIENT"
            | "MULTI"
            | "EXEC"
            | "DISCARD"
            | "WATCH"
            | "UNWATCH"
            | "SUBSCRIBE"
            | "UNSUBSCRIBE"
            | "PSUBSCRIBE"
            | "PUNSUBSCRIBE"
            | "MONITOR"
            | "BLPOP"
            | "BRPOP"
            | "BRPOPLPUSH"
            | "BLMOVE"
            | "BLMPOP"
            | "BZPOPMIN"
            | "BZPOPMAX"
            | "BZMPOP"
    )
}

/// A stream read that waits.
pub(super) fn has_block(name: &str, words: &[Bytes]) -> bool {
    matches!(name, "XREAD" | "XREADGROUP")
        && words
            .iter()
            .take_while(|word| !word.eq_ignore_ascii_case(b"STREAMS"))
            .any(|word| word.eq_ignore_ascii_case(b"BLOCK"))
}

pub(super) fn is_missing_subcommand(name: &str, subcommand: &str) -> bool {
    match name {
        "MEMORY" => subcommand != "USAGE",
        "FUNCTION" => matches!(subcommand, "DUMP" | "RESTORE"),
        "SCRIPT" => subcommand == "DEBUG",
        _ => false,
    }
}

/// The commands of the service that a redis-server can have. Its extensions (JSON, SEARCH, DELEX)
/// are not among them.
#[rustfmt::skip]
pub(super) fn kind_of(name: &str) -> Option<Kind> {
    Some(match name {
        "BITCOUNT" | "BITFIELD_RO" | "BITPOS" | "GETBIT"
        | "PING" | "ECHO" | "TIME" | "COMMAND" | "INFO" | "DBSIZE" | "RANDOMKEY"
        | "EXISTS" | "TTL" | "PTTL" | "EXPIRETIME" | "PEXPIRETIME" | "TYPE" | "TOUCH" | "DUMP" | "MEMORY"
        | "GET" | "MGET" | "GETRANGE" | "SUBSTR" | "STRLEN"
        | "HGET" | "HMGET" | "HGETALL" | "HKEYS" | "HVALS" | "HLEN" | "HEXISTS" | "HSTRLEN" | "HRANDFIELD" | "HSCAN"
        | "LINDEX" | "LLEN" | "LPOS" | "LRANGE"
        | "SCARD" | "SDIFF" | "SINTER" | "SINTERCARD" | "SISMEMBER" | "SMEMBERS" | "SMISMEMBER" | "SRANDMEMBER" | "SSCAN" | "SUNION"
        | "ZCARD" | "ZCOUNT" | "ZDIFF" | "ZINTER" | "ZINTERCARD" | "ZLEXCOUNT" | "ZMSCORE" | "ZRANDMEMBER" | "ZRANGE"
        | "ZRANGEBYLEX" | "ZRANGEBYSCORE" | "ZRANK" | "ZREVRANGE" | "ZREVRANGEBYLEX" | "ZREVRANGEBYSCORE" | "ZREVRANK"
        | "ZSCAN" | "ZSCORE" | "ZUNION"
        | "GEODIST" | "GEOHASH" | "GEOPOS" | "GEORADIUS_RO" | "GEORADIUSBYMEMBER_RO" | "GEOSEARCH"
        | "PFCOUNT" | "XINFO" | "XLEN" | "XPENDING" | "XRANGE" | "XREAD" | "XREVRANGE"
        | "EVAL_RO" | "EVALSHA_RO" | "FCALL_RO" | "PUBSUB" => Kind::Read,

        "SCAN" | "KEYS" => Kind::PowerfulRead,

        "DEL" | "UNLINK" | "EXPIRE" | "EXPIREAT" | "PEXPIRE" | "PEXPIREAT" | "PERSIST" | "FLUSHDB" | "FLUSHALL"
        | "GETDEL" | "HDEL" | "LPOP" | "RPOP" | "LMPOP" | "LREM" | "LTRIM" | "SPOP" | "SREM"
        | "ZMPOP" | "ZPOPMAX" | "ZPOPMIN" | "ZREM" | "ZREMRANGEBYLEX" | "ZREMRANGEBYRANK" | "ZREMRANGEBYSCORE"
        | "XACK" | "XDEL" | "XTRIM"
        | "PUBLISH" | "SCRIPT" | "WAIT" => Kind::FreeingWrite,

        "SET" | "SETEX" | "PSETEX" | "SETNX" | "SETRANGE" | "SETBIT" | "GETSET" | "GETEX" | "MSET" | "MSETNX" | "APPEND"
        | "INCR" | "INCRBY" | "INCRBYFLOAT" | "DECR" | "DECRBY" | "BITFIELD" | "BITOP"
        | "COPY" | "RENAME" | "RENAMENX" | "RESTORE"
        | "HSET" | "HSETNX" | "HMSET" | "HINCRBY" | "HINCRBYFLOAT"
        | "LPUSH" | "LPUSHX" | "RPUSH" | "RPUSHX" | "LSET" | "LINSERT" | "LMOVE" | "RPOPLPUSH"
        | "SADD" | "SMOVE" | "SDIFFSTORE" | "SINTERSTORE" | "SUNIONSTORE"
        | "ZADD" | "ZINCRBY" | "ZDIFFSTORE" | "ZINTERSTORE" | "ZRANGESTORE" | "ZUNIONSTORE"
        | "GEOADD" | "GEORADIUS" | "GEORADIUSBYMEMBER" | "GEOSEARCHSTORE" | "PFADD" | "PFMERGE"
        | "XADD" | "XAUTOCLAIM" | "XCLAIM" | "XGROUP" | "XREADGROUP" | "XSETID"
        | "EVAL" | "EVALSHA" | "FCALL" | "FUNCTION" => Kind::Write,

        _ => return None,
    })
}
