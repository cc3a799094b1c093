//! `GET /api/team`: who works in the tenant.

use actix_web::{HttpRequest, HttpResponse, web};
use employer_store::team;
use tenancy::UserId;
use uuid::Uuid;

use super::view::{MembersPage, PageView};
use crate::auth::{Authorized, TeamRead};
use crate::error::{ApiError, Faults};
use crate::extract::{Pairs, refused_parameters};
use crate::state::PortalState;

const KNOWN: [&str; 2] = ["cursor", "limit"];
const DEFAULT_LIMIT: u16 = 50;

/// Lists the members.
#[utoipa::path(
    get, path = "/api/team", tag = "team", operation_id = "listMembers",
    params(
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
        ("limit" = Option<u16>, Query, description = "Members a page, from 1 to 100; 50 where absent"),
    ),
    responses((status = 200, description = "A page of members", body = MembersPage)),
)]
pub(crate) async fn list_members(
    state: web::Data<PortalState>,
    access: Authorized<TeamRead>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let (after, limit) = page(request.query_string(), state.settings.limits.page_size_max)?;
    let mut tx = state.db.begin_read(&access.scope).await?;
    // One more than the page tells whether there is another.
    let mut members = team::list_members(&mut tx, after, limit.saturating_add(1)).await?;
    let has_more = members.len() > usize::from(limit);
    members.truncate(limit.into());
    let last = members.last().filter(|_| has_more);
    let next_cursor = last.map(|member| member.user.as_uuid().simple().to_string());
    let data = members.into_iter().map(Into::into).collect();
    let answer = MembersPage { data, page: PageView { next_cursor, has_more } };
    Ok(HttpResponse::Ok().json(answer))
}

fn page(query: &str, max: u16) -> Result<(Option<UserId>, u16), ApiError> {
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
    // It only names where to go on, in a list that the caller may see whole.
    let after = match pairs.single("cursor", &mut faults).map(Uuid::try_parse) {
        None => None,
        Some(Ok(id)) => Some(UserId::from_uuid(id)),
        Some(Err(_)) => {
            faults.add("query:cursor", "malformed", "is not a next_cursor of this list");
            None
        }
    };
    if faults.is_empty() { Ok((after, limit)) } else { Err(refused_parameters(faults)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_bounded() {
        assert_eq!(page("", 100).unwrap(), (None, 50));
        assert_eq!(page("", 20).unwrap(), (None, 20));
        let id = Uuid::from_u128(7);
        let query = format!("limit=100&cursor={}", id.simple());
        assert_eq!(page(&query, 100).unwrap(), (Some(UserId::from_uuid(id)), 100));
        for refused in ["limit=0", "limit=101", "limit=x", "cursor=x", "cursor=", "skip=1"] {
            assert!(page(refused, 100).is_err(), "{refused}");
        }
    }
}
