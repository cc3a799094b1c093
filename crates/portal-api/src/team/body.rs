//! What is sent to change a team.

use serde_json::{Map, Value};
use tenancy::Role;
use utoipa::ToSchema;

use crate::error::{ApiError, ErrorCode, Faults};

/// Longest e-mail address that mail can be sent to, in bytes.
const MAX_EMAIL_BYTES: usize = 254;

/// Longest unknown name that an answer repeats.
const MAX_ECHO_CHARS: usize = 64;

/// The body of a change of role.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "documentation; the fields are read one by one, to name each fault")]
pub(crate) struct RoleChange {
    /// The role: `owner`, `admin`, `recruiter`, `hiring_manager` or `viewer`.
    #[schema(example = "recruiter")]
    role: String,
}

/// The body of an invitation.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "documentation; the fields are read one by one, to name each fault")]
pub(crate) struct InvitationDraft {
    /// Whom to invite.
    #[schema(example = "ada@example.com")]
    email: String,
    /// What they will be.
    #[schema(example = "recruiter")]
    role: String,
}

/// The role of a change.
pub(super) fn read_role_change(object: &Map<String, Value>) -> Result<Role, ApiError> {
    let mut faults = Faults::default();
    refuse_others(object, &["role"], &mut faults);
    let role = read_role(object, &mut faults);
    finish(role, faults)
}

/// Address, in lower case, and role of an invitation.
pub(super) fn read_invitation(object: &Map<String, Value>) -> Result<(String, Role), ApiError> {
    let mut faults = Faults::default();
    refuse_others(object, &["email", "role"], &mut faults);
    let email = text(object, "email", &mut faults).and_then(|email| {
        if is_email(email) {
            return Some(email.to_lowercase());
        }
        faults.add("#/email", "malformed", "is not an e-mail address");
        None
    });
    let role = read_role(object, &mut faults);
    finish(email.zip(role), faults)
}

fn read_role(object: &Map<String, Value>, faults: &mut Faults) -> Option<Role> {
    let role = text(object, "role", faults)?;
    role.parse()
        .map_err(|unknown: tenancy::UnknownRole| {
            faults.add("#/role", "unknown_value", unknown.to_string());
        })
        .ok()
}

fn text<'a>(object: &'a Map<String, Value>, name: &str, faults: &mut Faults) -> Option<&'a str> {
    let pointer = format!("#/{name}");
    match object.get(name) {
        None => faults.add(pointer, "required", "is required"),
        Some(Value::Null) => faults.add(pointer, "null", "may not be null"),
        Some(Value::String(text)) => return Some(text),
        Some(_) => faults.add(pointer, "wrong_type", "has to be a string"),
    }
    None
}

fn refuse_others(object: &Map<String, Value>, known: &[&str], faults: &mut Faults) {
    for name in object.keys().filter(|name| !known.contains(&name.as_str())) {
        let shown: String = name.chars().filter(|c| !c.is_control()).take(MAX_ECHO_CHARS).collect();
        let shown = shown.replace('~', "~0").replace('/', "~1");
        faults.add(format!("#/{shown}"), "unknown", format!("not one of {}", known.join(", ")));
    }
}

fn finish<T>(value: Option<T>, faults: Faults) -> Result<T, ApiError> {
    match value {
        Some(value) if faults.is_empty() => Ok(value),
        _ => Err(ApiError::new(ErrorCode::ValidationFailed, "Fields of the body are not valid.")
            .with_fields(faults.into_vec())),
    }
}

/// Whether mail could go there; whether it arrives, the invitation shows.
fn is_email(text: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|b| b.is_ascii_graphic() && !b"@<>()[],;:\\\"".contains(&b))
    };
    text.len() <= MAX_EMAIL_BYTES
        && text.split_once('@').is_some_and(|(local, domain)| {
            is_part(local)
                && is_part(domain)
                && domain.contains('.')
                && !domain.starts_with('.')
                && !domain.ends_with('.')
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn codes<T: std::fmt::Debug>(result: Result<T, ApiError>) -> Vec<(String, &'static str)> {
        let error = result.unwrap_err();
        assert_eq!(error.code(), ErrorCode::ValidationFailed);
        error.errors().iter().map(|fault| (fault.pointer.clone(), fault.code)).collect()
    }

    #[test]
    fn a_role_is_one_of_five() {
        let read = |body: Value| read_role_change(body.as_object().unwrap());
        assert_eq!(read(json!({ "role": "hiring_manager" })).unwrap(), Role::HiringManager);
        for (body, code) in [
            (json!({}), "required"),
            (json!({ "role": null }), "null"),
            (json!({ "role": 1 }), "wrong_type"),
            (json!({ "role": "Owner" }), "unknown_value"),
            (json!({ "role": "operator" }), "unknown_value"),
        ] {
            assert_eq!(codes(read(body.clone())), [("#/role".to_owned(), code)], "{body}");
        }
        let extra = json!({ "role": "viewer", "a/b": 1 });
        assert_eq!(codes(read(extra)), [("#/a~1b".to_owned(), "unknown")]);
    }

    #[test]
    fn an_invitation_has_an_address_that_mail_can_go_to() {
        let read = |email: &str| {
            let body = json!({ "email": email, "role": "viewer" });
            read_invitation(body.as_object().unwrap())
        };
        let (email, role) = read("Ada.Byron+x@Example.com").unwrap();
        assert_eq!((email.as_str(), role), ("ada.byron+x@example.com", Role::Viewer));
        let long = format!("{}@example.com", "a".repeat(250));
        for refused in [
            "",
            "ada",
            "@example.com",
            "ada@",
            "ada@example",
            "a b@example.com",
            "a@b@c.d",
            "ada@.com",
            "ada@example.com\r\nBcc: x@y.z",
            "<a@b.c>",
            "ünlike@example.com",
            &long,
        ] {
            assert_eq!(codes(read(refused)), [("#/email".to_owned(), "malformed")], "{refused}");
        }
        assert_eq!(codes(read_invitation(&Map::new())).len(), 2);
    }
}
