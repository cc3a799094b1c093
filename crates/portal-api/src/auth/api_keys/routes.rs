//! `GET` and `POST /api/api-keys`, `DELETE /api/api-keys/{id}`.

use std::collections::HashSet;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpRequest, HttpResponse, web};
use employer_store::api_keys::{self, ApiKey, NewApiKey};
use serde::Serialize;
use serde_json::{Map, Value};
use tenancy::{ApiKeyId, Grant, Permission, PermissionSet};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::authorized::{ApiKeysManage, Authorized};
use super::key::Key;
use crate::error::{ApiError, ErrorCode, Faults};
use crate::extract::{Gated, IdPath, IdempotencyKey, Json, JsonBody, NoQuery};
use crate::jobs::fields::{Fields, Given, TextRule, checked_text};
use crate::state::PortalState;
use crate::writes::{Answer, Attempt, write_once};

const NAME: TextRule = TextRule::line(1, 100);
const SCOPE: TextRule = TextRule::line(1, 50);
const MAX_SCOPES: usize = 20;

/// A key that is to be made.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a body; the fields are read one by one")]
pub(crate) struct ApiKeyDraft {
    /// What people will know it by.
    #[schema(min_length = 1, max_length = 100, example = "Careers page")]
    name: String,
    /// What it may be used for, if whoever makes it may do that.
    #[schema(min_items = 1, max_items = 20, example = json!(["jobs:read"]))]
    scopes: Vec<String>,
    /// When it ends; a year from now where it is left out, and at the latest.
    #[schema(nullable = false)]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<OffsetDateTime>,
}

/// A key, without its secret.
#[derive(Serialize, ToSchema)]
pub(crate) struct ApiKeyAnswer {
    id: Uuid,
    /// What people know it by.
    #[schema(example = "Careers page")]
    name: String,
    /// What the key begins with.
    #[schema(example = "epk_4fT0aQz81LmN")]
    prefix: String,
    /// What it may be used for, as far as its creator's role goes.
    #[schema(example = json!(["jobs:read"]))]
    scopes: Vec<String>,
    created_by: ApiKeyCreator,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339::option")]
    expires_at: Option<OffsetDateTime>,
    /// When it was used last, by a minute or so.
    #[serde(with = "time::serde::rfc3339::option")]
    last_used_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    revoked_at: Option<OffsetDateTime>,
    /// The key itself: only in the answer to its making, and never again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    key: Option<String>,
}

/// Who made a key; with them goes its power.
#[derive(Serialize, ToSchema)]
pub(crate) struct ApiKeyCreator {
    id: Uuid,
    /// Absent where they are no member any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    name: Option<String>,
}

/// The keys of an organization.
#[derive(Serialize, ToSchema)]
pub(crate) struct ApiKeyList {
    data: Vec<ApiKeyAnswer>,
}

/// Lists the API keys of your organization, newest first.
#[utoipa::path(
    get, path = "/api/api-keys", tag = "access", operation_id = "listApiKeys",
    responses((status = 200, description = "The keys, those that are over among them", body = ApiKeyList)),
)]
pub(crate) async fn list_api_keys(
    state: web::Data<PortalState>,
    Gated(access, _): Gated<ApiKeysManage, NoQuery>,
) -> Result<HttpResponse, ApiError> {
    let keys = api_keys::list(&mut state.db.begin_read(&access.scope).await?).await?;
    let data = keys.into_iter().map(|key| ApiKeyAnswer::of(key, None)).collect();
    Ok(HttpResponse::Ok().json(ApiKeyList { data }))
}

/// Makes an API key. The answer is the only place that ever shows it.
///
/// A key may do what its scopes say and what the role of whoever made it includes, as that role is
/// at the moment of each request. An `Idempotency-Key` is not looked at: repeating the answer would
/// mean keeping the key.
#[utoipa::path(
    post, path = "/api/api-keys", tag = "access", operation_id = "createApiKey",
    request_body(content = ApiKeyDraft, content_type = "application/json"),
    responses(
        (status = 201, description = "The key", body = ApiKeyAnswer),
        (status = 409, description = "There are too many keys", body = crate::error::Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn create_api_key(
    state: web::Data<PortalState>,
    Gated(access, (body, _)): Gated<ApiKeysManage, (JsonBody<Json>, NoQuery)>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let person = access.person()?;
    let longest = state.settings.api_keys.longest;
    let draft = Draft::read(&body.object, &access, state.clock.now(), longest)?;
    let key = Key::generate();
    let attempt = attempt(&access, &request);
    write_once(&state, attempt, async |tx| {
        let new = NewApiKey {
            prefix: key.prefix(),
            sha256: key.sha256(),
            name: &draft.name,
            scopes: &draft.scopes,
            creator: person.user,
            expires_at: Some(draft.expires_at),
        };
        let most = state.settings.api_keys.per_tenant;
        let made = api_keys::create(tx, &new, most).await?.ok_or_else(|| too_many(most))?;
        let location = format!("/api/api-keys/{}", made.id);
        let answer = ApiKeyAnswer::of(made, Some(key.expose().to_owned()));
        Ok(Answer::json(StatusCode::CREATED, &answer)?
            .with_header("Location", location)
            .with_header(CACHE_CONTROL.as_str(), "no-store"))
    })
    .await
}

/// Revokes an API key, for good.
#[utoipa::path(
    delete, path = "/api/api-keys/{id}", tag = "access", operation_id = "revokeApiKey",
    params(("id" = uuid::Uuid, Path, description = "The key")),
    responses((status = 204, description = "It opens nothing any more")),
)]
pub(crate) async fn revoke_api_key(
    state: web::Data<PortalState>,
    Gated(access, (id, _)): Gated<ApiKeysManage, (IdPath, NoQuery)>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    write_once(&state, attempt(&access, &request), async |tx| {
        if api_keys::revoke(tx, ApiKeyId::from_uuid(id.0)).await? {
            Ok(Answer::no_content())
        } else {
            Err(ApiError::not_found())
        }
    })
    .await
}

fn attempt<'a>(access: &'a Authorized<ApiKeysManage>, request: &HttpRequest) -> Attempt<'a> {
    Attempt {
        scope: &access.scope,
        actor: &access.actor,
        route: format!("{} {}", request.method(), request.path()),
        key: const { &IdempotencyKey(None) },
        digest: [0; 32],
    }
}

fn too_many(most: u32) -> ApiError {
    let detail = format!("Your organization has {most} keys in force. Revoke one first.");
    ApiError::new(ErrorCode::Conflict, detail)
}

/// What a body asks for, checked.
#[derive(Debug)]
struct Draft {
    name: String,
    scopes: Vec<String>,
    expires_at: OffsetDateTime,
}

impl Draft {
    fn read(
        body: &Map<String, Value>,
        access: &Authorized<ApiKeysManage>,
        now: OffsetDateTime,
        longest: Duration,
    ) -> Result<Self, ApiError> {
        let (fields, mut faults) = (Fields::of_body(body), Faults::default());
        let read_only = ["id", "key", "prefix", "created_by", "created_at", "last_used_at"];
        fields.refuse_others(&["name", "scopes", "expires_at"], &read_only, &mut faults);
        let name = fields.text("name", NAME, &mut faults).required("#/name", &mut faults);
        let scopes = scopes_of(&fields, &mut faults);
        if let Some(scopes) = &scopes {
            refuse_more_than_own(scopes, access, &mut faults);
        }
        let latest = now + longest;
        let expires_at = fields.instant("expires_at", &mut faults).optional().unwrap_or(latest);
        if expires_at <= now || expires_at > latest {
            let days = longest.as_secs() / 86_400;
            let detail = format!("an instant to come, at most {days} days from now");
            faults.add("#/expires_at", "out_of_range", detail);
        }
        match (name, scopes) {
            (Some(name), Some(scopes)) if faults.is_empty() => {
                Ok(Self { name, scopes, expires_at })
            }
            _ => Err(ApiError::new(ErrorCode::ValidationFailed, "See errors for what is wrong.")
                .with_fields(faults.into_vec())),
        }
    }
}

/// The scopes that a body names: only those that machines may have, each once.
fn scopes_of(fields: &Fields<'_>, faults: &mut Faults) -> Option<Vec<String>> {
    let given = match fields.list("scopes", MAX_SCOPES, faults) {
        Given::Value([]) => {
            faults.add("#/scopes", "too_short", "at least one");
            return None;
        }
        given => given.required("#/scopes", faults)?,
    };
    let mut scopes = Vec::with_capacity(given.len());
    let mut seen = HashSet::new();
    for (index, item) in given.iter().enumerate() {
        let pointer = format!("#/scopes/{index}");
        let Some(scope) = checked_text(item, SCOPE, &pointer, faults) else { continue };
        if !Permission::find(&scope).is_some_and(Permission::is_for_machines) {
            let known: Vec<&str> =
                PermissionSet::for_machines().iter().map(Permission::as_str).collect();
            faults.add(pointer, "unknown_word", format!("one of {}", known.join(", ")));
        } else if seen.insert(scope.clone()) {
            scopes.push(scope);
        } else {
            faults.add(pointer, "repeated", "stands in the list already");
        }
    }
    Some(scopes)
}

/// Nobody makes a key that may more than they may themselves.
fn refuse_more_than_own(
    scopes: &[String],
    access: &Authorized<ApiKeysManage>,
    faults: &mut Faults,
) {
    for (index, scope) in scopes.iter().enumerate() {
        if PermissionSet::of_scope(scope).iter().any(|one| access.reach(one) == Grant::None) {
            faults.add(format!("#/scopes/{index}"), "not_yours", "is more than you may do");
        }
    }
}

impl ApiKeyAnswer {
    fn of(key: ApiKey, secret: Option<String>) -> Self {
        Self {
            id: key.id.as_uuid(),
            name: key.name,
            prefix: key.prefix,
            scopes: key.scopes,
            created_by: ApiKeyCreator { id: key.creator.as_uuid(), name: key.creator_name },
            created_at: key.created_at,
            expires_at: key.expires_at,
            last_used_at: key.last_used_at,
            revoked_at: key.revoked_at,
            key: secret,
        }
    }
}
