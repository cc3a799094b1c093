//! The process environment, read once. Nothing else in the workspace reads it.

use std::collections::BTreeMap;

use secrecy::SecretString;

use super::faults::Faults;

/// The variables of a process.
#[derive(Clone, Default)]
pub(crate) struct Variables(BTreeMap<String, String>);

impl Variables {
    /// Those of this process; ones that are not Unicode are left out.
    #[expect(clippy::disallowed_methods, reason = "this is the place that the rule points to")]
    pub(crate) fn of_process() -> Self {
        Self(
            std::env::vars_os()
                .filter_map(|(name, value)| {
                    Some((name.into_string().ok()?, value.into_string().ok()?))
                })
                .collect(),
        )
    }

    /// The value of `name`; empty counts as unset.
    pub(crate) fn find(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Whether `name` or `name_FILE` is set.
    pub(crate) fn is_set(&self, name: &str) -> bool {
        self.find(name).or_else(|| self.find(&format!("{name}_FILE"))).is_some()
    }

    /// The value of `name`, or the content of the file that `name_FILE` points to.
    pub(crate) fn find_or_file(&self, name: &str, faults: &mut Faults) -> Option<String> {
        let file_name = format!("{name}_FILE");
        match (self.find(name), self.find(&file_name)) {
            (Some(_), Some(_)) => {
                faults.add(name, format!("is set beside {file_name}; set one of them"));
                None
            }
            (Some(value), None) => Some(value.to_owned()),
            (None, Some(path)) => match std::fs::read_to_string(path) {
                Ok(content) => Some(content.trim_end_matches(['\r', '\n']).to_owned()),
                Err(error) => {
                    faults.add(&file_name, format!("cannot be read: {error}"));
                    None
                }
            },
            (None, None) => None,
        }
    }

    /// As [`Self::find_or_file`], for values that must not print.
    pub(crate) fn find_secret(&self, name: &str, faults: &mut Faults) -> Option<SecretString> {
        self.find_or_file(name, faults).map(SecretString::from)
    }

    /// The variables that begin with `prefix`, without it.
    pub(crate) fn with_prefix<'a>(
        &'a self,
        prefix: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0
            .iter()
            .filter_map(move |(name, value)| Some((name.strip_prefix(prefix)?, value.as_str())))
    }
}

#[cfg(test)]
impl Variables {
    pub(crate) fn from_pairs(pairs: Vec<(&str, &str)>) -> Self {
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        Self(pairs.into_iter().map(owned).collect())
    }
}

impl std::fmt::Debug for Variables {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}
