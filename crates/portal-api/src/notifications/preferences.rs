//! `GET` and `PUT /api/notifications/preferences`: what somebody wants to hear of, and how.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use employer_store::TenantTx;
use employer_store::feed::NotificationKind;
use employer_store::preferences::{
    Channels, Digest, Preferences, QuietHours, get_preferences as read, is_time_zone,
    put_preferences as write,
};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::list::fresh;
use super::marks::refused;
use crate::auth::{Authorized, NotificationsManage};
use crate::error::{ApiError, Faults};
use crate::extract::{Gated, IdempotencyKey, Json, JsonBody, NoQuery};
use crate::jobs::fields::{Fields, Given, TextRule};
use crate::state::PortalState;
use crate::writes::{Answer, Attempt, write_once};

const KNOWN: [&str; 5] = ["kinds", "digest", "digest_at", "quiet_hours", "time_zone"];

/// A time of the day: `HH:MM`.
const TIME: TextRule = TextRule::line(5, 5);
/// The name of a zone.
const ZONE: TextRule = TextRule::line(1, 64);

/// What somebody wants to hear of. What a `PUT` leaves out is as usual again.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct NotificationPreferences {
    /// By kind of notification. `in_app` puts it into the inbox and shows it live; `mail` sends one
    /// if it is still unread after a while, and needs `in_app`. A change of one's own role is always
    /// in the inbox.
    kinds: BTreeMap<NotificationKind, Channels>,
    /// Whether mails are gathered, and how long.
    digest: Digest,
    /// The time of a daily digest.
    #[schema(example = "08:00")]
    digest_at: String,
    /// When no mail is sent; over midnight where `until` is the earlier.
    quiet_hours: Option<Quiet>,
    /// The zone of these times (IANA); the organization's where there is none.
    #[schema(example = "Europe/Berlin")]
    time_zone: Option<String>,
}

/// A part of every day.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct Quiet {
    /// When it begins.
    #[schema(example = "20:00")]
    from: String,
    /// When it ends.
    #[schema(example = "07:30")]
    until: String,
}

impl From<Preferences> for NotificationPreferences {
    fn from(wanted: Preferences) -> Self {
        Self {
            kinds: wanted.kinds,
            digest: wanted.digest,
            digest_at: clock(wanted.digest_minute),
            quiet_hours: wanted
                .quiet
                .map(|quiet| Quiet { from: clock(quiet.from), until: clock(quiet.until) }),
            time_zone: wanted.time_zone,
        }
    }
}

/// What the caller wants to hear of.
#[utoipa::path(
    get, path = "/api/notifications/preferences", tag = "notifications",
    operation_id = "getNotificationPreferences",
    responses((status = 200, description = "The preferences", body = NotificationPreferences)),
)]
pub(crate) async fn get_preferences(
    state: web::Data<PortalState>,
    access: Authorized<NotificationsManage>,
    _query: NoQuery,
) -> Result<HttpResponse, ApiError> {
    let person = access.person()?;
    let mut tx = state.db.begin_read(&access.scope).await?;
    let wanted = read(&mut tx, person.user).await?;
    Ok(fresh(&NotificationPreferences::from(wanted)))
}

/// Says what the caller wants to hear of, in the place of what they said before.
#[utoipa::path(
    put, path = "/api/notifications/preferences", tag = "notifications",
    operation_id = "putNotificationPreferences",
    request_body(content = NotificationPreferences, content_type = "application/json"),
    responses((status = 200, description = "The preferences", body = NotificationPreferences)),
)]
pub(crate) async fn put_preferences(
    state: web::Data<PortalState>,
    Gated(access, (body, _)): Gated<NotificationsManage, (JsonBody<Json>, NoQuery)>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let person = access.person()?;
    let mut faults = Faults::default();
    let wanted = parse(&body.object, &mut faults);
    let attempt = Attempt {
        scope: &access.scope,
        actor: &access.actor,
        route: format!("{} {}", request.method(), request.path()),
        key: const { &IdempotencyKey(None) },
        digest: [0; 32],
    };
    write_once(&state, attempt, async |tx| {
        refuse_unknown_zone(tx, &wanted, &mut faults).await?;
        if !faults.is_empty() {
            return Err(refused(faults));
        }
        write(tx, person.user, &wanted).await?;
        let answer = Answer::json(StatusCode::OK, &NotificationPreferences::from(wanted))?;
        Ok(answer.with_header("Cache-Control", "no-store"))
    })
    .await
}

async fn refuse_unknown_zone(
    tx: &mut TenantTx,
    wanted: &Preferences,
    faults: &mut Faults,
) -> Result<(), ApiError> {
    if let Some(zone) = &wanted.time_zone
        && !is_time_zone(tx, zone).await?
    {
        faults.add("#/time_zone", "unknown_value", "is no time zone, such as Europe/Berlin");
    }
    Ok(())
}

fn parse(object: &Map<String, Value>, faults: &mut Faults) -> Preferences {
    let fields = Fields::of_body(object);
    fields.refuse_others(&KNOWN, &[], faults);
    let usual = Preferences::default();
    Preferences {
        kinds: parse_kinds(&fields, faults),
        digest: fields.word("digest", faults).optional().unwrap_or(usual.digest),
        digest_minute: time_of_day(&fields, "digest_at", faults)
            .optional()
            .unwrap_or(usual.digest_minute),
        quiet: parse_quiet(&fields, faults),
        time_zone: fields.text("time_zone", ZONE, faults).optional(),
    }
}

fn parse_kinds(fields: &Fields<'_>, faults: &mut Faults) -> BTreeMap<NotificationKind, Channels> {
    let mut kinds = Preferences::default().kinds;
    let Some(given) = fields.object("kinds", faults).optional() else { return kinds };
    let known = NotificationKind::ALL.map(NotificationKind::as_str);
    given.refuse_others(&known, &[], faults);
    for (kind, channels) in &mut kinds {
        let Some(said) = given.object(kind.as_str(), faults).optional() else { continue };
        said.refuse_others(&["in_app", "mail"], &[], faults);
        let in_app = said.boolean("in_app", faults).optional().unwrap_or(channels.in_app);
        // Who wants nothing of it in the inbox wants no mail either, unless they say so.
        let mail = said.boolean("mail", faults).optional().unwrap_or(channels.mail && in_app);
        if !in_app && !kind.may_be_off() {
            faults.add(said.pointer("in_app"), "not_allowed", "cannot be switched off");
        }
        if mail && !in_app {
            faults.add(said.pointer("mail"), "needs_in_app", "only what is in the inbox is mailed");
        }
        *channels = Channels { in_app, mail };
    }
    kinds
}

fn parse_quiet(fields: &Fields<'_>, faults: &mut Faults) -> Option<QuietHours> {
    let given = fields.object("quiet_hours", faults).optional()?;
    given.refuse_others(&["from", "until"], &[], faults);
    let mut end = |name: &str| {
        let pointer = given.pointer(name);
        time_of_day(&given, name, faults).required(&pointer, faults)
    };
    let (from, until) = (end("from")?, end("until")?);
    if from == until {
        faults.add(given.pointer("until"), "out_of_range", "another time than `from`");
    }
    Some(QuietHours { from, until })
}

fn time_of_day(fields: &Fields<'_>, name: &str, faults: &mut Faults) -> Given<u16> {
    match fields.text(name, TIME, faults) {
        Given::Value(text) => {
            if let Some(minute) = minute(&text) {
                return Given::Value(minute);
            }
            faults.add(fields.pointer(name), "malformed", "a time from 00:00 to 23:59");
            Given::Faulty
        }
        Given::Absent => Given::Absent,
        Given::Null => Given::Null,
        Given::Faulty => Given::Faulty,
    }
}

/// The minute of the day that `HH:MM` names.
fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let two_digits = |part: &str| {
        let is_right = part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
        is_right.then(|| part.parse::<u16>().ok()).flatten()
    };
    let (hour, minute) = (two_digits(hour)?, two_digits(minute)?);
    (hour < 24 && minute < 60).then_some(hour * 60 + minute)
}

fn clock(minute: u16) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(body: &Value) -> Result<NotificationPreferences, Vec<(String, &'static str)>> {
        let mut faults = Faults::default();
        let wanted = parse(body.as_object().unwrap(), &mut faults);
        if faults.is_empty() {
            return Ok(wanted.into());
        }
        Err(faults.into_vec().into_iter().map(|fault| (fault.pointer, fault.code)).collect())
    }

    #[test]
    fn what_is_shown_can_be_sent_back() {
        let body = json!({
            "kinds": { "stage_changed": { "in_app": false }, "mention": { "mail": false } },
            "digest": "daily", "digest_at": "17:30",
            "quiet_hours": { "from": "20:00", "until": "07:30" }, "time_zone": "Europe/Berlin",
        });
        let wanted = read(&body).unwrap();
        let stage = wanted.kinds[&NotificationKind::StageChanged];
        assert_eq!(stage, Channels { in_app: false, mail: false });
        assert_eq!(wanted.digest_at, "17:30");
        assert_eq!(read(&serde_json::to_value(&wanted).unwrap()), Ok(wanted));
        assert_eq!(read(&json!({})), Ok(Preferences::default().into()));
    }

    #[test]
    fn each_fault_has_its_place() {
        for (body, pointer, code) in [
            (json!({ "kinds": { "other": {} } }), "#/kinds/other", "unknown"),
            (json!({ "kinds": [] }), "#/kinds", "wrong_type"),
            (json!({ "kinds": { "mention": { "sms": true } } }), "#/kinds/mention/sms", "unknown"),
            (
                json!({ "kinds": { "mention": { "mail": 1 } } }),
                "#/kinds/mention/mail",
                "wrong_type",
            ),
            (
                json!({ "kinds": { "role_changed": { "in_app": false } } }),
                "#/kinds/role_changed/in_app",
                "not_allowed",
            ),
            (
                json!({ "kinds": { "mention": { "in_app": false, "mail": true } } }),
                "#/kinds/mention/mail",
                "needs_in_app",
            ),
            (json!({ "digest": "weekly" }), "#/digest", "unknown_word"),
            (json!({ "digest_at": "24:00" }), "#/digest_at", "malformed"),
            (json!({ "digest_at": "7:000" }), "#/digest_at", "malformed"),
            (json!({ "quiet_hours": { "from": "07:00" } }), "#/quiet_hours/until", "required"),
            (
                json!({ "quiet_hours": { "from": "07:00", "until": "07:00" } }),
                "#/quiet_hours/until",
                "out_of_range",
            ),
            (json!({ "zone": "UTC" }), "#/zone", "unknown"),
        ] {
            assert_eq!(read(&body), Err(vec![(pointer.to_owned(), code)]), "{body}");
        }
    }
}
