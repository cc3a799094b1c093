//! What handlers take out of a request: bounded, checked, and refused with a pointer.

mod body;
mod gated;
mod idempotency_key;
mod path;
mod preconditions;
mod query;
mod read_headers;
mod strict_json;

pub(crate) use body::{BodyLimits, Json, JsonBody, MergePatch, OptionalJson};
pub(crate) use gated::Gated;
pub(crate) use idempotency_key::IdempotencyKey;
pub(crate) use path::{ApplicationPath, FilePath, IdPath, JobPath};
pub(crate) use preconditions::{EntityTag, IfMatch, IfNoneMatch};
pub(crate) use query::{NoQuery, Pairs, refused_parameters};
pub(crate) use read_headers::ReadHeaders;

/// Whether `text` holds characters that no field of ours may hold. Line breaks and tabs count
/// unless `allow_breaks`.
pub(crate) fn has_control_characters(text: &str, allow_breaks: bool) -> bool {
    text.chars().any(|c| c.is_control() && !(allow_breaks && matches!(c, '\n' | '\r' | '\t')))
}
