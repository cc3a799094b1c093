//! The OpenAPI 3.1 document, made from the handlers and their types.
//!
//! Handlers describe their successes. What can go wrong follows from what a route is (who may call
//! it, whether it names a job, whether it changes something), so it is added here, once.

mod conventions;

use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use self::conventions::Conventions;
use crate::error::{FieldError, Problem};

/// The document as pretty-printed JSON.
pub fn openapi_document() -> String {
    Document::openapi().to_pretty_json().unwrap_or_default()
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Employer Portal",
        description = "Jobs of many employers, each behind their own wall. Sign in at \
            `/auth/login`; requests that change something repeat the `csrf_token` of \
            `GET /api/session` as `X-CSRF-Token`. Applications send a bearer token or an API key \
            instead; two credentials in one request are refused. Every error is an RFC 9457 problem with a stable \
            `code` and a `request_id`. Amounts are in minor units of their currency, instants in \
            RFC 3339.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    paths(
        crate::auth::routes::login,
        crate::auth::routes::callback,
        crate::auth::routes::logout,
        crate::auth::routes::session,
        crate::auth::routes::list_devices,
        crate::auth::routes::end_device,
        crate::auth::routes::end_devices,
        crate::auth::backchannel::backchannel_logout,
        crate::auth::events::receive_event,
        crate::team::members::list_members,
        crate::team::role::change_role,
        crate::team::removal::remove_member,
        crate::team::invitations::list_invitations,
        crate::team::invitations::create_invitation,
        crate::team::invitations::withdraw_invitation,
        crate::auth::api_keys::routes::list_api_keys,
        crate::auth::api_keys::routes::create_api_key,
        crate::auth::api_keys::routes::revoke_api_key,
        crate::mail::ask,
        crate::mail::unsubscribe,
        crate::webhooks::endpoints::list_webhooks,
        crate::webhooks::endpoints::create_webhook,
        crate::webhooks::endpoints::get_webhook,
        crate::webhooks::endpoints::update_webhook,
        crate::webhooks::endpoints::delete_webhook,
        crate::webhooks::endpoints::rotate_secret,
        crate::webhooks::deliveries::ping,
        crate::webhooks::deliveries::list_deliveries,
        crate::webhooks::deliveries::get_delivery,
        crate::webhooks::deliveries::redeliver,
        crate::stream::stream_events,
        crate::jobs::list::list_jobs,
        crate::jobs::figures::get_facets,
        crate::jobs::figures::get_overview,
        crate::jobs::item::get_job,
        crate::jobs::write::create_job,
        crate::jobs::write::update_job,
        crate::jobs::write::put_job,
        crate::jobs::write::delete_job,
        crate::jobs::transitions::publish_job,
        crate::jobs::transitions::pause_job,
        crate::jobs::transitions::close_job,
        crate::jobs::transitions::reopen_job,
        crate::jobs::transitions::archive_job,
        crate::jobs::transitions::duplicate_job,
        crate::jobs::transitions::toggle_job,
        crate::notifications::list::list_notifications,
        crate::notifications::list::count_unread,
        crate::notifications::marks::read_one,
        crate::notifications::marks::archive_one,
        crate::notifications::marks::seen_up_to,
        crate::notifications::marks::read_up_to,
        crate::notifications::marks::read_all,
        crate::notifications::preferences::get_preferences,
        crate::notifications::preferences::put_preferences,
        crate::applications::list::list_applications,
        crate::applications::list::list_applications_of_job,
        crate::applications::item::get_application,
        crate::applications::files::download_file,
        crate::applications::steps::move_application,
        crate::applications::steps::reject_application,
        crate::applications::steps::unreject_application,
        crate::applications::steps::hire_applicant,
        crate::applications::steps::withdraw_application,
        crate::analytics::reports::get_overview,
        crate::analytics::reports::get_time_series,
        crate::analytics::reports::get_funnel,
        crate::analytics::reports::get_breakdown,
        crate::analytics::reports::get_sources,
        crate::analytics::reports::get_time_in_stage,
        crate::analytics::reports::get_time_to_hire,
        crate::analytics::export::export_figures,
        crate::exports::routes::ask_for_export,
        crate::exports::routes::list_exports,
        crate::exports::routes::get_export,
        crate::exports::file::download_export,
        crate::exports::routes::delete_export,
        crate::analytics::soundness::get_drift,
        crate::public::apply::apply,
        crate::public::view::count_view,
        crate::cache_admin::status::get_status,
        crate::cache_admin::invalidate::invalidate_cache,
        crate::cache_admin::keys::list_keys,
        crate::cache_admin::warm::warm_cache,
        crate::operator::tenants::list,
        crate::operator::tenants::suspend,
        crate::operator::tenants::resume,
        crate::operator::impersonation::start,
        crate::operator::impersonation::end,
        crate::health::live,
        crate::health::ready,
        crate::health::health,
        crate::health::cache,
        crate::metrics::metrics,
        crate::docs::document,
    ),
    components(schemas(Problem, FieldError, employer_store::analytics::Rule)),
    tags(
        (name = "session", description = "Signing in and out, and who is signed in"),
        (name = "team", description = "Who works in the signed-in person's company, and as what"),
        (name = "access", description = "Who and what may work in the signed-in person's company"),
        (name = "webhooks", description = "Telling the company's own systems of what happens"),
        (name = "jobs", description = "Jobs of the signed-in person's company"),
        (name = "notifications", description = "What the signed-in person is told of"),
        (name = "applications", description = "Applications for the jobs of that company"),
        (name = "analytics", description = "Figures about those jobs and applications"),
        (name = "public", description = "For everybody, without signing in"),
        (name = "cache", description = "The cached answers of the signed-in person's company"),
        (name = "operator", description = "For the platform's own people"),
        (name = "health", description = "For balancers and monitors"),
        (name = "documents", description = "This description"),
    ),
    modifiers(&Security, &Conventions),
)]
struct Document;

/// How callers prove who they are.
struct Security;

impl Modify for Security {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        let session = ApiKeyValue::with_description(
            crate::auth::SESSION_COOKIE,
            "The session; `/auth/login` sets it.",
        );
        let csrf = ApiKeyValue::with_description(
            "X-CSRF-Token",
            "`csrf_token` of `GET /api/session`, for whatever changes something.",
        );
        components.add_security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(session)));
        components.add_security_scheme("csrf", SecurityScheme::ApiKey(ApiKey::Header(csrf)));
        let token =
            HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").description(
                Some("An access token of the identity provider for this API and an organization."),
            );
        components.add_security_scheme("token", SecurityScheme::Http(token.build()));
        let key = ApiKeyValue::with_description(
            "X-API-Key",
            "A key of `POST /api/api-keys`; it may also be sent as a bearer token.",
        );
        components.add_security_scheme("api_key", SecurityScheme::ApiKey(ApiKey::Header(key)));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::error::PROBLEM_JSON;

    fn document() -> Value {
        serde_json::from_str(&openapi_document()).unwrap()
    }

    #[test]
    fn the_document_is_openapi_3_1_and_names_every_operation() {
        let document = document();
        assert_eq!(document["openapi"], "3.1.0");
        let mut names = std::collections::HashSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let name = operation["operationId"].as_str().unwrap_or_default();
                assert!(!name.is_empty() && names.insert(name), "{method} {path}");
                assert!(operation["responses"].as_object().is_some_and(|all| !all.is_empty()));
            }
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        fn walk(value: &Value, document: &Value) {
            match value {
                Value::Object(object) => {
                    if let Some(reference) = object.get("$ref").and_then(Value::as_str) {
                        let pointer = reference.strip_prefix('#').unwrap();
                        assert!(document.pointer(pointer).is_some(), "{reference}");
                    }
                    object.values().for_each(|value| walk(value, document));
                }
                Value::Array(items) => items.iter().for_each(|value| walk(value, document)),
                _ => {}
            }
        }
        let document = document();
        walk(&document, &document);
    }

    #[test]
    fn what_changes_something_asks_for_the_token_and_says_what_can_go_wrong() {
        let document = document();
        let operation = &document["paths"]["/api/jobs/{id}"]["patch"];
        assert!(operation["security"][0].get("csrf").is_some());
        for status in ["401", "403", "404", "412", "422", "428", "503"] {
            let content = &operation["responses"][status]["content"][PROBLEM_JSON];
            assert!(content.is_object(), "{status}");
        }
        let headers = operation["parameters"].as_array().unwrap();
        assert!(headers.iter().any(|one| one["name"] == "If-Match" && one["required"] == true));
        assert!(document["paths"]["/live"]["get"].get("security").is_none());
    }

    #[test]
    fn vocabularies_document_the_words_of_the_wire() {
        use employer_store::jobs::{
            CloseReason, EmploymentType, ExperienceLevel, JobStatus, SalaryPeriod, TeamAccess,
            WorkplaceType,
        };
        let document = document();
        let table = [
            ("CloseReason", CloseReason::WORDS),
            ("EmploymentType", EmploymentType::WORDS),
            ("ExperienceLevel", ExperienceLevel::WORDS),
            ("JobStatus", JobStatus::WORDS),
            ("SalaryPeriod", SalaryPeriod::WORDS),
            ("TeamAccess", TeamAccess::WORDS),
            ("WorkplaceType", WorkplaceType::WORDS),
        ];
        for (schema, words) in table {
            let documented = &document["components"]["schemas"][schema]["enum"];
            assert_eq!(documented, &serde_json::json!(words), "{schema}");
        }
    }

    #[test]
    fn bodies_document_what_is_read() {
        use std::collections::BTreeSet;
        let document = document();
        for schema in ["JobDraft", "JobPatch"] {
            let properties = document["components"]["schemas"][schema]["properties"].as_object();
            let names: BTreeSet<&str> = properties.unwrap().keys().map(String::as_str).collect();
            assert_eq!(names, BTreeSet::from(crate::jobs::WRITABLE), "{schema}");
        }
    }
}
