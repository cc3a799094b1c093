//! What becomes of notifications: seen, read, put away. Each says how the inbox is afterwards, and
//! the person's other devices hear of it.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use employer_store::feed::{self, Head, Mark};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::auth::{Authorized, NotificationsManage};
use crate::error::{ApiError, ErrorCode, Faults};
use crate::extract::{Gated, IdempotencyKey, Json, JsonBody, NoQuery, OptionalJson};
use crate::jobs::fields::Fields;
use crate::state::PortalState;
use crate::writes::{Answer, Attempt, write_once};

/// Up to which notification.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "documentation; the field is read by hand, to name each fault")]
pub(crate) struct UpTo {
    /// The number of the last one.
    #[schema(minimum = 0, example = 42)]
    seq: i64,
}

/// Marks a notification as read.
#[utoipa::path(
    put, path = "/api/notifications/{seq}/read", tag = "notifications",
    operation_id = "readNotification",
    params(("seq" = i64, Path, description = "The notification")),
    responses((status = 200, description = "How the inbox is now", body = Head)),
)]
pub(crate) async fn read_one(
    state: web::Data<PortalState>,
    Gated(access, (body, _)): Gated<NotificationsManage, (JsonBody<OptionalJson>, NoQuery)>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let mark = Mark::Read(seq_of_path(&request)?);
    no_fields(&body.object)?;
    marks(&state, &access, &request, &NO_KEY, mark).await
}

/// Puts a notification away; it counts as read.
#[utoipa::path(
    post, path = "/api/notifications/{seq}/archive", tag = "notifications",
    operation_id = "archiveNotification",
    params(("seq" = i64, Path, description = "The notification")),
    responses((status = 200, description = "How the inbox is now", body = Head)),
)]
pub(crate) async fn archive_one(
    state: web::Data<PortalState>,
    Gated(access, (key, body, _)): Gated<
        NotificationsManage,
        (IdempotencyKey, JsonBody<OptionalJson>, NoQuery),
    >,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let mark = Mark::Archive(seq_of_path(&request)?);
    no_fields(&body.object)?;
    marks(&state, &access, &request, &key, mark).await
}

/// Marks a notification and all before it as shown; they stay unread.
#[utoipa::path(
    put, path = "/api/notifications/seen-up-to", tag = "notifications",
    operation_id = "seeNotificationsUpTo",
    request_body(content = UpTo, content_type = "application/json"),
    responses((status = 200, description = "How the inbox is now", body = Head)),
)]
pub(crate) async fn seen_up_to(
    state: web::Data<PortalState>,
    Gated(access, (body, _)): Gated<NotificationsManage, (JsonBody<Json>, NoQuery)>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let mark = Mark::SeenUpTo(seq_of_body(&body.object)?);
    marks(&state, &access, &request, &NO_KEY, mark).await
}

/// Marks a notification and all before it as read.
#[utoipa::path(
    put, path = "/api/notifications/read-up-to", tag = "notifications",
    operation_id = "readNotificationsUpTo",
    request_body(content = UpTo, content_type = "application/json"),
    responses((status = 200, description = "How the inbox is now", body = Head)),
)]
pub(crate) async fn read_up_to(
    state: web::Data<PortalState>,
    Gated(access, (body, _)): Gated<NotificationsManage, (JsonBody<Json>, NoQuery)>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let mark = Mark::ReadUpTo(seq_of_body(&body.object)?);
    marks(&state, &access, &request, &NO_KEY, mark).await
}

/// Marks all notifications as read. One that comes in at the same moment may stay unread;
/// `read-up-to` says exactly which are meant.
#[utoipa::path(
    put, path = "/api/notifications/mark-all-read", tag = "notifications",
    operation_id = "readAllNotifications",
    responses((status = 200, description = "How the inbox is now", body = Head)),
)]
pub(crate) async fn read_all(
    state: web::Data<PortalState>,
    Gated(access, (body, _)): Gated<NotificationsManage, (JsonBody<OptionalJson>, NoQuery)>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    no_fields(&body.object)?;
    marks(&state, &access, &request, &NO_KEY, Mark::AllRead).await
}

/// Doing any of this twice is doing it once, so most of it needs no key.
const NO_KEY: IdempotencyKey = IdempotencyKey(None);

async fn marks(
    state: &PortalState,
    access: &Authorized<NotificationsManage>,
    request: &HttpRequest,
    key: &IdempotencyKey,
    mark: Mark,
) -> Result<HttpResponse, ApiError> {
    let person = access.person()?;
    let attempt = Attempt {
        scope: &access.scope,
        actor: &access.actor,
        route: format!("{} {} of {}", request.method(), request.path(), person.user),
        key,
        digest: [0; 32],
    };
    write_once(state, attempt, async |tx| {
        let head = feed::mark(tx, person.user, mark).await?.ok_or_else(ApiError::not_found)?;
        let answer = Answer::json(StatusCode::OK, &head)?;
        Ok(answer.with_header("Cache-Control", "no-store"))
    })
    .await
}

/// The number of a notification, in its one spelling.
pub(super) fn parse_seq(text: &str) -> Option<i64> {
    text.parse::<i64>().ok().filter(|seq| *seq >= 0 && seq.to_string() == text)
}

/// Text that is no number names no notification: 404, as for any other.
fn seq_of_path(request: &HttpRequest) -> Result<i64, ApiError> {
    let text = request.match_info().get("seq").unwrap_or_default();
    parse_seq(text).ok_or_else(ApiError::not_found)
}

fn seq_of_body(object: &Map<String, Value>) -> Result<i64, ApiError> {
    let (fields, mut faults) = (Fields::of_body(object), Faults::default());
    fields.refuse_others(&["seq"], &[], &mut faults);
    let seq = fields.integer("seq", 0..=i64::MAX, &mut faults).required("#/seq", &mut faults);
    seq.filter(|_| faults.is_empty()).ok_or_else(|| refused(faults))
}

fn no_fields(object: &Map<String, Value>) -> Result<(), ApiError> {
    let mut faults = Faults::default();
    Fields::of_body(object).refuse_others(&[], &[], &mut faults);
    if faults.is_empty() { Ok(()) } else { Err(refused(faults)) }
}

pub(super) fn refused(faults: Faults) -> ApiError {
    ApiError::new(ErrorCode::ValidationFailed, "See errors for what is wrong.")
        .with_fields(faults.into_vec())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_number_has_one_spelling() {
        assert_eq!(parse_seq("42"), Some(42));
        assert_eq!(parse_seq("9223372036854775807"), Some(i64::MAX));
        for refused in ["", "-1", "+1", "01", "1.0", "9223372036854775808", "x", " 1"] {
            assert_eq!(parse_seq(refused), None, "{refused}");
        }
    }

    #[test]
    fn a_body_names_one_number() {
        let read = |body: Value| seq_of_body(body.as_object().unwrap());
        assert_eq!(read(json!({ "seq": 7 })).unwrap(), 7);
        for refused in [
            json!({}),
            json!({ "seq": -1 }),
            json!({ "seq": "7" }),
            json!({ "seq": 7.5 }),
            json!({ "seq": null }),
            json!({ "seq": 7, "user": 8 }),
        ] {
            assert!(read(refused.clone()).is_err(), "{refused}");
        }
    }
}
