//! The scripts, each in Lua for the services and in Rust for the in-process one.
//!
//! A script touches exactly one key, so it runs on a cluster and under per-key locking alike.

use std::time::Duration;

use bytes::Bytes;

use crate::error::RedisError;
use crate::limits::{MAX_TTL, check_key, check_value};
use crate::port::{Script, ScriptReply};

/// Bytes of a stamp that carry its time.
const STAMP_TIME_BYTES: usize = 16;

/// Bytes of a stamp.
const STAMP_BYTES: usize = 32;

/// The text of a script that writes `$record` where the new stamp is later than the one in force.
/// Lua's own `<` compares strings by the server's locale, hence the loop over bytes.
macro_rules! advance_stamp {
    ($record:literal) => {
        concat!(
            "\
local old = redis.call('GET', KEYS[1])
local new = ARGV[1]
if old then
  local older = false
  for i = 1, 16 do
    local a = string.byte(old, i) or -1
    local b = string.byte(new, i) or -1
    if a ~= b then
      older = a < b
      break
    end
  end
  if not older then
    return old
  end
end
local record = ",
            $record,
            "
if ARGV[2] == '0' then
  redis.call('SET', KEYS[1], record)
else
  redis.call('SET', KEYS[1], record, 'PX', ARGV[2])
end
return new"
        )
    };
}

const ADVANCE_STAMP: &str = advance_stamp!("new");

const ADVANCE_STAMP_SOFTLY: &str = advance_stamp!("new .. string.sub(old or '', 1, 32)");

const DELETE_IF_EQUALS: &str = "\
if redis.call('GET', KEYS[1]) == ARGV[1] then
  return redis.call('UNLINK', KEYS[1])
end
return 0";

/// Numbers of Lua are exact up to 2^53 only, which all of these stay below.
const CHARGE: &str = "\
local now = tonumber(ARGV[1])
local charge = tonumber(ARGV[2])
local most = tonumber(ARGV[3])
local kept = redis.call('GET', KEYS[1]) or ''
local paid_at = now
if #kept <= 16 and string.find(kept, '^[0-9]+$') then
  paid_at = math.min(math.max(tonumber(kept), now), now + most)
end
if charge == 0 then
  return paid_at - now
end
paid_at = paid_at + charge
local over = paid_at - now - most
if over > 0 then
  if ARGV[4] == '0' then
    return -over
  end
  paid_at = now + most
end
local owed = paid_at - now
if owed > 0 then
  local ttl = string.format('%.0f', math.ceil(owed / 1000))
  redis.call('SET', KEYS[1], string.format('%.0f', paid_at), 'PX', ttl)
end
return owed";

/// Largest number of microseconds in an account: more than a century, less than Lua's exactness.
const MAX_MICROS: u64 = 4_000_000_000_000_000;

/// Longest text of a number in an account.
const MAX_MICROS_DIGITS: usize = 16;

impl Script {
    /// The script's text for a service that runs Lua 5.1.
    pub const fn lua(self) -> &'static str {
        match self {
            Self::AdvanceStamp => ADVANCE_STAMP,
            Self::AdvanceStampSoftly => ADVANCE_STAMP_SOFTLY,
            Self::DeleteIfEquals => DELETE_IF_EQUALS,
            Self::Charge => CHARGE,
        }
    }

    const fn argument_count(self) -> usize {
        match self {
            Self::AdvanceStamp | Self::AdvanceStampSoftly => 2,
            Self::DeleteIfEquals => 1,
            Self::Charge => 4,
        }
    }
}

/// What a script does to its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Leaves it as it is, its time to live included.
    Keep,
    /// Replaces its value; `None` means without a time to live.
    Write(Bytes, Option<Duration>),
    /// Deletes it.
    Delete,
}

/// Checks a call before it is sent, so that every adapter refuses the same ones.
pub(crate) fn check<K: AsRef<str>>(
    script: Script,
    keys: &[K],
    arguments: &[Bytes],
) -> Result<(), RedisError> {
    let [key] = keys else {
        return Err(RedisError::Rejected(format!("{} keys for a script of one", keys.len())));
    };
    check_key(key.as_ref())?;
    if arguments.len() != script.argument_count() {
        return Err(RedisError::Rejected(format!(
            "{} arguments for a script of {}",
            arguments.len(),
            script.argument_count()
        )));
    }
    arguments.iter().try_for_each(check_value)?;
    if let (Script::AdvanceStamp | Script::AdvanceStampSoftly, [_, ttl]) = (script, arguments) {
        parse_ttl(ttl)?;
    }
    if script == Script::Charge {
        parse_charge(arguments)?;
    }
    Ok(())
}

/// Runs a script's Rust twin: from the key's value to what becomes of it, and the answer.
pub(crate) fn run_twin(
    script: Script,
    current: Option<&Bytes>,
    arguments: &[Bytes],
) -> Result<(Effect, ScriptReply), RedisError> {
    match (script, arguments) {
        (Script::AdvanceStamp | Script::AdvanceStampSoftly, [new, ttl]) => {
            let ttl = parse_ttl(ttl)?;
            match current {
                Some(old) if stamp_time(old) >= stamp_time(new) => {
                    Ok((Effect::Keep, ScriptReply::Bytes(old.clone())))
                }
                Some(old) if script == Script::AdvanceStampSoftly => {
                    let old = old.get(..STAMP_BYTES).unwrap_or(old);
                    let record = Bytes::from([new, old].concat());
                    Ok((Effect::Write(record, ttl), ScriptReply::Bytes(new.clone())))
                }
                _ => Ok((Effect::Write(new.clone(), ttl), ScriptReply::Bytes(new.clone()))),
            }
        }
        (Script::DeleteIfEquals, [expected]) => Ok(if current == Some(expected) {
            (Effect::Delete, ScriptReply::Integer(1))
        } else {
            (Effect::Keep, ScriptReply::Integer(0))
        }),
        (Script::Charge, arguments) => parse_charge(arguments).map(|terms| terms.apply(current)),
        _ => Err(RedisError::Rejected("wrong number of arguments of a script".to_owned())),
    }
}

/// A charge, in microseconds.
struct Terms {
    now: u64,
    charge: u64,
    most: u64,
    stands: bool,
}

impl Terms {
    fn apply(&self, current: Option<&Bytes>) -> (Effect, ScriptReply) {
        let Self { now, charge, most, stands } = *self;
        let kept = current.and_then(kept_micros).unwrap_or(now);
        let owed = kept.clamp(now, now + most) - now;
        if charge == 0 {
            return (Effect::Keep, reply(owed, 1));
        }
        let over = (owed + charge).saturating_sub(most);
        if over > 0 && !stands {
            return (Effect::Keep, reply(over, -1));
        }
        let owed = (owed + charge).min(most);
        if owed == 0 {
            return (Effect::Keep, reply(0, 1));
        }
        let value = Bytes::from((now + owed).to_string());
        let ttl = Duration::from_millis(owed.div_ceil(1_000));
        (Effect::Write(value, Some(ttl)), reply(owed, 1))
    }
}

fn reply(micros: u64, sign: i64) -> ScriptReply {
    ScriptReply::Integer(i64::try_from(micros).unwrap_or(i64::MAX) * sign)
}

/// What a key holds, where it is a number of ours.
fn kept_micros(value: &Bytes) -> Option<u64> {
    let is_number =
        (1..=MAX_MICROS_DIGITS).contains(&value.len()) && value.iter().all(u8::is_ascii_digit);
    is_number.then(|| std::str::from_utf8(value).ok()?.parse().ok()).flatten()
}

fn parse_charge(arguments: &[Bytes]) -> Result<Terms, RedisError> {
    let refusal = || {
        RedisError::Rejected(
            "a charge is three decimal numbers of microseconds and 0 or 1".to_owned(),
        )
    };
    let [now, charge, most, stands] = arguments else { return Err(refusal()) };
    let number = |text: &Bytes| {
        let text = std::str::from_utf8(text).ok()?;
        let number = text.parse::<u64>().ok()?;
        (number.to_string() == text && number <= MAX_MICROS).then_some(number)
    };
    let stands = match stands.as_ref() {
        b"0" => false,
        b"1" => true,
        _ => return Err(refusal()),
    };
    match (number(now), number(charge), number(most)) {
        (Some(now), Some(charge), Some(most)) => Ok(Terms { now, charge, most, stands }),
        _ => Err(refusal()),
    }
}

fn stamp_time(stamp: &Bytes) -> &[u8] {
    stamp.get(..STAMP_TIME_BYTES).unwrap_or(stamp)
}

/// A canonical decimal, because the Lua side compares it as text.
fn parse_ttl(text: &Bytes) -> Result<Option<Duration>, RedisError> {
    let millis = std::str::from_utf8(text)
        .ok()
        .and_then(|text| text.parse::<u64>().ok().filter(|number| number.to_string() == text))
        .filter(|millis| Duration::from_millis(*millis) <= MAX_TTL)
        .ok_or_else(|| {
            RedisError::Rejected("a time to live is a decimal number of milliseconds".to_owned())
        })?;
    Ok((millis > 0).then(|| Duration::from_millis(millis)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(text: &str) -> Bytes {
        Bytes::copy_from_slice(text.as_bytes())
    }

    fn advance(current: Option<&str>, new: &str) -> (Effect, ScriptReply) {
        let arguments = [stamp(new), stamp("0")];
        run_twin(Script::AdvanceStamp, current.map(stamp).as_ref(), &arguments).unwrap()
    }

    #[test]
    fn a_stamp_only_advances() {
        let (old, new) = ("0000000000000001-a", "0000000000000002-b");
        assert_eq!(advance(None, old).1, ScriptReply::Bytes(stamp(old)));
        assert_eq!(advance(Some(old), new).0, Effect::Write(stamp(new), None));
        assert_eq!(advance(Some(new), old), (Effect::Keep, ScriptReply::Bytes(stamp(new))));
    }

    #[test]
    fn stamps_of_the_same_time_keep_the_first() {
        let (first, second) = ("0000000000000001-a", "0000000000000001-b");
        assert_eq!(advance(Some(first), second), (Effect::Keep, ScriptReply::Bytes(stamp(first))));
    }

    #[test]
    fn a_soft_advance_keeps_the_stamp_that_it_replaces_and_no_earlier_one() {
        let stamps: Vec<String> = (1..=3).map(|time| format!("{time:016}{time:016}")).collect();
        let softly = |current: Option<&str>, new: &str| {
            let arguments = [stamp(new), stamp("5")];
            let current = current.map(stamp);
            run_twin(Script::AdvanceStampSoftly, current.as_ref(), &arguments).unwrap()
        };
        let ttl = Some(Duration::from_millis(5));
        assert_eq!(softly(None, &stamps[0]).0, Effect::Write(stamp(&stamps[0]), ttl));
        let second = format!("{}{}", stamps[1], stamps[0]);
        let (effect, reply) = softly(Some(&stamps[0]), &stamps[1]);
        assert_eq!(effect, Effect::Write(stamp(&second), ttl));
        assert_eq!(reply, ScriptReply::Bytes(stamp(&stamps[1])));
        let third = format!("{}{}", stamps[2], stamps[1]);
        assert_eq!(softly(Some(&second), &stamps[2]).0, Effect::Write(stamp(&third), ttl));
        assert_eq!(softly(Some(&third), &stamps[1]).0, Effect::Keep);
    }

    fn charge(current: Option<&str>, terms: [&str; 4]) -> (Effect, i64) {
        let arguments = terms.map(stamp);
        let twin = run_twin(Script::Charge, current.map(stamp).as_ref(), &arguments);
        match twin.unwrap() {
            (effect, ScriptReply::Integer(answer)) => (effect, answer),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_charge_is_paid_back_and_bounded() {
        let written =
            |at: &str, millis| Effect::Write(stamp(at), Some(Duration::from_millis(millis)));
        assert_eq!(charge(None, ["5000", "2000", "9000", "0"]), (written("7000", 2), 2_000));
        assert_eq!(charge(Some("7000"), ["6000", "500", "9000", "0"]), (written("7500", 2), 1_500));
        assert_eq!(charge(Some("7000"), ["8000", "500", "9000", "0"]), (written("8500", 1), 500));
        // One too many: not made, or made as far as it goes.
        let owed = Some("14000");
        assert_eq!(charge(owed, ["6000", "2000", "9000", "0"]), (Effect::Keep, -1_000));
        assert_eq!(charge(owed, ["6000", "2000", "9000", "1"]), (written("15000", 9), 9_000));
        assert_eq!(charge(owed, ["6000", "0", "9000", "0"]), (Effect::Keep, 8_000));
        // What a clock that is ahead has written, or somebody else, locks nobody out for long.
        assert_eq!(charge(Some("9999999999999999"), ["6000", "0", "9000", "0"]).1, 9_000);
        for other in ["", "x", "-1", "1e3", " 1", "99999999999999999"] {
            assert_eq!(charge(Some(other), ["6000", "0", "9000", "0"]).1, 0, "{other:?}");
        }
    }

    #[test]
    fn malformed_calls_are_refused() {
        let keys = ["key"];
        for ttl in ["", "01", "-1", "+1", "1.0", " 1", "99999999999999999999"] {
            let arguments = [stamp("s"), stamp(ttl)];
            assert!(check(Script::AdvanceStamp, &keys, &arguments).is_err(), "{ttl:?}");
        }
        assert!(check(Script::AdvanceStamp, &keys, &[stamp("s"), stamp("10")]).is_ok());
        assert!(check(Script::DeleteIfEquals, &keys, &[]).is_err());
        assert!(check(Script::DeleteIfEquals, &["a", "b"], &[stamp("s")]).is_err());
        assert!(check(Script::DeleteIfEquals, &[""], &[stamp("s")]).is_err());
        let charge = |terms: [&str; 4]| check(Script::Charge, &keys, &terms.map(stamp));
        assert!(charge(["1", "2", "3", "0"]).is_ok());
        for terms in [
            ["", "2", "3", "0"],
            ["01", "2", "3", "0"],
            ["1", "-2", "3", "0"],
            ["1", "2", "1e3", "0"],
            ["1", "2", "3", "2"],
            ["9007199254740992", "2", "3", "0"],
        ] {
            assert!(charge(terms).is_err(), "{terms:?}");
        }
        assert!(check(Script::Charge, &keys, &[stamp("1")]).is_err());
    }
}
