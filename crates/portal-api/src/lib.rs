//! The HTTP surface: routes, extractors, errors, OpenAPI.
//!
//! Only `portal` may use this crate: it makes a [`PortalState`] and runs [`server`]. Nothing in
//! here reads the environment, knows SQL or names a Redis client.
//!
//! Invariants:
//! - Every answer that is not a success is an [`error::Problem`], the framework's own included;
//!   bodies of 5xx answers are constant, and each error is logged once, at the edge.
//! - A handler reaches tenant data only through `auth::Authorized`, whose permission stands in its
//!   signature. [`ROUTES`] is the same table that routing is made from.
//! - Everything that comes in is bounded; unknown query parameters and fields are refused.
//! - A write answers after its invalidation: see [`writes`].
//!
//! ```
//! let document: serde_json::Value =
//!     serde_json::from_str(&portal_api::openapi_document()).unwrap();
//! assert!(document["paths"]["/api/jobs"]["get"].is_object());
//! ```

pub mod access;
mod analytics;
pub mod app;
mod applications;
mod audit;
pub mod auth;
mod cache_admin;
mod docs;
mod edge;
pub mod error;
mod exports;
mod extract;
pub mod files;
pub mod health;
mod jobs;
mod limits;
mod mail;
pub mod metrics;
mod notifications;
mod openapi;
mod operator;
pub mod public;
pub mod state;
mod stream;
mod team;
#[cfg(feature = "testing")]
pub mod testing;
mod webhooks;
pub mod writes;

pub use analytics::Exports;
pub use app::{Access, ROUTES, RouteInfo, app, server};
pub use audit::{AuditSettings, AuditTrail, AuditWriter};
pub use edge::{AllowedOrigins, InvalidNetwork, InvalidOrigin, Networks, Reach};
pub use error::{ApiError, ErrorCode};
pub use exports::{ExportMakers, ExportQueue, ExportSettings};
pub use jobs::CursorKey;
pub use limits::{Charge, RateLimits, Rates, SharedCounts};
pub use openapi::openapi_document;
pub use operator::{Operators, Platform};
pub use state::{ApiKeySettings, ApiSettings, HttpSettings, Lifecycle, Limits, Phase, PortalState};
pub use stream::follow_access;
pub use webhooks::Webhooks;
