//! Event streams: who is told of changes to members, in the shape and with the habits of Auth0's
//! webhooks. At least once, in no promised order, four attempts, none after a 4xx.

use std::collections::BTreeMap;
use std::time::Duration;

use actix_web::web;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tenancy::OrgId;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use url::Url;

use crate::args::ClientSecret;
use crate::management::role_id;
use crate::provider::Provider;

/// The pauses before the second, third and fourth attempt.
const PAUSES: [Duration; 3] =
    [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long an event is held back that is to arrive after the one behind it.
const HELD_BACK: Duration = Duration::from_millis(400);
const STREAMS_MAX: usize = 1_000;

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(crate) enum Kind {
    #[serde(rename = "organization.member.added")]
    MemberAdded,
    #[serde(rename = "organization.member.deleted")]
    MemberDeleted,
    #[serde(rename = "organization.member.role.assigned")]
    RoleAssigned,
    #[serde(rename = "organization.member.role.deleted")]
    RoleDeleted,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::MemberAdded => "organization.member.added",
            Self::MemberDeleted => "organization.member.deleted",
            Self::RoleAssigned => "organization.member.role.assigned",
            Self::RoleDeleted => "organization.member.role.deleted",
        }
    }
}

/// A change to a member.
#[derive(Clone, Debug)]
pub(crate) struct Happening {
    pub(crate) kind: Kind,
    pub(crate) org: OrgId,
    pub(crate) user: String,
    pub(crate) role: Option<String>,
}

impl Happening {
    /// Somebody joined or left.
    pub(crate) fn member(kind: Kind, org: &OrgId, user: &str) -> Self {
        Self { kind, org: org.clone(), user: user.to_owned(), role: None }
    }

    /// Somebody got or lost a role.
    pub(crate) fn role(kind: Kind, org: &OrgId, user: &str, role: &str) -> Self {
        Self { role: Some(role.to_owned()), ..Self::member(kind, org, user) }
    }

    /// The event that tells of it.
    pub(crate) fn event(&self, id: &str, at: OffsetDateTime) -> Value {
        let mut object = json!({
            "organization": { "id": self.org },
            "user": { "user_id": self.user },
        });
        if let (Some(role), Some(object)) = (&self.role, object.as_object_mut()) {
            object.insert("role".to_owned(), json!({ "id": role_id(role), "name": role }));
        }
        json!({
            "specversion": "1.0",
            "type": self.kind.name(),
            "source": "urn:auth0:dev-auth0.localhost",
            "id": id,
            "time": at.format(&Rfc3339).unwrap_or_default(),
            "a0tenant": "dev-auth0",
            "a0stream": "est_0000000000000000000000",
            "data": { "object": object, "context": { "request": { "ip": "127.0.0.1" } } },
        })
    }
}

/// An id as Auth0 makes them.
pub(crate) fn event_id() -> String {
    let random = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
    let letters: String =
        random.chars().filter(char::is_ascii_alphanumeric).chain("0".repeat(22).chars()).collect();
    format!("evt_{}", letters.get(..22).unwrap_or_default())
}

/// Who is told; the body of `PUT /dev/event-streams/{name}`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EventStream {
    pub(crate) url: Url,
    /// Sent as the bearer.
    pub(crate) token: StreamToken,
    /// Whose changes; absent: everybody's.
    pub(crate) organization: Option<OrgId>,
    /// Every event is sent twice.
    #[serde(default)]
    pub(crate) duplicate: bool,
    /// Every other event is held back, so that it arrives after the one behind it.
    #[serde(default)]
    pub(crate) reorder: bool,
    /// Nothing is sent: the stream is switched off, as Auth0 does after too many failures.
    #[serde(default)]
    pub(crate) disabled: bool,
}

/// A bearer that does not print.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "String")]
pub(crate) struct StreamToken(ClientSecret);

impl From<String> for StreamToken {
    fn from(text: String) -> Self {
        Self(ClientSecret::from(text))
    }
}

impl StreamToken {
    pub(crate) fn expose(&self) -> &str {
        self.0.expose()
    }
}

/// What became of a stream's events.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Deliveries {
    events: u64,
    attempts: u64,
    delivered: u64,
    given_up: u64,
}

/// All streams, by name.
#[derive(Debug, Default)]
pub(crate) struct EventStreams(BTreeMap<String, (EventStream, Deliveries)>);

impl EventStreams {
    /// Adds a stream or replaces the one with this name; false where there are too many.
    pub(crate) fn put(&mut self, name: String, stream: EventStream) -> bool {
        if self.0.len() >= STREAMS_MAX && !self.0.contains_key(&name) {
            return false;
        }
        self.0.insert(name, (stream, Deliveries::default()));
        true
    }

    /// Ends a stream.
    pub(crate) fn remove(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// What became of a stream's events.
    pub(crate) fn deliveries(&self, name: &str) -> Option<Deliveries> {
        self.0.get(name).map(|(_, deliveries)| *deliveries)
    }

    fn concerned(&mut self, org: &OrgId) -> Vec<(String, EventStream, bool)> {
        let mut concerned = Vec::new();
        for (name, (stream, deliveries)) in &mut self.0 {
            let wants = stream.organization.as_ref().is_none_or(|own| own == org);
            if stream.disabled || !wants {
                continue;
            }
            deliveries.events += 1;
            let is_held_back = stream.reorder && deliveries.events % 2 == 1;
            concerned.push((name.clone(), stream.clone(), is_held_back));
        }
        concerned
    }

    fn count(&mut self, name: &str, count: impl FnOnce(&mut Deliveries)) {
        if let Some((_, deliveries)) = self.0.get_mut(name) {
            count(deliveries);
        }
    }
}

/// Tells every stream that is concerned, each on a task of its own.
pub(crate) fn tell(provider: &web::Data<Provider>, happening: &Happening) {
    let event = happening.event(&event_id(), provider.now());
    let concerned = provider.event_streams().concerned(&happening.org);
    for (name, stream, is_held_back) in concerned {
        for _ in 0..=u8::from(stream.duplicate) {
            let (provider, name, stream, event) =
                (provider.clone(), name.clone(), stream.clone(), event.clone());
            actix_web::rt::spawn(async move {
                if is_held_back {
                    tokio::time::sleep(HELD_BACK).await;
                }
                deliver(&provider, &name, &stream, &event).await;
            });
        }
    }
}

async fn deliver(provider: &Provider, name: &str, stream: &EventStream, event: &Value) {
    let mut pauses = PAUSES.into_iter();
    loop {
        provider.event_streams().count(name, |deliveries| deliveries.attempts += 1);
        let answer = post(provider, &stream.url, stream.token.expose(), event).await;
        let is_final = match answer {
            Ok(status) if (200..300).contains(&status) => {
                provider.event_streams().count(name, |deliveries| deliveries.delivered += 1);
                return;
            }
            Ok(status) => (400..500).contains(&status),
            Err(_) => false,
        };
        match pauses.next() {
            Some(pause) if !is_final => tokio::time::sleep(pause).await,
            _ => {
                tracing::warn!(stream = name, "an event was given up");
                provider.event_streams().count(name, |deliveries| deliveries.given_up += 1);
                return;
            }
        }
    }
}

/// Posts one event once; answers the status.
pub(crate) async fn post(
    provider: &Provider,
    url: &Url,
    token: &str,
    event: &Value,
) -> Result<u16, reqwest::Error> {
    let request = provider.http.post(url.clone()).timeout(TIMEOUT).bearer_auth(token).json(event);
    Ok(request.send().await?.status().as_u16())
}
