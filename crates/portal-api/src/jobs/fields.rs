//! Takes fields out of a JSON object and notes every fault with a pointer to it.

use std::fmt::Display;
use std::str::FromStr;

use employer_store::jobs::Change;
use serde_json::{Map, Value};
use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

use crate::error::Faults;
use crate::extract::has_control_characters;

/// Longest unknown name that an answer repeats.
const MAX_ECHO_CHARS: usize = 64;

/// A field of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Given<T> {
    /// Not there.
    Absent,
    /// There, as `null`.
    Null,
    /// There, and fine.
    Value(T),
    /// There, and not fine; the fault is noted.
    Faulty,
}

impl<T> Given<T> {
    /// The value of a field that a body cannot do without.
    pub(crate) fn required(self, pointer: &str, faults: &mut Faults) -> Option<T> {
        match self {
            Self::Value(value) => return Some(value),
            Self::Absent => faults.add(pointer, "required", "is required"),
            Self::Null => faults.add(pointer, "null", "may not be null"),
            Self::Faulty => {}
        }
        None
    }

    /// The value of a field that a body can do without; `null` means the same as absence.
    pub(crate) fn optional(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Absent | Self::Null | Self::Faulty => None,
        }
    }

    /// A change to something that cannot be cleared.
    pub(crate) fn change(self, pointer: &str, faults: &mut Faults) -> Change<T> {
        match self {
            Self::Value(value) => return Change::Set(value),
            Self::Null => faults.add(pointer, "null", "may not be null"),
            Self::Absent | Self::Faulty => {}
        }
        Change::Keep
    }

    /// A change to something that `null` clears.
    pub(crate) fn clearable(self) -> Change<Option<T>> {
        match self {
            Self::Value(value) => Change::Set(Some(value)),
            Self::Null => Change::Set(None),
            Self::Absent | Self::Faulty => Change::Keep,
        }
    }
}

/// Bounds of a text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TextRule {
    pub(crate) min: usize,
    pub(crate) max: usize,
    /// Whether it may have line breaks and tabs.
    pub(crate) has_breaks: bool,
}

impl TextRule {
    /// A name or title: one line, no spaces around it.
    pub(crate) const fn line(min: usize, max: usize) -> Self {
        Self { min, max, has_breaks: false }
    }

    /// A text of several lines.
    pub(crate) const fn lines(min: usize, max: usize) -> Self {
        Self { min, max, has_breaks: true }
    }

    /// What is wrong with `text`: a code and its words.
    fn fault(self, text: &str) -> Option<(&'static str, String)> {
        let count = text.chars().count();
        if count > self.max {
            return Some(("too_long", format!("at most {} characters", self.max)));
        }
        if has_control_characters(text, self.has_breaks) {
            return Some(("control_character", "has control characters".to_owned()));
        }
        if !self.has_breaks && text.trim() != text {
            return Some(("surrounding_space", "begins or ends with a space".to_owned()));
        }
        if text.trim().chars().count() < self.min {
            let detail = match self.min {
                1 => "may not be empty".to_owned(),
                min => format!("at least {min} characters"),
            };
            return Some(("too_short", detail));
        }
        None
    }
}

/// An object within the body, and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Fields<'a> {
    object: &'a Map<String, Value>,
    pointer: String,
}

impl<'a> Fields<'a> {
    /// The body itself.
    pub(crate) fn of_body(object: &'a Map<String, Value>) -> Self {
        Self::at(object, "#".to_owned())
    }

    /// An object that stands at `pointer`.
    pub(crate) fn at(object: &'a Map<String, Value>, pointer: String) -> Self {
        Self { object, pointer }
    }

    /// Where the field `name` stands.
    pub(crate) fn pointer(&self, name: &str) -> String {
        format!("{}/{name}", self.pointer)
    }

    /// Notes every field that is not `known`; those that are `read_only` are told apart.
    pub(crate) fn refuse_others(&self, known: &[&str], read_only: &[&str], faults: &mut Faults) {
        for name in self.object.keys() {
            if known.contains(&name.as_str()) {
                continue;
            }
            let shown: String = name
                .chars()
                .filter(|c| !c.is_control())
                .take(MAX_ECHO_CHARS)
                .collect::<String>()
                .replace('~', "~0")
                .replace('/', "~1");
            if read_only.contains(&name.as_str()) {
                faults.add(self.pointer(&shown), "read_only", "cannot be set");
            } else {
                let detail = format!("not one of {}", known.join(", "));
                faults.add(self.pointer(&shown), "unknown", detail);
            }
        }
    }

    /// A text.
    pub(crate) fn text(&self, name: &str, rule: TextRule, faults: &mut Faults) -> Given<String> {
        self.take(name, faults, |value| match value.as_str() {
            None => Err(("wrong_type", "has to be a text".to_owned())),
            Some(text) => rule.fault(text).map_or_else(|| Ok(text.to_owned()), Err),
        })
    }

    /// A word of a closed vocabulary.
    pub(crate) fn word<T>(&self, name: &str, faults: &mut Faults) -> Given<T>
    where
        T: FromStr,
        T::Err: Display,
    {
        self.take(name, faults, |value| match value.as_str() {
            None => Err(("wrong_type", "has to be a text".to_owned())),
            Some(text) => text.parse().map_err(|error: T::Err| ("unknown_word", error.to_string())),
        })
    }

    /// Yes or no.
    pub(crate) fn boolean(&self, name: &str, faults: &mut Faults) -> Given<bool> {
        self.take(name, faults, |value| {
            value.as_bool().ok_or_else(|| ("wrong_type", "has to be true or false".to_owned()))
        })
    }

    /// A whole number.
    pub(crate) fn integer(
        &self,
        name: &str,
        range: std::ops::RangeInclusive<i64>,
        faults: &mut Faults,
    ) -> Given<i64> {
        self.take(name, faults, |value| match value {
            Value::Number(number) => {
                number.as_i64().filter(|number| range.contains(number)).ok_or_else(|| {
                    let detail =
                        format!("a whole number from {} to {}", range.start(), range.end());
                    ("out_of_range", detail)
                })
            }
            _ => Err(("wrong_type", "has to be a whole number".to_owned())),
        })
    }

    /// An instant.
    pub(crate) fn instant(&self, name: &str, faults: &mut Faults) -> Given<OffsetDateTime> {
        self.take(name, faults, |value| {
            value.as_str().and_then(parse_date_time).ok_or_else(|| {
                ("malformed", "an RFC 3339 instant such as 2026-12-31T23:59:59Z".to_owned())
            })
        })
    }

    /// An object.
    pub(crate) fn object(&self, name: &str, faults: &mut Faults) -> Given<Fields<'a>> {
        let pointer = self.pointer(name);
        self.take(name, faults, |value| match value {
            Value::Object(object) => Ok(Fields::at(object, pointer.clone())),
            _ => Err(("wrong_type", "has to be an object".to_owned())),
        })
    }

    /// A list of at most `most` items.
    pub(crate) fn list(&self, name: &str, most: usize, faults: &mut Faults) -> Given<&'a [Value]> {
        self.take(name, faults, |value| match value {
            Value::Array(items) if items.len() > most => {
                Err(("too_many", format!("at most {most} items")))
            }
            Value::Array(items) => Ok(items.as_slice()),
            _ => Err(("wrong_type", "has to be a list".to_owned())),
        })
    }

    fn take<T>(
        &self,
        name: &str,
        faults: &mut Faults,
        parse: impl FnOnce(&'a Value) -> Result<T, (&'static str, String)>,
    ) -> Given<T> {
        match self.object.get(name) {
            None => Given::Absent,
            Some(Value::Null) => Given::Null,
            Some(value) => match parse(value) {
                Ok(parsed) => Given::Value(parsed),
                Err((code, detail)) => {
                    faults.add(self.pointer(name), code, detail);
                    Given::Faulty
                }
            },
        }
    }
}

/// Checks a text that is not a field by itself, such as an item of a list.
pub(crate) fn checked_text(
    value: &Value,
    rule: TextRule,
    pointer: &str,
    faults: &mut Faults,
) -> Option<String> {
    let Some(text) = value.as_str() else {
        faults.add(pointer, "wrong_type", "has to be a text");
        return None;
    };
    match rule.fault(text) {
        None => Some(text.to_owned()),
        Some((code, detail)) => {
            faults.add(pointer, code, detail);
            None
        }
    }
}

/// An RFC 3339 instant, in UTC; `None` also where it has no UTC date in the years 0 to 9999.
pub(crate) fn parse_date_time(text: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text, &Rfc3339).ok()?.checked_to_offset(UtcOffset::UTC)
}

#[cfg(test)]
mod tests;
