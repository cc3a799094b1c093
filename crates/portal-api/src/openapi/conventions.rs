//! What follows from what a route is: who may call it, whether it names a job, whether it changes
//! something.

use tenancy::Permission;
use utoipa::Modify;
use utoipa::openapi::path::{Operation, ParameterBuilder, ParameterIn};
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::schema::Type;
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{
    ContentBuilder, HeaderBuilder, ObjectBuilder, OpenApi, PathItem, Ref, RefOr, Required,
};

use crate::app::{Access, ROUTES, RouteInfo};
use crate::error::{ErrorCode, PROBLEM_JSON};

/// What routes of one kind have in common.
pub(super) struct Conventions;

impl Modify for Conventions {
    fn modify(&self, document: &mut OpenApi) {
        for route in ROUTES {
            let Some(item) = document.paths.paths.get_mut(route.path) else { continue };
            let Some(operation) = operation_of(item, route.method) else { continue };
            add_security(operation, route);
            add_headers(operation, route);
            add_answer_headers(operation, route);
            for code in problems_of(route) {
                add_problem(operation, code);
            }
        }
    }
}

fn operation_of<'a>(item: &'a mut PathItem, method: &str) -> Option<&'a mut Operation> {
    match method {
        "GET" => item.get.as_mut(),
        "POST" => item.post.as_mut(),
        "PUT" => item.put.as_mut(),
        "PATCH" => item.patch.as_mut(),
        "DELETE" => item.delete.as_mut(),
        _ => None,
    }
}

fn is_write(route: &RouteInfo) -> bool {
    route.method != "GET"
}

fn names_a_job(route: &RouteInfo) -> bool {
    route.path.starts_with("/api/jobs/{id}") || route.path.starts_with("/api/applications/{id}")
}

fn is_of_jobs(route: &RouteInfo) -> bool {
    route.path.starts_with("/api/jobs") || route.path.starts_with("/api/applications")
}

fn is_of_cache(route: &RouteInfo) -> bool {
    route.path.starts_with("/api/cache/")
}

fn is_of_access(route: &RouteInfo) -> bool {
    ["/api/api-keys", "/api/team", "/api/webhooks"]
        .iter()
        .any(|start| route.path.starts_with(start))
}

fn is_of_notifications(route: &RouteInfo) -> bool {
    route.path.starts_with("/api/notifications/")
}

fn add_security(operation: &mut Operation, route: &RouteInfo) {
    // The identity provider brings its proof along, as the handlers describe.
    if matches!(route.access, Access::Public | Access::IdentityProvider | Access::SignedLink) {
        return;
    }
    let mut requirement = SecurityRequirement::new("session", Vec::<String>::new());
    if is_write(route) {
        requirement = requirement.add("csrf", Vec::<String>::new());
    }
    let mut alternatives = vec![requirement];
    if let Access::Needs(permission) = route.access {
        let alone = |scheme: &str| SecurityRequirement::new(scheme, Vec::<String>::new());
        if !matches!(permission, Permission::SessionRead | Permission::SessionManage) {
            alternatives.push(alone("token"));
        }
        if permission.is_for_machines() {
            alternatives.push(alone("api_key"));
        }
    }
    operation.security = Some(alternatives);
}

fn add_headers(operation: &mut Operation, route: &RouteInfo) {
    if is_of_notifications(route) && route.method == "POST" {
        add_idempotency_key(operation);
    }
    if !is_of_jobs(route) {
        return;
    }
    let is_required = matches!(route.method, "PATCH" | "PUT" | "DELETE");
    if is_write(route) && names_a_job(route) {
        let description = "The `ETag` of the version that the change is meant for";
        add_header(operation, "If-Match", description, is_required);
    }
    if route.method == "POST" {
        add_idempotency_key(operation);
    }
    if route.method == "GET" {
        let description = "The `ETag` of what the caller has: 304 where it is current";
        add_header(operation, "If-None-Match", description, false);
    }
}

fn add_idempotency_key(operation: &mut Operation) {
    let description = "The caller's name for this attempt, 1 to 255 characters: repeating it \
                       within a day gives the first answer again";
    add_header(operation, "Idempotency-Key", description, false);
}

fn add_header(operation: &mut Operation, name: &str, description: &str, is_required: bool) {
    let parameter = ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .required(if is_required { Required::True } else { Required::False })
        .description(Some(description))
        .schema(Some(ObjectBuilder::new().schema_type(Type::String).build()))
        .build();
    operation.parameters.get_or_insert_default().push(parameter.into());
}

/// What the headers of a success tell.
fn add_answer_headers(operation: &mut Operation, route: &RouteInfo) {
    if !is_of_jobs(route) {
        return;
    }
    let is_read = route.method == "GET";
    let is_list =
        matches!(route.path, "/api/jobs" | "/api/applications" | "/api/jobs/{id}/applications");
    for (status, response) in &mut operation.responses.responses {
        let RefOr::T(response) = response else { continue };
        let is_created = status == "201";
        let wanted = [
            ("ETag", status != "204", "The version of this representation"),
            ("Location", is_created, "Where the new job is"),
            (
                "X-Cache",
                is_read && route.path != "/api/applications/{id}",
                "`hit`, `miss`, `stale` or `bypass`",
            ),
            (
                "Age",
                is_read && route.path != "/api/applications/{id}",
                "Seconds since the answer was read from the database",
            ),
            ("Link", is_list && is_read, "`rel=\"next\"`: the next page"),
            ("Idempotency-Replayed", route.method == "POST", "`true` on an answer given again"),
        ];
        for (name, _, description) in wanted.into_iter().filter(|(_, is_wanted, _)| *is_wanted) {
            let schema = ObjectBuilder::new().schema_type(Type::String).build();
            let header =
                HeaderBuilder::new().schema(Some(schema)).description(Some(description)).build();
            response.headers.insert(name.to_owned(), header.into());
        }
    }
    if is_read {
        let current = ResponseBuilder::new().description("What the caller has is current").build();
        operation.responses.responses.insert("304".to_owned(), current.into());
    }
}

/// What can go wrong on a route, by what it is.
fn problems_of(route: &RouteInfo) -> Vec<ErrorCode> {
    if is_of_cache(route) {
        return problems_of_cache(route);
    }
    if is_of_notifications(route) {
        return problems_of_notifications(route);
    }
    if is_of_access(route) {
        return problems_of_access(route);
    }
    if route.access == Access::Operator {
        return problems_of_operators(route);
    }
    if !is_of_jobs(route) {
        return Vec::new();
    }
    let mut codes = vec![
        ErrorCode::InvalidParameter,
        ErrorCode::Unauthenticated,
        ErrorCode::Forbidden,
        ErrorCode::Internal,
        ErrorCode::Unavailable,
    ];
    if names_a_job(route) {
        codes.push(ErrorCode::NotFound);
    }
    if is_write(route) {
        codes.push(ErrorCode::TransitionRefused);
    }
    if is_write(route) && names_a_job(route) {
        codes.push(ErrorCode::PreconditionFailed);
    }
    if matches!(route.method, "PATCH" | "PUT" | "DELETE") {
        codes.push(ErrorCode::PreconditionRequired);
    }
    if matches!(route.method, "POST" | "PATCH" | "PUT") {
        codes.extend([
            ErrorCode::PayloadTooLarge,
            ErrorCode::UnsupportedMediaType,
            ErrorCode::ValidationFailed,
        ]);
    }
    codes
}

fn problems_of_notifications(route: &RouteInfo) -> Vec<ErrorCode> {
    let mut codes = vec![
        ErrorCode::InvalidParameter,
        ErrorCode::Unauthenticated,
        ErrorCode::Forbidden,
        ErrorCode::Internal,
        ErrorCode::Unavailable,
    ];
    if route.path.contains('{') {
        codes.push(ErrorCode::NotFound);
    }
    if is_write(route) {
        codes.extend([
            ErrorCode::PayloadTooLarge,
            ErrorCode::UnsupportedMediaType,
            ErrorCode::ValidationFailed,
        ]);
    }
    codes
}

fn problems_of_access(route: &RouteInfo) -> Vec<ErrorCode> {
    let mut codes = vec![
        ErrorCode::InvalidParameter,
        ErrorCode::Unauthenticated,
        ErrorCode::Forbidden,
        ErrorCode::Internal,
        ErrorCode::Unavailable,
    ];
    if route.path.contains('{') {
        codes.push(ErrorCode::NotFound);
    }
    if is_write(route) {
        codes.push(ErrorCode::Conflict);
    }
    if matches!(route.method, "POST" | "PATCH") {
        codes.extend([
            ErrorCode::PayloadTooLarge,
            ErrorCode::UnsupportedMediaType,
            ErrorCode::ValidationFailed,
        ]);
    }
    codes
}

fn problems_of_cache(route: &RouteInfo) -> Vec<ErrorCode> {
    let mut codes = vec![
        ErrorCode::InvalidParameter,
        ErrorCode::Unauthenticated,
        ErrorCode::Forbidden,
        ErrorCode::TooManyRequests,
        ErrorCode::Internal,
        ErrorCode::Unavailable,
    ];
    if is_write(route) {
        codes.extend([
            ErrorCode::PayloadTooLarge,
            ErrorCode::UnsupportedMediaType,
            ErrorCode::ValidationFailed,
        ]);
    } else if route.path == "/api/cache/keys" {
        codes.push(ErrorCode::NotFound);
    }
    codes
}

fn problems_of_operators(route: &RouteInfo) -> Vec<ErrorCode> {
    let mut codes = vec![
        ErrorCode::InvalidParameter,
        ErrorCode::Unauthenticated,
        ErrorCode::Forbidden,
        ErrorCode::TooManyRequests,
        ErrorCode::Internal,
        ErrorCode::Unavailable,
    ];
    if is_write(route) {
        codes.push(ErrorCode::NotFound);
    }
    if route.method == "POST" {
        codes.extend([
            ErrorCode::PayloadTooLarge,
            ErrorCode::UnsupportedMediaType,
            ErrorCode::ValidationFailed,
        ]);
    }
    codes
}

/// Adds the answer that a code stands for, unless the handler describes that status itself.
fn add_problem(operation: &mut Operation, code: ErrorCode) {
    let status = code.status().as_u16().to_string();
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    let response =
        ResponseBuilder::new().description(code.title()).content(PROBLEM_JSON, content).build();
    operation.responses.responses.entry(status).or_insert_with(|| response.into());
}
