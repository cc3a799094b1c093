//! Keys of one slot, which are read by one command.

use std::collections::HashMap;

use bytes::Bytes;
use fred::types::Value;
use fred::util::redis_keyslot;

use super::request::{MOST_KEYS, Request};
use super::values;
use crate::error::RedisError;

/// Keys of one slot, with their places among all that are asked for.
pub(super) struct Group<'a> {
    keys: Vec<&'a str>,
    places: Vec<usize>,
}

/// Whether one command reads them: two and more of one slot.
pub(super) fn are_one_slot(keys: &[&str]) -> bool {
    let Some((first, rest)) = keys.split_first() else { return false };
    let slot = redis_keyslot(first.as_bytes());
    (1..MOST_KEYS).contains(&rest.len())
        && rest.iter().all(|key| redis_keyslot(key.as_bytes()) == slot)
}

/// Groups in the order of their first keys.
pub(super) fn by_slot<'a>(keys: &[&'a str]) -> Vec<Group<'a>> {
    let mut groups: Vec<Group<'a>> = Vec::new();
    // Where a slot's newest group is: batches are of a thousand keys, of a few slots or of all.
    let mut newest = HashMap::new();
    for (place, key) in keys.iter().enumerate() {
        let slot = redis_keyslot(key.as_bytes());
        let known = newest.get(&slot).and_then(|at: &usize| groups.get_mut(*at));
        if let Some(group) = known.filter(|group| group.keys.len() < MOST_KEYS) {
            group.keys.push(key);
            group.places.push(place);
        } else {
            newest.insert(slot, groups.len());
            groups.push(Group { keys: vec![key], places: vec![place] });
        }
    }
    groups
}

impl Group<'_> {
    pub(super) fn request(&self) -> Request<'_> {
        match &*self.keys {
            [key] => Request::Get(key),
            keys => Request::GetTogether(keys),
        }
    }

    /// Puts the answers in their places.
    pub(super) fn fill(
        &self,
        found: &mut [Option<Bytes>],
        answer: Value,
    ) -> Result<(), RedisError> {
        let answers = match &*self.places {
            [_] => vec![values::optional_bytes(answer, "GET")?],
            places => values::many(answer, places.len())?,
        };
        for (place, answer) in self.places.iter().zip(answers) {
            if let Some(place) = found.get_mut(*place) {
                *place = answer;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_a_slot_are_read_together() {
        assert!(are_one_slot(&["{a}1", "{a}2", "{a}3"]));
        assert!(!are_one_slot(&["{a}1", "{b}1"]) && !are_one_slot(&["{a}1"]) && !are_one_slot(&[]));
        let groups = by_slot(&["{a}1", "{b}1", "{a}2", "c", "{b}2"]);
        let keys: Vec<_> = groups.iter().map(|group| group.keys.clone()).collect();
        assert_eq!(keys, [vec!["{a}1", "{a}2"], vec!["{b}1", "{b}2"], vec!["c"]]);
        let places: Vec<_> = groups.iter().flat_map(|group| group.places.clone()).collect();
        assert_eq!(places, [0, 2, 1, 4, 3]);
    }

    #[test]
    fn no_command_reads_more_than_its_share() {
        let keys: Vec<String> =
            (0..=MOST_KEYS * 2).map(|number| format!("{{a}}{number}")).collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        assert!(!are_one_slot(&keys));
        let sizes: Vec<usize> = by_slot(&keys).iter().map(|group| group.keys.len()).collect();
        assert_eq!(sizes, [MOST_KEYS, MOST_KEYS, 1]);
    }

    #[test]
    fn answers_go_where_their_keys_were() {
        let groups = by_slot(&["{a}1", "{b}1", "{a}2"]);
        let mut found = vec![None; 3];
        let text = |text: &str| Value::from(text);
        let answers = [Value::Array(vec![text("x"), Value::Null]), text("y")];
        for (group, answer) in groups.iter().zip(answers) {
            group.fill(&mut found, answer).unwrap();
        }
        assert_eq!(found, [Some(Bytes::from("x")), Some(Bytes::from("y")), None]);
        let short = groups[0].fill(&mut found, Value::Array(vec![Value::Null]));
        assert!(short.is_err(), "{short:?}");
    }
}
