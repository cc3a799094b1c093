//! What one listener was told, by the numbers of what it was told.

use uuid::Uuid;

/// The numbers that a listener got: each must be one more than the one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Track {
    last: i64,
    /// How many it got.
    pub told: u64,
    /// How many are missing between those that it got.
    pub lost: u64,
    /// How many came again or too late.
    pub doubled: u64,
}

impl Track {
    /// It begins after this number.
    pub fn begins_after(&mut self, seq: i64) {
        self.last = seq;
    }

    /// The last number that it got.
    pub fn last(&self) -> i64 {
        self.last
    }

    /// It got this number.
    pub fn takes(&mut self, seq: i64) {
        self.told += 1;
        if seq <= self.last {
            self.doubled += 1;
            return;
        }
        self.lost += u64::try_from(seq - self.last - 1).unwrap_or_default();
        self.last = seq;
    }
}

/// The number at the beginning of a notification's data.
pub fn seq_of(data: &str) -> Option<i64> {
    let rest = data.strip_prefix("{\"seq\":")?;
    rest.split([',', '}']).next()?.parse().ok()
}

/// The application that a notification is about.
pub fn application_of(data: &str) -> Option<Uuid> {
    let (_, rest) = data.split_once("\"application\":\"")?;
    rest.get(..36)?.parse().ok()
}

/// The number at the end of the feed, as the greeting says it.
pub fn head_of(data: &str) -> Option<i64> {
    let (_, rest) = data.split_once("\"head\":\"")?;
    let (_, seq) = rest.split('"').next()?.split_once('.')?;
    seq.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_and_doubles_are_counted() {
        let mut track = Track::default();
        track.begins_after(4);
        for seq in [5, 6, 9, 9, 7, 10] {
            track.takes(seq);
        }
        assert_eq!(track, Track { last: 10, told: 6, lost: 2, doubled: 2 });
    }

    #[test]
    fn numbers_and_names_are_read_where_they_stand() {
        let id = Uuid::from_u128(7);
        let data = format!("{{\"seq\":12,\"job\":null,\"application\":\"{id}\",\"actor\":null}}");
        assert_eq!(seq_of(&data), Some(12));
        assert_eq!(application_of(&data), Some(id));
        assert_eq!(head_of("{\"head\":\"19a8b1.41\",\"unread\":3}"), Some(41));
        assert_eq!(seq_of("{\"head\":\"1.2\"}"), None);
        assert_eq!(application_of("{\"application\":\"7\"}"), None);
        assert_eq!(head_of("{\"head\":null}"), None);
    }
}
