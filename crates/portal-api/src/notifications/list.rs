//! `GET /api/notifications/list` and `/unread-count`.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpRequest, HttpResponse, web};
use employer_store::feed::{self, FeedFilter, FeedPage, Head, Notification};
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::{Authorized, NotificationsManage};
use crate::error::{ApiError, Faults};
use crate::extract::{NoQuery, Pairs, refused_parameters};
use crate::state::PortalState;

const KNOWN: [&str; 5] = ["cursor", "limit", "unread", "archived", "after"];
const DEFAULT_LIMIT: u16 = 20;

/// A part of an inbox.
#[derive(Serialize, ToSchema)]
pub(crate) struct NotificationsPage {
    /// How far the inbox went before the notifications were read: a stream that goes on from there
    /// misses nothing.
    head: Head,
    /// The notifications, the newest first; with `after` the oldest first.
    data: Vec<Notification>,
    page: NotificationsCursor,
}

/// Where the list goes on.
#[derive(Serialize, ToSchema)]
pub(crate) struct NotificationsCursor {
    /// What to send as `cursor`, or with `after` in its place, for the next page.
    next_cursor: Option<String>,
    /// Whether there is another page.
    has_more: bool,
}

/// How many notifications wait.
#[derive(Serialize, ToSchema)]
pub(crate) struct UnreadCount {
    /// How far the inbox goes, and how many of it are unread.
    #[serde(flatten)]
    head: Head,
}

/// Lists the caller's notifications.
///
/// What they may not see any more, because their role or a job's team changed, is left out.
#[utoipa::path(
    get, path = "/api/notifications/list", tag = "notifications",
    operation_id = "listNotifications",
    params(
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
        ("after" = Option<i64>, Query, description = "Those after this number, the oldest first, \
            read or not: what somebody missed who was told up to there. With `limit` alone"),
        ("limit" = Option<u16>, Query, description = "Notifications a page, from 1 to 100; 20 where absent"),
        ("unread" = Option<bool>, Query, description = "`true`: only those that are not read"),
        ("archived" = Option<bool>, Query, description = "`true`: those that were put away instead"),
    ),
    responses((status = 200, description = "A part of the inbox", body = NotificationsPage)),
)]
pub(crate) async fn list_notifications(
    state: web::Data<PortalState>,
    access: Authorized<NotificationsManage>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let person = access.person()?;
    let asked = Asked::read(request.query_string(), state.settings.limits.page_size_max)?;
    let mut tx = state.db.begin_read(&access.scope).await?;
    let FeedPage { head, notifications, has_more } = match asked.part {
        Part::Before(filter) => {
            feed::list_notifications(&mut tx, person.user, &filter, asked.limit).await?
        }
        Part::After(seq) => {
            let head = feed::head(&mut tx, person.user).await?;
            let limit = i64::from(asked.limit);
            let mut notifications = feed::since(&mut tx, person.user, seq, limit + 1).await?;
            let has_more = notifications.len() > usize::from(asked.limit);
            notifications.truncate(asked.limit.into());
            FeedPage { head, notifications, has_more }
        }
    };
    let last = notifications.last().filter(|_| has_more);
    let page = NotificationsCursor { next_cursor: last.map(|one| one.seq.to_string()), has_more };
    Ok(fresh(&NotificationsPage { head, data: notifications, page }))
}

/// How many notifications the caller has not read.
#[utoipa::path(
    get, path = "/api/notifications/unread-count", tag = "notifications",
    operation_id = "countUnreadNotifications",
    responses((status = 200, description = "The count", body = UnreadCount)),
)]
pub(crate) async fn count_unread(
    state: web::Data<PortalState>,
    access: Authorized<NotificationsManage>,
    _query: NoQuery,
) -> Result<HttpResponse, ApiError> {
    let person = access.person()?;
    let mut tx = state.db.begin_read(&access.scope).await?;
    let head = feed::head(&mut tx, person.user).await?;
    Ok(fresh(&UnreadCount { head }))
}

/// An answer that nobody keeps: it is the caller's own, and changes at any moment.
pub(super) fn fresh<T: Serialize>(body: &T) -> HttpResponse {
    HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(body)
}

#[derive(Debug, PartialEq, Eq)]
struct Asked {
    part: Part,
    limit: u16,
}

#[derive(Debug, PartialEq, Eq)]
enum Part {
    /// A page backwards.
    Before(FeedFilter),
    /// What came after a number.
    After(i64),
}

impl Asked {
    fn read(query: &str, max: u16) -> Result<Self, ApiError> {
        let pairs = Pairs::parse(query, &KNOWN)?;
        let mut faults = Faults::default();
        let limit = match pairs.single("limit", &mut faults).map(str::parse::<u16>) {
            None => DEFAULT_LIMIT.min(max),
            Some(Ok(limit)) if (1..=max).contains(&limit) => limit,
            Some(_) => {
                faults.add("query:limit", "out_of_range", format!("from 1 to {max}"));
                max
            }
        };
        let filter = FeedFilter {
            is_unread_only: flag(&pairs, "unread", &mut faults),
            is_archived: flag(&pairs, "archived", &mut faults),
            before: number(&pairs, "cursor", 1, &mut faults),
        };
        let part = match number(&pairs, "after", 0, &mut faults) {
            None => Part::Before(filter),
            Some(seq) => {
                for other in ["cursor", "unread", "archived"] {
                    if pairs.single(other, &mut Faults::default()).is_some() {
                        faults.add(format!("query:{other}"), "not_with_after", "not with `after`");
                    }
                }
                Part::After(seq)
            }
        };
        if faults.is_empty() { Ok(Self { part, limit }) } else { Err(refused_parameters(faults)) }
    }
}

fn flag(pairs: &Pairs, name: &str, faults: &mut Faults) -> bool {
    match pairs.single(name, faults) {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => {
            faults.add(format!("query:{name}"), "malformed", "is true or false");
            false
        }
    }
}

fn number(pairs: &Pairs, name: &str, least: i64, faults: &mut Faults) -> Option<i64> {
    let text = pairs.single(name, faults)?;
    let number = super::marks::parse_seq(text).filter(|number| *number >= least);
    if number.is_none() {
        faults.add(format!("query:{name}"), "malformed", "is no number of a notification");
    }
    number
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: FeedFilter = FeedFilter { is_unread_only: false, is_archived: false, before: None };

    #[test]
    fn pages_are_bounded_and_after_stands_alone() {
        let read = |query: &str| Asked::read(query, 100);
        assert_eq!(read("").unwrap(), Asked { part: Part::Before(ALL), limit: 20 });
        let unread = FeedFilter { is_unread_only: true, before: Some(7), ..ALL };
        assert_eq!(
            read("unread=true&cursor=7&limit=100").unwrap(),
            Asked { part: Part::Before(unread), limit: 100 }
        );
        assert_eq!(read("after=0&limit=5").unwrap(), Asked { part: Part::After(0), limit: 5 });
        for refused in [
            "limit=0",
            "limit=101",
            "cursor=0",
            "cursor=-1",
            "cursor=x",
            "cursor=+1",
            "cursor=01",
            "after=9223372036854775808",
            "unread=1",
            "after=1&cursor=2",
            "after=1&unread=false",
            "skip=1",
        ] {
            assert!(read(refused).is_err(), "{refused}");
        }
    }
}
