//! `POST /api/cache/warm`.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, HttpResponse, web};
use serde::Serialize;
use serde_json::{Map, Value, json};
use tenancy::{Feature, JobView};
use tenant_cache::Operation;
use utoipa::ToSchema;
use uuid::Uuid;

use super::audited::{Call, Deed, Done, Kind};
use super::selection::{features, find_feature};
use crate::auth::CacheWrite;
use crate::error::{ApiError, ErrorCode};
use crate::extract::{JsonBody, NoQuery, OptionalJson};
use crate::jobs::warm::read_first;
use crate::state::PortalState;

const DEED: Deed = Deed { action: "cache_warm", kind: Kind::Write, must_be_told: false };

/// The views that people share; those of single people are theirs to fill.
const VIEWS: [JobView; 2] = [JobView::All, JobView::Published];

/// What is to be filled.
#[derive(Debug)]
pub(crate) struct Wanted(Option<Feature>);

impl FromRequest for Wanted {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let query = NoQuery::from_request(request, &mut Payload::None);
        let body = JsonBody::<OptionalJson>::from_request(request, payload);
        Box::pin(async move {
            query.await?;
            Self::parse(&body.await?.object)
        })
    }
}

impl Wanted {
    fn parse(object: &Map<String, Value>) -> Result<Self, ApiError> {
        let refusal = ApiError::new(ErrorCode::ValidationFailed, "See errors.");
        if let Some(name) = object.keys().find(|name| *name != "feature") {
            let pointer: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
            return Err(refusal.with_field(format!("#/{pointer}"), "unknown", "only feature"));
        }
        let Some(value) = object.get("feature") else { return Ok(Self(None)) };
        match value.as_str().and_then(find_feature) {
            Some(feature) => Ok(Self(Some(feature))),
            None => Err(refusal.with_field("#/feature", "unknown", features())),
        }
    }
}

/// What is to be filled.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a body; the fields are read one by one")]
pub(crate) struct WarmUp {
    /// Only this feature.
    #[schema(nullable = false, example = "jobs")]
    feature: Option<String>,
}

/// What was filled.
#[derive(Serialize, ToSchema)]
pub(crate) struct Warmed {
    /// What people see first, as each view has it.
    warmed: Vec<WarmedEntry>,
    /// The row in the audit trail; `null` where none could be written.
    audit_id: Option<Uuid>,
}

/// One answer that is in the cache now.
#[derive(Serialize, ToSchema)]
pub(crate) struct WarmedEntry {
    /// The operation.
    #[schema(example = "jobs:list")]
    operation: String,
    /// Whose view it is: `all`, or `published`, which viewers have.
    #[schema(example = "all")]
    view: String,
    /// `miss`: it was loaded and stored; `hit`: it was there; `bypass` or `stale`: the cache is
    /// away, and nothing was stored.
    #[schema(value_type = String, example = "miss")]
    outcome: &'static str,
}

/// Loads what people see first, where it is not cached: the first page of jobs, the overview and
/// the facets, in the views that people share.
#[utoipa::path(
    post, path = "/api/cache/warm", tag = "cache", operation_id = "warmCache",
    request_body(content = Option<WarmUp>, content_type = "application/json"),
    responses((status = 200, description = "What is cached now", body = Warmed)),
)]
pub(crate) async fn warm_cache(
    state: web::Data<PortalState>,
    call: Call<CacheWrite, Wanted>,
) -> Result<HttpResponse, ApiError> {
    call.run(state, DEED, |state, access, wanted| async move {
        let is_wanted =
            |operation: &Operation| wanted.0.is_none_or(|feature| operation.feature() == feature);
        let mut warmed = Vec::new();
        // One after the other: a warm-up is in nobody's way.
        for operation in Operation::ALL.into_iter().filter(is_wanted) {
            for view in VIEWS {
                if let Some(outcome) = read_first(&state, &access.scope, operation, view).await? {
                    let (operation, view) = (operation.to_string(), view.key_part());
                    warmed.push(WarmedEntry { operation, view, outcome: outcome.as_str() });
                }
            }
        }
        let detail = json!({ "entries": warmed.len() });
        let body = serde_json::to_value(Warmed { warmed, audit_id: None });
        let resource = wanted.0.map_or("cache".to_owned(), |name| format!("cache:{name}"));
        Ok(Done { resource, detail, body: body.map_err(ApiError::internal)?, tells: None })
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_features_are_wanted() {
        let parse = |body: Value| Wanted::parse(body.as_object().unwrap()).map(|wanted| wanted.0);
        assert_eq!(parse(json!({})).unwrap(), None);
        assert_eq!(parse(json!({"feature": "search"})).unwrap(), Some(Feature::Search));
        for body in [json!({"feature": "*"}), json!({"feature": 1}), json!({"all": true})] {
            assert_eq!(parse(body).unwrap_err().code(), ErrorCode::ValidationFailed);
        }
    }
}
