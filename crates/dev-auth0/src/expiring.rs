//! A map whose entries end, and which never grows past its capacity.

use std::collections::HashMap;
use std::time::Duration;

use time::OffsetDateTime;

/// Values by a secret or random key, each with the lifetime of the map.
///
/// Every method takes the time, so that a test can hold it.
#[derive(Debug)]
pub(crate) struct Expiring<V> {
    entries: HashMap<String, Entry<V>>,
    lifetime: Duration,
    capacity: usize,
}

#[derive(Debug)]
struct Entry<V> {
    expires_at: OffsetDateTime,
    value: V,
}

impl<V> Expiring<V> {
    /// An empty map.
    pub(crate) fn new(lifetime: Duration, capacity: usize) -> Self {
        Self { entries: HashMap::new(), lifetime, capacity }
    }

    /// Adds a value. When the map is full, what expired goes first, then what would expire next.
    pub(crate) fn insert(&mut self, key: String, value: V, now: OffsetDateTime) {
        if self.entries.len() >= self.capacity && !self.entries.contains_key(&key) {
            self.make_room(now);
        }
        self.entries.insert(key, Entry { expires_at: now + self.lifetime, value });
    }

    /// A value that has not expired.
    pub(crate) fn get(&self, key: &str, now: OffsetDateTime) -> Option<&V> {
        self.entries.get(key).filter(|entry| now < entry.expires_at).map(|entry| &entry.value)
    }

    /// A value that has not expired, to be changed.
    pub(crate) fn get_mut(&mut self, key: &str, now: OffsetDateTime) -> Option<&mut V> {
        self.entries
            .get_mut(key)
            .filter(|entry| now < entry.expires_at)
            .map(|entry| &mut entry.value)
    }

    /// Takes a value out; an expired one is gone as well.
    pub(crate) fn remove(&mut self, key: &str, now: OffsetDateTime) -> Option<V> {
        self.entries.remove(key).filter(|entry| now < entry.expires_at).map(|entry| entry.value)
    }

    /// All values that have not expired, with their keys.
    pub(crate) fn iter(&self, now: OffsetDateTime) -> impl Iterator<Item = (&str, &V)> {
        self.entries
            .iter()
            .filter(move |(_, entry)| now < entry.expires_at)
            .map(|(key, entry)| (key.as_str(), &entry.value))
    }

    fn make_room(&mut self, now: OffsetDateTime) {
        self.entries.retain(|_, entry| now < entry.expires_at);
        if self.entries.len() < self.capacity {
            return;
        }
        let oldest = self
            .entries
            .iter()
            .min_by_key(|(_, entry)| entry.expires_at)
            .map(|(key, _)| key.clone());
        if let Some(oldest) = oldest {
            self.entries.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    #[test]
    fn a_value_ends_with_its_lifetime() {
        let mut map = Expiring::new(Duration::from_secs(60), 8);
        map.insert("a".into(), 1, NOW);
        assert_eq!(map.get("a", NOW + Duration::from_secs(59)), Some(&1));
        assert_eq!(map.get("a", NOW + Duration::from_secs(60)), None);
        assert_eq!(map.remove("a", NOW + Duration::from_secs(60)), None);
    }

    #[test]
    fn a_full_map_drops_what_would_end_first() {
        let mut map = Expiring::new(Duration::from_secs(60), 2);
        map.insert("old".into(), 1, NOW);
        map.insert("new".into(), 2, NOW + Duration::from_secs(1));
        map.insert("newer".into(), 3, NOW + Duration::from_secs(2));
        let later = NOW + Duration::from_secs(2);
        assert_eq!(map.get("old", later), None);
        assert_eq!((map.get("new", later), map.get("newer", later)), (Some(&2), Some(&3)));
    }
}
