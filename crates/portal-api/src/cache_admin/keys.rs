//! `GET /api/cache/keys`, in development.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, HttpResponse, web};
use serde::Serialize;
use serde_json::json;
use tenancy::{Feature, TenantScope};
use tenant_cache::{KeyCursor, KeyEntry, KeyKind, RedisError};
use utoipa::ToSchema;
use uuid::Uuid;

use super::audited::{Call, Deed, Done, Kind};
use super::selection::{features, find_feature};
use crate::auth::CacheRead;
use crate::error::{ApiError, ErrorCode, Faults};
use crate::extract::{Pairs, refused_parameters};
use crate::state::PortalState;

const DEED: Deed = Deed { action: "cache_keys", kind: Kind::Read, must_be_told: false };

/// Which keys are wanted.
#[derive(Debug)]
pub(crate) struct KeyQuery {
    feature: Option<Feature>,
    cursor: Option<String>,
}

impl FromRequest for KeyQuery {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::parse(request.query_string()))
    }
}

impl KeyQuery {
    fn parse(query: &str) -> Result<Self, ApiError> {
        let pairs = Pairs::parse(query, &["feature", "cursor"])?;
        let mut faults = Faults::default();
        let name = pairs.single("feature", &mut faults);
        let feature = name.and_then(find_feature);
        if name.is_some() && feature.is_none() {
            faults.add("query:feature", "unknown", features());
        }
        let cursor = pairs.single("cursor", &mut faults).map(str::to_owned);
        if faults.is_empty() {
            Ok(Self { feature, cursor })
        } else {
            Err(refused_parameters(faults))
        }
    }

    /// What a cursor is good for: one tenant, and one choice of features.
    fn list(&self, scope: &TenantScope) -> String {
        format!("cache keys {} {}", scope.org(), self.feature.map_or("", Feature::as_str))
    }
}

/// A page of keys.
#[derive(Serialize, ToSchema)]
pub(crate) struct KeysPage {
    /// Keys found; there may be none on a page that others follow.
    data: Vec<KeyBody>,
    /// How it goes on.
    page: KeysPageInfo,
    /// The row in the audit trail; `null` where none could be written.
    audit_id: Option<Uuid>,
}

/// How the list goes on.
#[derive(Serialize, ToSchema)]
pub(crate) struct KeysPageInfo {
    /// Where the next page begins; `null` on the last one.
    next_cursor: Option<String>,
    /// Whether there is a next page.
    has_more: bool,
}

/// A key.
#[derive(Serialize, ToSchema)]
pub(crate) struct KeyBody {
    /// The whole key.
    #[schema(example = "tenant:{org_9f2cA1:jobs}:list:all:0:20:::newest:::::::::")]
    key: String,
    /// Its feature.
    #[schema(value_type = String, example = "jobs")]
    feature: &'static str,
    /// `value`, or `generation`: what values depend on.
    #[schema(value_type = String, example = "value")]
    kind: &'static str,
    /// Bytes of what is stored; `null` if it has just gone.
    bytes: Option<usize>,
    /// Seconds for which the value may still be served; `null` where it has no end.
    ttl_seconds: Option<u64>,
}

impl From<KeyEntry> for KeyBody {
    fn from(entry: KeyEntry) -> Self {
        Self {
            key: entry.name,
            feature: entry.feature.as_str(),
            kind: match entry.kind {
                KeyKind::Value => "value",
                KeyKind::Generation => "generation",
            },
            bytes: entry.bytes,
            ttl_seconds: entry.expires_in.map(|left| left.as_secs()),
        }
    }
}

/// Lists the keys of your organization's cached answers. In development only: it walks over all
/// keys and reads their values; elsewhere it is not found.
#[utoipa::path(
    get, path = "/api/cache/keys", tag = "cache", operation_id = "listCacheKeys",
    params(
        ("feature" = Option<String>, Query, description = "Only this feature"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses((status = 200, description = "A page of keys", body = KeysPage)),
)]
pub(crate) async fn list_keys(
    state: web::Data<PortalState>,
    call: Call<CacheRead, KeyQuery>,
) -> Result<HttpResponse, ApiError> {
    let address = call.address();
    call.run(state, DEED, move |state, access, query| async move {
        if !state.settings.environment_is_development {
            return Err(ApiError::not_found());
        }
        let admitted = &state.settings.reach.admitted_to_keys;
        if !admitted.is_empty() && !address.is_some_and(|address| admitted.contains(address)) {
            let detail = "Your address is not on the list of those that may list keys.";
            return Err(ApiError::new(ErrorCode::Forbidden, detail));
        }
        let (cursor_key, list) = (&state.settings.cursor_key, query.list(&access.scope));
        let after: Option<KeyCursor> = match &query.cursor {
            Some(cursor) => Some(cursor_key.open(&list, cursor)?),
            None => None,
        };
        let page = state.cache.list_keys(&access.scope, query.feature, after).await;
        let page = page.map_err(from_walk)?;
        let next_cursor = match &page.next {
            Some(next) => Some(cursor_key.sign(&list, next).map_err(ApiError::internal)?),
            None => None,
        };
        let data: Vec<KeyBody> = page.keys.into_iter().map(KeyBody::from).collect();
        let detail = json!({ "keys": data.len() });
        let page = KeysPageInfo { has_more: next_cursor.is_some(), next_cursor };
        let body = serde_json::to_value(KeysPage { data, page, audit_id: None })
            .map_err(ApiError::internal)?;
        let resource = query.feature.map_or("cache".to_owned(), |name| format!("cache:{name}"));
        Ok(Done { resource, detail, body, tells: None })
    })
    .await
}

/// The nodes of a cluster may have changed since a cursor was given.
fn from_walk(error: RedisError) -> ApiError {
    match error {
        RedisError::Rejected(_) => {
            let detail = "The cursor is not good any more. Start again without it.";
            ApiError::new(ErrorCode::CursorInvalid, detail).with_source(error)
        }
        error => ApiError::unavailable(error),
    }
}
