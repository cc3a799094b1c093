//! What an application says: collected as text, checked field by field, all faults at once.

use std::collections::BTreeMap;

use employer_store::public_board::NewSubmission;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::error::{ApiError, Faults};
use crate::extract::has_control_characters;
use crate::jobs::body::invalid;

/// The fields, in the order in which faults are told. `website` is for machines: people do not see
/// it, and whoever fills it in is answered like anybody else and not heard.
pub(super) const FIELDS: [&str; 13] = [
    "name",
    "email",
    "phone",
    "message",
    "source",
    "utm_source",
    "utm_medium",
    "utm_campaign",
    "utm_term",
    "utm_content",
    "consent_version",
    "locale",
    "website",
];

const UTM: [&str; 5] = ["utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content"];
const MAX_NAME: usize = 200;
const MAX_EMAIL: usize = 254;
const MAX_LOCAL_PART: usize = 64;
const MAX_PHONE: usize = 40;
const MAX_MESSAGE: usize = 10_000;
const MAX_UTM: usize = 200;
const MAX_SOURCE: usize = 50;

/// An application as a form or as JSON, described for the OpenAPI document.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a body; the fields are read one by one")]
pub(crate) struct ApplicationForm {
    /// Who applies.
    #[schema(max_length = 200)]
    name: String,
    /// Where to reach them.
    #[schema(max_length = 254, example = "ada@example.com")]
    email: String,
    /// A number to call.
    #[schema(max_length = 40)]
    phone: Option<String>,
    /// What they want to say; plain text.
    #[schema(max_length = 10_000)]
    message: Option<String>,
    /// Where they came from; `utm_source` where absent.
    #[schema(max_length = 50, example = "newsletter")]
    source: Option<String>,
    /// The campaign's parameters, as the link had them.
    #[schema(max_length = 200)]
    utm_source: Option<String>,
    #[schema(max_length = 200)]
    utm_medium: Option<String>,
    #[schema(max_length = 200)]
    utm_campaign: Option<String>,
    #[schema(max_length = 200)]
    utm_term: Option<String>,
    #[schema(max_length = 200)]
    utm_content: Option<String>,
    /// The version of the privacy notice that was agreed to.
    #[schema(max_length = 50)]
    consent_version: Option<String>,
    /// BCP 47 tag of the language that they read.
    #[schema(max_length = 35, example = "en")]
    locale: Option<String>,
    /// Leave it empty: it is not shown to people.
    website: Option<String>,
    /// PDF or Word, 10 MiB at most. Only in `multipart/form-data`.
    #[schema(value_type = Option<String>, format = Binary)]
    resume: Option<Vec<u8>>,
}

/// What was sent, each field once.
#[derive(Default)]
pub(super) struct Form(BTreeMap<&'static str, String>);

impl Form {
    /// The field of this name, if there is one.
    pub(super) fn known(name: &str) -> Option<&'static str> {
        FIELDS.into_iter().find(|field| *field == name)
    }

    /// Takes a field; false where it was there already.
    pub(super) fn put(&mut self, field: &'static str, value: String) -> bool {
        self.0.insert(field, value).is_none()
    }

    /// The fields of a JSON object: texts, or null for what is absent.
    pub(super) fn of_json(object: &Map<String, Value>) -> Result<Self, ApiError> {
        let (mut form, mut faults) = (Self::default(), Faults::default());
        for (name, value) in object {
            match (Self::known(name), value) {
                (None, _) => {
                    let name: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
                    faults.add(format!("#/{name}"), "unknown", "is no field of an application");
                }
                (Some(_), Value::Null) => {}
                (Some(field), Value::String(text)) => {
                    form.put(field, text.clone());
                }
                (Some(field), _) => faults.add(format!("#/{field}"), "type", "is a text"),
            }
        }
        if faults.is_empty() { Ok(form) } else { Err(invalid(faults)) }
    }

    /// Whether the field that people do not see was filled in.
    pub(super) fn is_of_a_machine(&self) -> bool {
        self.0.get("website").is_some_and(|text| !text.trim().is_empty())
    }

    /// The application that it describes.
    pub(super) fn read(&self, now: &str) -> Result<NewSubmission, ApiError> {
        let mut faults = Faults::default();
        let name = self.text("name", MAX_NAME, false, &mut faults);
        let email = self.text("email", MAX_EMAIL, false, &mut faults);
        if name.is_none() && faults.is_empty() {
            faults.add("#/name", "required", "is required");
        }
        let email = match email.map(|email| email.to_lowercase()) {
            Some(email) if is_address(&email) => Some(email),
            Some(_) => {
                faults.add("#/email", "malformed", "is no e-mail address");
                None
            }
            None => {
                faults.add("#/email", "required", "is required");
                None
            }
        };
        let phone = self.text("phone", MAX_PHONE, false, &mut faults);
        if phone.as_ref().is_some_and(|phone| !is_number(phone)) {
            faults.add("#/phone", "malformed", "is no phone number");
        }
        let message = self.text("message", MAX_MESSAGE, true, &mut faults);
        let utm: Map<String, Value> = UTM
            .into_iter()
            .filter_map(|field| Some((field, self.text(field, MAX_UTM, false, &mut faults)?)))
            .map(|(field, text)| (field.trim_start_matches("utm_").to_owned(), json!(text)))
            .collect();
        let source = self.text("source", MAX_UTM, false, &mut faults);
        let source = source.or_else(|| Some(utm.get("source")?.as_str()?.to_owned()));
        let consent = self.text("consent_version", 50, false, &mut faults);
        let locale = self.text("locale", 35, false, &mut faults);
        if locale.as_ref().is_some_and(|locale| !is_language_tag(locale)) {
            faults.add("#/locale", "malformed", "is no BCP 47 language tag");
        }
        let (Some(name), Some(email), true) = (name, email, faults.is_empty()) else {
            return Err(invalid(faults));
        };
        Ok(NewSubmission {
            email,
            name,
            phone,
            message,
            source: source.as_deref().and_then(source_of),
            utm: Value::Object(utm),
            consent: consent
                .map_or_else(|| json!({}), |version| json!({ "version": version, "at": now })),
            locale,
        })
    }

    /// A field without blanks around it; one that says nothing is absent.
    fn text(
        &self,
        field: &str,
        most: usize,
        has_lines: bool,
        faults: &mut Faults,
    ) -> Option<String> {
        let text = self.0.get(field)?.trim();
        if text.is_empty() {
            return None;
        }
        let pointer = format!("#/{field}");
        if text.chars().count() > most {
            faults.add(pointer, "too_long", format!("at most {most} characters"));
            return None;
        }
        if has_control_characters(text, has_lines) {
            faults.add(pointer, "control_character", "has control characters");
            return None;
        }
        Some(text.to_owned())
    }
}

/// Where somebody came from, in the alphabet of figures; `None` where nothing of it is left.
pub(super) fn source_of(text: &str) -> Option<String> {
    let mut source = String::with_capacity(text.len().min(MAX_SOURCE));
    for c in text.trim().chars().flat_map(char::to_lowercase) {
        let c = if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
        let follows_letter = source.ends_with(|last: char| last.is_ascii_alphanumeric());
        if source.len() < MAX_SOURCE && (c.is_ascii_alphanumeric() || follows_letter) {
            source.push(c);
        }
    }
    let source = source.trim_end_matches(['.', '_', '-']);
    (!source.is_empty()).then(|| source.to_owned())
}

/// Whether a mail could be sent there, as far as the form tells: a mailbox and a domain with a dot.
fn is_address(text: &str) -> bool {
    // Again: a letter may have become two in lower case.
    if text.chars().count() > MAX_EMAIL {
        return false;
    }
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let is_word = |part: &str| {
        !part.is_empty() && !part.chars().any(|c| c.is_whitespace() || "@\"(),:;<>[\\]".contains(c))
    };
    let labels: Vec<&str> = domain.split('.').collect();
    let is_label = |label: &&str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c == '-' || c.is_alphanumeric())
    };
    is_word(local)
        && local.len() <= MAX_LOCAL_PART
        && labels.len() >= 2
        && labels.iter().all(is_label)
}

fn is_number(text: &str) -> bool {
    let digits = text.chars().filter(char::is_ascii_digit).count();
    digits >= 3 && text.chars().all(|c| c.is_ascii_alphanumeric() || " +-./()".contains(c))
}

fn is_language_tag(text: &str) -> bool {
    let mut parts = text.split('-');
    let is_language = parts.next().is_some_and(|first| {
        (2..=3).contains(&first.len()) && first.bytes().all(|b| b.is_ascii_alphabetic())
    });
    is_language
        && parts.all(|part| {
            (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(fields: &[(&'static str, &str)]) -> Form {
        let mut form = Form::default();
        for (name, value) in fields {
            assert!(form.put(name, (*value).to_owned()));
        }
        form
    }

    fn pointers(form: &Form) -> Vec<(String, &'static str)> {
        let refused = form.read("now").unwrap_err();
        refused.errors().iter().map(|error| (error.pointer.clone(), error.code)).collect()
    }

    #[test]
    fn an_application_is_read_in_its_plainest_form() {
        let given = form(&[
            ("name", "  Ada Lovelace "),
            ("email", "Ada@Example.COM"),
            ("utm_source", "News Letter!"),
            ("utm_campaign", "autumn"),
            ("phone", ""),
            ("consent_version", "2026-11"),
        ]);
        let read = given.read("2026-11-22T10:00:00Z").unwrap();
        assert_eq!((read.name.as_str(), read.email.as_str()), ("Ada Lovelace", "ada@example.com"));
        assert_eq!(read.phone, None, "an empty box says nothing");
        assert_eq!(read.source.as_deref(), Some("news-letter"));
        assert_eq!(read.utm, json!({"source": "News Letter!", "campaign": "autumn"}));
        assert_eq!(read.consent["version"], "2026-11");
    }

    #[test]
    fn faults_are_named_all_at_once() {
        let given = form(&[
            ("email", "nobody"),
            ("phone", "call me"),
            ("message", &"x".repeat(10_001)),
            ("locale", "not a tag"),
        ]);
        let expected = [
            ("#/name", "required"),
            ("#/email", "malformed"),
            ("#/phone", "malformed"),
            ("#/message", "too_long"),
            ("#/locale", "malformed"),
        ];
        assert_eq!(pointers(&given), expected.map(|(at, code)| (at.to_owned(), code)));
    }

    #[test]
    fn addresses_have_a_mailbox_and_a_domain() {
        for good in ["a@b.example", "first.last+tag@sub.example.org", "ü@münchen.example"] {
            assert!(is_address(good), "{good}");
        }
        for bad in [
            "",
            "a",
            "a@",
            "@b.example",
            "a@b",
            "a b@c.example",
            "a@b..example",
            "a@-b.example",
            "a@b.example\n",
            "a,b@c.example",
            "\"a\"@b.example",
            &format!("a@{}.example", "x".repeat(MAX_EMAIL)),
        ] {
            assert!(!is_address(bad), "{bad:?}");
        }
    }

    #[test]
    fn sources_have_the_alphabet_of_the_column() {
        for (text, expected) in [
            ("Indeed", Some("indeed")),
            (" a  b ", Some("a-b")),
            ("--x--", Some("x")),
            ("ÄÖ", None),
            ("", None),
            ("a.b_c-d", Some("a.b_c-d")),
        ] {
            assert_eq!(source_of(text).as_deref(), expected, "{text}");
        }
        assert_eq!(source_of(&"x".repeat(90)).unwrap().len(), MAX_SOURCE);
    }
}
