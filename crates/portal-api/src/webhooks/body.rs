//! What bodies ask for, checked.

use std::collections::BTreeSet;

use employer_store::webhooks::{EndpointChanges, KINDS};
use event_notifier::webhooks::AddressRules;
use serde_json::{Map, Value};
use tenancy::EventKind;
use utoipa::ToSchema;

use crate::error::{ApiError, ErrorCode, Faults};
use crate::jobs::fields::{Fields, Given, TextRule, checked_text};

const URL: TextRule = TextRule::line(8, 2_048);
const DESCRIPTION: TextRule = TextRule::line(0, 200);
const KIND: TextRule = TextRule::line(1, 60);

/// What is never set by a body.
const READ_ONLY: [&str; 9] = [
    "id",
    "secret",
    "status",
    "failures",
    "failing_since",
    "disabled_for",
    "disabled_at",
    "created_at",
    "updated_at",
];

/// An endpoint that is to be made.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a body; the fields are read one by one")]
pub(crate) struct WebhookDraft {
    /// Where messages go: `https`, on the public internet, without name, password or fragment.
    #[schema(min_length = 8, max_length = 2048, example = "https://hooks.example.com/portal")]
    url: String,
    /// What people will know it by.
    #[schema(max_length = 200, nullable = false, example = "Our HR system")]
    description: Option<String>,
    /// The kinds of events it is told of; all where it is left out or empty.
    #[schema(max_items = 50, nullable = false, example = json!(["application.submitted"]))]
    kinds: Option<Vec<String>>,
}

/// What is to be different about an endpoint; what is left out stays.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a body; the fields are read one by one")]
pub(crate) struct WebhookPatch {
    #[schema(min_length = 8, max_length = 2048, nullable = false)]
    url: Option<String>,
    #[schema(max_length = 200, nullable = false)]
    description: Option<String>,
    #[schema(max_items = 50, nullable = false)]
    kinds: Option<Vec<String>>,
    /// `true` begins anew, also where we gave it up; `false` pauses it.
    #[schema(nullable = false)]
    enabled: Option<bool>,
}

/// A [`WebhookDraft`] that holds.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) url: String,
    pub(super) description: String,
    pub(super) kinds: Vec<String>,
}

pub(super) fn read_draft(
    body: &Map<String, Value>,
    rules: &AddressRules,
) -> Result<Draft, ApiError> {
    let (fields, mut faults) = (Fields::of_body(body), Faults::default());
    fields.refuse_others(&["url", "description", "kinds"], &READ_ONLY, &mut faults);
    let url = address(&fields, rules, &mut faults).required("#/url", &mut faults);
    let description = fields.text("description", DESCRIPTION, &mut faults).optional();
    let kinds = kinds_of(&fields, &mut faults).unwrap_or_default();
    match url {
        Some(url) if faults.is_empty() => {
            Ok(Draft { url, description: description.unwrap_or_default(), kinds })
        }
        _ => Err(refused(faults)),
    }
}

pub(super) fn read_patch(
    body: &Map<String, Value>,
    rules: &AddressRules,
) -> Result<EndpointChanges, ApiError> {
    let (fields, mut faults) = (Fields::of_body(body), Faults::default());
    fields.refuse_others(&["url", "description", "kinds", "enabled"], &READ_ONLY, &mut faults);
    let changes = EndpointChanges {
        url: not_null("#/url", address(&fields, rules, &mut faults), &mut faults),
        description: not_null(
            "#/description",
            fields.text("description", DESCRIPTION, &mut faults),
            &mut faults,
        ),
        kinds: kinds_of(&fields, &mut faults),
        is_enabled: flag(body, "enabled", &mut faults),
    };
    if faults.is_empty() { Ok(changes) } else { Err(refused(faults)) }
}

pub(super) fn refused(faults: Faults) -> ApiError {
    ApiError::new(ErrorCode::ValidationFailed, "See errors for what is wrong.")
        .with_fields(faults.into_vec())
}

fn address(fields: &Fields<'_>, rules: &AddressRules, faults: &mut Faults) -> Given<String> {
    match fields.text("url", URL, faults) {
        Given::Value(text) => match rules.check(&text) {
            Ok(url) => Given::Value(url.into()),
            Err(refusal) => {
                faults.add("#/url", "refused", refusal.to_string());
                Given::Faulty
            }
        },
        given => given,
    }
}

/// The kinds that a body names, each once and in our order; `None` where it names none at all.
fn kinds_of(fields: &Fields<'_>, faults: &mut Faults) -> Option<Vec<String>> {
    let given = not_null("#/kinds", fields.list("kinds", 50, faults), faults)?;
    let mut wanted = BTreeSet::new();
    for (index, item) in given.iter().enumerate() {
        let pointer = format!("#/kinds/{index}");
        let Some(name) = checked_text(item, KIND, &pointer, faults) else { continue };
        if KINDS.iter().any(|kind| kind.as_str() == name) {
            wanted.insert(name);
        } else {
            let known: Vec<&str> = KINDS.iter().copied().map(EventKind::as_str).collect();
            faults.add(pointer, "unknown_word", format!("one of {}", known.join(", ")));
        }
    }
    Some(wanted.into_iter().collect())
}

fn flag(body: &Map<String, Value>, name: &str, faults: &mut Faults) -> Option<bool> {
    match body.get(name) {
        None => None,
        Some(Value::Bool(value)) => Some(*value),
        Some(_) => {
            faults.add(format!("#/{name}"), "wrong_type", "has to be true or false");
            None
        }
    }
}

fn not_null<T>(pointer: &str, given: Given<T>, faults: &mut Faults) -> Option<T> {
    match given {
        Given::Value(value) => Some(value),
        Given::Null => {
            faults.add(pointer, "required", "may not be null");
            None
        }
        Given::Absent | Given::Faulty => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rules() -> AddressRules {
        AddressRules::new(false, |_| false)
    }

    fn pointers(error: &ApiError) -> Vec<&str> {
        error.errors().iter().map(|fault| fault.pointer.as_str()).collect()
    }

    #[test]
    fn a_draft_is_checked_whole() {
        let body = json!({
            "url": "https://10.0.0.1/", "description": 7, "kinds": ["job.created", "x"], "secret": "s",
        });
        let error = read_draft(body.as_object().unwrap(), &rules()).unwrap_err();
        let mut found = pointers(&error);
        found.sort_unstable();
        assert_eq!(found, ["#/description", "#/kinds/1", "#/secret", "#/url"]);
        let error = read_draft(json!({}).as_object().unwrap(), &rules()).unwrap_err();
        assert_eq!(pointers(&error), ["#/url"]);
    }

    #[test]
    fn kinds_are_kept_once_and_in_order() {
        let body = json!({
            "url": "https://Example.com/a b", "kinds": ["job.updated", "job.created", "job.updated"],
        });
        let draft = read_draft(body.as_object().unwrap(), &rules()).unwrap();
        assert_eq!(draft.kinds, ["job.created", "job.updated"]);
        assert_eq!(draft.url, "https://example.com/a%20b");
    }

    #[test]
    fn a_patch_leaves_out_what_it_does_not_name_and_clears_nothing() {
        let read = |body: Value| read_patch(body.as_object().unwrap(), &rules());
        assert_eq!(read(json!({})).unwrap(), EndpointChanges::default());
        let changes = read(json!({ "enabled": false, "kinds": [] })).unwrap();
        assert_eq!(changes.is_enabled, Some(false));
        assert_eq!(changes.kinds, Some(Vec::new()));
        let error = read(json!({ "url": null, "enabled": "yes", "kinds": null })).unwrap_err();
        assert_eq!(pointers(&error).len(), 3);
    }
}
