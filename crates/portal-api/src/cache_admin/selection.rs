//! What is to be dropped, from a JSON body or from query parameters.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use serde_json::{Map, Value};
use tenancy::{Feature, TenantScope};
use tenant_cache::{NotAGroup, PurgeMode, PurgeTarget};

use crate::error::{ApiError, ErrorCode, Faults};
use crate::extract::{JsonBody, OptionalJson, Pairs};

/// Most keys of one call.
const MAX_KEYS: usize = 100;

/// The names that a body or a query may use.
const NAMES: [&str; 7] = ["keys", "feature", "prefix", "tag", "all", "mode", "dry_run"];

/// What was asked for, by name; not yet looked at.
#[derive(Debug)]
pub(crate) struct Asked {
    /// Whether it stood in the query.
    is_query: bool,
    values: Map<String, Value>,
}

/// What is to be dropped, and how.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Selection {
    pub(super) targets: BTreeSet<PurgeTarget>,
    pub(super) mode: PurgeMode,
    pub(super) is_dry_run: bool,
}

impl FromRequest for Asked {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let query = values_of(request.query_string());
        let body = JsonBody::<OptionalJson>::from_request(request, payload);
        Box::pin(async move {
            let (query, body) = (query?, body.await?.object);
            if query.is_empty() {
                return Ok(Self { is_query: false, values: body });
            }
            if body.is_empty() {
                return Ok(Self { is_query: true, values: query });
            }
            let detail = "Say it in the body or in the query, not in both.";
            Err(ApiError::new(ErrorCode::InvalidParameter, detail))
        })
    }
}

/// Query parameters in the form of a body.
fn values_of(query: &str) -> Result<Map<String, Value>, ApiError> {
    let pairs = Pairs::parse(query, &NAMES)?;
    let mut faults = Faults::default();
    let mut values = Map::new();
    for name in NAMES {
        if name == "keys" {
            // Keys hold commas, so several of them are repetitions.
            let keys = pairs.iter().filter(|(key, _)| *key == name);
            let keys: Vec<Value> = keys.map(|(_, value)| value.into()).collect();
            if !keys.is_empty() {
                values.insert(name.to_owned(), keys.into());
            }
        } else if let Some(value) = pairs.single(name, &mut faults) {
            let value = match (name, value) {
                ("all" | "dry_run", "true") => Value::Bool(true),
                ("all" | "dry_run", "false") => Value::Bool(false),
                _ => value.into(),
            };
            values.insert(name.to_owned(), value);
        }
    }
    if faults.is_empty() { Ok(values) } else { Err(refusal(faults)) }
}

impl Asked {
    /// Understands what was asked for, in the caller's own namespace.
    pub(super) fn resolve(&self, scope: &TenantScope) -> Result<Selection, ApiError> {
        let mut faults = Faults::default();
        for name in self.values.keys().filter(|name| !NAMES.contains(&name.as_str())) {
            let name: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
            faults.add(self.pointer(&name), "unknown", format!("not one of {}", NAMES.join(", ")));
        }
        let targets = self.targets(scope, &mut faults);
        let mode = match self.text("mode", &mut faults) {
            None | Some("hard") => PurgeMode::Hard,
            Some("soft") => PurgeMode::Soft,
            Some(_) => {
                faults.add(self.pointer("mode"), "unknown", "hard or soft");
                PurgeMode::Hard
            }
        };
        let is_dry_run = self.flag("dry_run", &mut faults).unwrap_or(false);
        if faults.is_empty() {
            Ok(Selection { targets: PurgeTarget::without_parts(&targets), mode, is_dry_run })
        } else {
            Err(refusal(faults))
        }
    }

    fn targets(&self, scope: &TenantScope, faults: &mut Faults) -> BTreeSet<PurgeTarget> {
        let feature = self.feature(faults);
        let (prefix, tag) = (self.text("prefix", faults), self.text("tag", faults));
        let all = self.flag("all", faults);
        let selectors = ["keys", "feature", "tag", "all"];
        let given = selectors.iter().filter(|name| self.values.contains_key(**name)).count();
        if given != 1 {
            let detail = "exactly one of keys, feature (with or without prefix), tag, all";
            faults.add(self.pointer(""), "contradiction", detail);
            return BTreeSet::new();
        }
        if prefix.is_some() && !self.values.contains_key("feature") {
            faults.add(self.pointer("prefix"), "contradiction", "needs a feature");
        }
        if all == Some(false) {
            faults.add(self.pointer("all"), "out_of_range", "only true says something");
        }
        let (name, groups) = match (feature, prefix, tag) {
            (Some(feature), Some(prefix), _) => ("prefix", PurgeTarget::of_prefix(feature, prefix)),
            (Some(feature), None, _) => return BTreeSet::from([PurgeTarget::Feature(feature)]),
            (None, _, Some(tag)) => ("tag", PurgeTarget::of_tag(tag)),
            (None, ..) if all == Some(true) => return BTreeSet::from([PurgeTarget::Everything]),
            (None, ..) => return self.keys(scope, faults),
        };
        groups.unwrap_or_else(|error| {
            faults.add(self.pointer(name), code_of(error), error.to_string());
            BTreeSet::new()
        })
    }

    fn keys(&self, scope: &TenantScope, faults: &mut Faults) -> BTreeSet<PurgeTarget> {
        let keys = match self.values.get("keys") {
            Some(Value::Array(keys)) if (1..=MAX_KEYS).contains(&keys.len()) => keys.as_slice(),
            Some(_) => {
                let detail = format!("a list of 1 to {MAX_KEYS} keys");
                faults.add(self.pointer("keys"), "out_of_range", detail);
                &[]
            }
            None => &[],
        };
        let mut groups = BTreeSet::new();
        for (index, key) in keys.iter().enumerate() {
            let pointer =
                if self.is_query { self.pointer("keys") } else { format!("#/keys/{index}") };
            match key.as_str().map(|key| PurgeTarget::of_key(scope, key)) {
                Some(Ok(group)) => _ = groups.insert(group),
                Some(Err(error)) => faults.add(pointer, code_of(error), error.to_string()),
                None => faults.add(pointer, "wrong_type", "a text"),
            }
        }
        groups
    }

    fn feature(&self, faults: &mut Faults) -> Option<Feature> {
        let name = self.text("feature", faults)?;
        let feature = find_feature(name);
        if feature.is_none() {
            faults.add(self.pointer("feature"), "unknown", features());
        }
        feature
    }

    fn text(&self, name: &str, faults: &mut Faults) -> Option<&str> {
        let value = self.values.get(name)?;
        if !value.is_string() {
            faults.add(self.pointer(name), "wrong_type", "a text");
        }
        value.as_str()
    }

    fn flag(&self, name: &str, faults: &mut Faults) -> Option<bool> {
        let value = self.values.get(name)?;
        if !value.is_boolean() {
            faults.add(self.pointer(name), "wrong_type", "true or false");
        }
        value.as_bool()
    }

    fn pointer(&self, name: &str) -> String {
        match (self.is_query, name) {
            (true, _) => format!("query:{name}"),
            (false, "") => "#".to_owned(),
            (false, _) => format!("#/{}", name.replace('~', "~0").replace('/', "~1")),
        }
    }
}

/// The feature of a name.
pub(super) fn find_feature(name: &str) -> Option<Feature> {
    Feature::ALL.into_iter().find(|feature| feature.as_str() == name)
}

/// The names of the features, for who did not know them.
pub(super) fn features() -> String {
    format!("one of {}", Feature::ALL.map(Feature::as_str).join(", "))
}

fn code_of(error: NotAGroup) -> &'static str {
    match error {
        NotAGroup::Malformed => "malformed",
        NotAGroup::OtherNamespace => "other_namespace",
        NotAGroup::UnknownOperation | NotAGroup::UnknownKey | NotAGroup::UnknownTag => "unknown",
    }
}

/// Bodies are refused like parameters here: both say the same things.
fn refusal(faults: Faults) -> ApiError {
    let detail = "What is to be dropped cannot be told from this; see errors.";
    ApiError::new(ErrorCode::InvalidParameter, detail).with_fields(faults.into_vec())
}

#[cfg(test)]
mod tests;
