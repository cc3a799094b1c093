//! The part of a `CloudEvent` that matters.

use serde::Deserialize;
use tenancy::OrgId;
use time::OffsetDateTime;

/// Longest id and name, in bytes.
const MAX_TEXT_BYTES: usize = 255;

/// The types that say that somebody's place has changed, and whether they may be gone.
const KINDS: [(&str, bool); 4] = [
    ("organization.member.added", false),
    ("organization.member.deleted", true),
    ("organization.member.role.assigned", false),
    ("organization.member.role.deleted", false),
];

/// Something that happened at the identity provider.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Event {
    /// The same on each delivery.
    pub(super) id: String,
    /// When it happened there.
    pub(super) time: OffsetDateTime,
    /// Whose place it is about; none where it is of no interest.
    pub(super) subject: Option<Subject>,
}

/// Whose place where.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Subject {
    pub(super) org: OrgId,
    pub(super) user: String,
    /// Whether they may be no member any more.
    pub(super) may_have_left: bool,
}

/// Why a body is no event.
#[derive(Debug, thiserror::Error)]
pub(super) enum EventFault {
    #[error("not a CloudEvent")]
    Malformed(#[from] serde_json::Error),
    #[error("the {0} is empty, too long or has control characters")]
    Text(&'static str),
    #[error("it does not say whose place has changed where")]
    Subject,
}

#[derive(Deserialize)]
struct CloudEvent {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(with = "time::serde::rfc3339")]
    time: OffsetDateTime,
    #[serde(default)]
    data: Data,
}

#[derive(Default, Deserialize)]
struct Data {
    object: Option<Object>,
}

#[derive(Deserialize)]
struct Object {
    organization: Option<Organization>,
    user: Option<User>,
}

#[derive(Deserialize)]
struct Organization {
    id: String,
}

#[derive(Deserialize)]
struct User {
    user_id: String,
}

impl Event {
    /// Reads a delivery. Events of types that are of no interest are taken as they are: refused,
    /// they would be sent again and count as failures of ours.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, EventFault> {
        let event: CloudEvent = serde_json::from_slice(bytes)?;
        check("id", &event.id)?;
        let kind = KINDS.iter().find(|(kind, _)| *kind == event.kind);
        let Some((_, may_have_left)) = kind else {
            return Ok(Self { id: event.id, time: event.time, subject: None });
        };
        let object = event.data.object.ok_or(EventFault::Subject)?;
        let (Some(organization), Some(user)) = (object.organization, object.user) else {
            return Err(EventFault::Subject);
        };
        check("user", &user.user_id)?;
        let org = organization.id.parse().map_err(|_| EventFault::Subject)?;
        let subject = Subject { org, user: user.user_id, may_have_left: *may_have_left };
        Ok(Self { id: event.id, time: event.time, subject: Some(subject) })
    }
}

fn check(what: &'static str, text: &str) -> Result<(), EventFault> {
    let is_usable =
        (1..=MAX_TEXT_BYTES).contains(&text.len()) && !text.chars().any(char::is_control);
    if is_usable { Ok(()) } else { Err(EventFault::Text(what)) }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn event(kind: &str) -> Value {
        json!({
            "specversion": "1.0", "type": kind, "source": "urn:auth0:x", "id": "evt_1",
            "time": "2026-11-21T12:34:56.789Z", "a0tenant": "x", "a0stream": "est_1",
            "data": { "object": {
                "organization": { "id": "org_9f2cA1", "name": "x" },
                "user": { "user_id": "auth0|ada", "name": "Ada" },
                "role": { "id": "rol_1", "name": "admin" },
            }, "context": {} },
        })
    }

    fn parsed(event: &Value) -> Result<Event, EventFault> {
        Event::parse(event.to_string().as_bytes())
    }

    #[test]
    fn it_says_whose_place_changed_where() {
        for (kind, may_have_left) in [
            ("organization.member.role.assigned", false),
            ("organization.member.role.deleted", false),
            ("organization.member.added", false),
            ("organization.member.deleted", true),
        ] {
            let event = parsed(&event(kind)).unwrap_or_else(|fault| panic!("{kind}: {fault}"));
            let subject = event.subject.unwrap();
            assert_eq!((subject.org.as_str(), &*subject.user), ("org_9f2cA1", "auth0|ada"));
            assert_eq!(subject.may_have_left, may_have_left, "{kind}");
            assert_eq!(event.time.unix_timestamp(), 1_795_264_496);
        }
    }

    #[test]
    fn what_is_of_no_interest_is_taken_and_what_is_no_event_is_not() {
        for kind in ["organization.created", "group.member.added", "something.new"] {
            assert!(parsed(&event(kind)).is_ok_and(|event| event.subject.is_none()), "{kind}");
        }
        let assigned = "organization.member.role.assigned";
        for (pointer, value) in [
            ("/id", json!("")),
            ("/id", json!(7)),
            ("/id", json!("x".repeat(300))),
            ("/time", json!("yesterday")),
            ("/data/object/user/user_id", json!("a\nb")),
            ("/data/object/user", json!(null)),
            ("/data/object/organization/id", json!("northwind")),
            ("/data/object", json!(null)),
        ] {
            let mut altered = event(assigned);
            *altered.pointer_mut(pointer).unwrap() = value.clone();
            assert!(parsed(&altered).is_err(), "{pointer}: {value}");
        }
        assert!(Event::parse(b"").is_err() && Event::parse(b"[]").is_err());
    }
}
