//! Generation stamps: time-ordered, random, replaced and never incremented.

use bytes::Bytes;
use tenancy::Clock;

/// Bytes of the time part; the port's `AdvanceStamp` compares this many.
const TIME_DIGITS: usize = 16;
const STAMP_BYTES: usize = 32;

/// One generation: 16 hexadecimal digits of microseconds since 1970, then 16 random ones.
///
/// The random part makes two stamps of one microsecond differ; the time part lets the service
/// refuse to go back. Values compare stamps for equality only.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Stamp([u8; STAMP_BYTES]);

impl Stamp {
    /// A stamp that was never used before, later than `after`.
    pub(crate) fn mint(clock: &dyn Clock, after: Option<&Self>) -> Self {
        let now = u64::try_from(clock.now().unix_timestamp_nanos() / 1_000).unwrap_or(0);
        let floor = after.map_or(0, |stamp| stamp.time().saturating_add(1));
        let text = format!("{:016x}{:016x}", now.max(floor), rand::random::<u64>());
        let mut bytes = [b'0'; STAMP_BYTES];
        for (slot, digit) in bytes.iter_mut().zip(text.bytes()) {
            *slot = digit;
        }
        Self(bytes)
    }

    /// Reads a stamp; anything that is not one is `None`, and with it a miss.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let stamp = <[u8; STAMP_BYTES]>::try_from(bytes).ok()?;
        stamp.iter().all(u8::is_ascii_hexdigit).then_some(Self(stamp))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn to_bytes(self) -> Bytes {
        Bytes::copy_from_slice(&self.0)
    }

    /// Whether it was made before `other`. Of two stamps that one generation had, the earlier one
    /// was replaced by the later one.
    pub(crate) fn is_before(&self, other: &Self) -> bool {
        self.time() < other.time()
    }

    fn time(&self) -> u64 {
        let digits = self.0.get(..TIME_DIGITS).unwrap_or_default();
        std::str::from_utf8(digits)
            .ok()
            .and_then(|text| u64::from_str_radix(text, 16).ok())
            .unwrap_or(0)
    }
}

/// What stands under a generation's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// The stamp in force.
    pub(crate) stamp: Stamp,
    /// The one that it replaced, where that was a soft purge: values sealed with it may be served
    /// while they are loaded anew.
    pub(crate) softly_replaced: Option<Stamp>,
}

impl Record {
    /// Reads a record; anything that is not one is `None`, and with it a miss.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let (stamp, rest) = bytes.split_at_checked(STAMP_BYTES)?;
        let softly_replaced = if rest.is_empty() { None } else { Some(Stamp::parse(rest)?) };
        Some(Self { stamp: Stamp::parse(stamp)?, softly_replaced })
    }
}

impl std::fmt::Debug for Stamp {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Stamp({})", String::from_utf8_lossy(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use tenancy::ManualClock;

    use super::*;

    #[test]
    fn a_stamp_is_later_than_the_one_it_replaces_even_if_the_clock_stands_still_or_goes_back() {
        let ahead = ManualClock::at(time::OffsetDateTime::UNIX_EPOCH + time::Duration::days(1));
        let behind = ManualClock::at(time::OffsetDateTime::UNIX_EPOCH);
        let first = Stamp::mint(&ahead, None);
        let second = Stamp::mint(&ahead, Some(&first));
        let third = Stamp::mint(&behind, Some(&second));
        assert!(first.time() < second.time() && second.time() < third.time());
        assert!(first.as_bytes()[..16] < second.as_bytes()[..16]);
    }

    #[test]
    fn stamps_of_one_instant_differ() {
        let clock = ManualClock::at(time::OffsetDateTime::UNIX_EPOCH);
        assert_ne!(Stamp::mint(&clock, None), Stamp::mint(&clock, None));
    }

    #[test]
    fn only_a_stamp_or_two_are_a_record() {
        let clock = ManualClock::at(time::OffsetDateTime::UNIX_EPOCH);
        let (old, stamp) = (Stamp::mint(&clock, None), Stamp::mint(&clock, None));
        let record = |bytes: &[u8]| Record::parse(bytes);
        assert_eq!(record(stamp.as_bytes()), Some(Record { stamp, softly_replaced: None }));
        let both = [stamp.as_bytes(), old.as_bytes()].concat();
        assert_eq!(record(&both), Some(Record { stamp, softly_replaced: Some(old) }));
        for damaged in [&b""[..], b"1", &[b'g'; 32], &[b'0'; 33], &[b'0'; 63], &[b'0'; 96]] {
            assert_eq!(record(damaged), None);
        }
    }
}
