//! Everything that is wrong with the settings, by name.

use std::fmt;

/// Faults found so far. A value may be wrong in a message's words, but is never quoted in it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults(Vec<(String, String)>);

impl Faults {
    pub(crate) fn add(&mut self, name: &str, problem: impl Into<String>) {
        self.0.push((name.to_owned(), problem.into()));
    }

    /// Notes that a required value is missing, and what it is; unless it is known already why
    /// there is none.
    pub(crate) fn missing<T>(&mut self, name: &str, meaning: &str) -> Option<T> {
        let is_of = |fault: &str| fault.strip_suffix("_FILE").unwrap_or(fault) == name;
        if !self.0.iter().any(|(fault, _)| is_of(fault)) {
            self.add(name, format!("is not set: {meaning}"));
        }
        None
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The settings cannot be used; the text has one line a fault, and no other where there is one.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) struct InvalidSettings(pub(crate) Faults);

impl fmt::Display for InvalidSettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [(name, problem)] = self.0.0.as_slice() {
            return write!(formatter, "{name} {problem}");
        }
        formatter.write_str("the settings cannot be used")?;
        for (name, problem) in &self.0.0 {
            write!(formatter, "\n  {name} {problem}")?;
        }
        Ok(())
    }
}
