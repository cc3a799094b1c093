//! `GET /api/analytics/drift`: whether figures are what the log of events comes to.

use actix_web::http::header::{CACHE_CONTROL, HeaderValue};
use actix_web::{HttpResponse, web};
use employer_store::analytics::{Drift, drift};

use crate::auth::AnalyticsExport;
use crate::error::ApiError;
use crate::extract::{Gated, NoQuery};
use crate::state::PortalState;

/// Compares the figures of the last 72 hours with the log of events.
///
/// `drifting` is 0, or something is wrong with the portal. Never cached.
#[utoipa::path(
    get, path = "/api/analytics/drift", tag = "analytics", operation_id = "getDrift",
    responses((status = 200, description = "What was compared", body = Drift)),
)]
pub(crate) async fn get_drift(
    state: web::Data<PortalState>,
    Gated(access, _): Gated<AnalyticsExport, NoQuery>,
) -> Result<HttpResponse, ApiError> {
    let mut tx = state.db.begin_snapshot(&access.scope).await?;
    let found = drift(&mut tx, state.clock.now()).await?;
    let no_store = (CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    Ok(HttpResponse::Ok().insert_header(no_store).json(found))
}
