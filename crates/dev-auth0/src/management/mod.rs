//! The part of Auth0's Management API that the portal uses: members, their roles, invitations.
//!
//! Every route wants a token of the client-credentials grant with the scope that Auth0 names for
//! it; errors have the shape of Auth0's.

mod access;
mod invitations;
mod members;
mod organizations;
mod roles;

use actix_web::web;
use serde::Deserialize;
use serde_json::{Value, json};

pub(crate) use roles::role_id;

/// Registers the routes, below `/api/v2`.
pub(crate) fn configure(config: &mut web::ServiceConfig) {
    config
        .route("/roles", web::get().to(roles::list_roles))
        .route("/users/{user}/organizations", web::get().to(organizations::list_of_user))
        .service(
            web::scope("/organizations/{org}")
                .route("", web::get().to(organizations::get_organization))
                .route("/members", web::get().to(members::list_members))
                .route("/members", web::post().to(members::add_members))
                .route("/members", web::delete().to(members::delete_members))
                .route("/members/{user}/roles", web::get().to(roles::list_member_roles))
                .route("/members/{user}/roles", web::post().to(roles::assign_member_roles))
                .route("/members/{user}/roles", web::delete().to(roles::delete_member_roles))
                .route("/members/{user}/effective-roles", web::get().to(roles::effective_roles))
                .route("/invitations", web::get().to(invitations::list_invitations))
                .route("/invitations", web::post().to(invitations::create_invitation))
                .route(
                    "/invitations/{invitation}",
                    web::delete().to(invitations::delete_invitation),
                ),
        );
}

/// Which page of a list; pages count from 0.
#[derive(Clone, Copy, Debug, Deserialize)]
struct Page {
    #[serde(default)]
    page: usize,
    #[serde(default = "Page::default_size")]
    per_page: usize,
    #[serde(default)]
    include_totals: bool,
}

impl Page {
    const MAX: usize = 100;

    fn default_size() -> usize {
        50
    }

    /// The page of `items`, alone or with the totals and under `name`.
    fn of(&self, name: &str, items: &[Value]) -> Value {
        let size = self.per_page.clamp(1, Self::MAX);
        let start = self.page.saturating_mul(size);
        let slice: Vec<Value> = items.iter().skip(start).take(size).cloned().collect();
        if !self.include_totals {
            return json!(slice);
        }
        json!({ "start": start, "limit": size, "total": items.len(), name: slice })
    }
}
