//! `POST /public/boards/{slug}/jobs/{job_slug}/view`.

use actix_web::http::header::USER_AGENT;
use actix_web::{HttpRequest, HttpResponse, web};

use super::form::source_of;
use super::{for_everybody, limits, refuse_while_starting};
use crate::error::{ApiError, Faults};
use crate::extract::{Pairs, refused_parameters};
use crate::state::PortalState;

/// What programs call themselves that look at pages for others than people.
const MACHINES: [&str; 12] = [
    "bot",
    "crawl",
    "spider",
    "slurp",
    "preview",
    "headless",
    "lighthouse",
    "monitor",
    "curl",
    "wget",
    "python",
    "facebookexternalhit",
];

/// Counts a view of a published job.
///
/// Nothing is kept of who looks: no address, no cookie. Programs that say what they are do not
/// count.
#[utoipa::path(
    post, path = "/public/boards/{slug}/jobs/{job_slug}/view", tag = "public",
    operation_id = "countView",
    params(
        ("slug" = String, Path, description = "The employer"),
        ("job_slug" = String, Path, description = "The job"),
        ("source" = Option<String>, Query, description = "Where the person came from"),
    ),
    responses((status = 204, description = "It was looked at")),
)]
pub(crate) async fn count_view(
    state: web::Data<PortalState>,
    path: web::Path<(String, String)>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    refuse_while_starting(&state)?;
    limits::admit_look(&state, &request)?;
    let pairs = Pairs::parse(request.query_string(), &["source"])?;
    let mut faults = Faults::default();
    let source = pairs.single("source", &mut faults).and_then(source_of).unwrap_or_default();
    if !faults.is_empty() {
        return Err(refused_parameters(faults));
    }
    let (board_slug, job_slug) = path.into_inner();
    let board = &state.board;
    let found = board.lookup.find(&board.db, &board_slug, &job_slug).await?;
    let (tenant, job) = found.ok_or_else(ApiError::not_found)?;
    if is_of_a_person(&request) {
        board.views.count(tenant, job, &source, state.clock.now());
    }
    Ok(for_everybody(HttpResponse::NoContent().finish()))
}

fn is_of_a_person(request: &HttpRequest) -> bool {
    let agent = request.headers().get(USER_AGENT).and_then(|agent| agent.to_str().ok());
    let agent = agent.unwrap_or_default().to_ascii_lowercase();
    !agent.is_empty() && !MACHINES.iter().any(|machine| agent.contains(machine))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn programs_that_say_what_they_are_do_not_count() {
        let by = |agent: &str| {
            is_of_a_person(
                &TestRequest::post().insert_header((USER_AGENT, agent)).to_http_request(),
            )
        };
        assert!(by("Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"));
        for machine in ["", "Googlebot/2.1", "curl/8.5", "HeadlessChrome/130", "python-requests/2"]
        {
            assert!(!by(machine), "{machine}");
        }
    }
}
