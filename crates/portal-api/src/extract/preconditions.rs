//! `If-Match` and `If-None-Match`, and the entity tags they carry.
//!
//! A job's tag is `"<version>-<hash>"`: the version is what changes are guarded by, the hash tells
//! whether the bytes are the same.

use std::fmt;
use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::{HeaderName, IF_MATCH, IF_NONE_MATCH};
use actix_web::{FromRequest, HttpRequest};

use crate::error::{ApiError, ErrorCode};

/// Longest header value that is looked at.
const MAX_HEADER_BYTES: usize = 1_024;

/// The tag of one representation, quotes included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EntityTag(String);

impl EntityTag {
    /// The tag of a job's representation.
    pub(crate) fn of_version(version: i32, hash: &str) -> Self {
        Self(format!("\"{version}-{hash}\""))
    }

    /// A tag that already has its quotes.
    pub(crate) fn quoted(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The tag of the same representation under a content coding: its bytes are others.
    pub(crate) fn of_coding(&self, coding: &str) -> Self {
        Self(format!("{}-{coding}\"", self.0.trim_end_matches('"')))
    }

    /// The tag as headers carry it.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EntityTag {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// What a list of entity tags says.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Tags {
    Any,
    /// The opaque parts, without quotes, and whether each is weak.
    Some(Vec<(String, bool)>),
}

/// The versions that a change is allowed to replace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IfMatch(Option<Tags>);

impl IfMatch {
    /// Refuses a change that names no version.
    pub(crate) fn require(&self) -> Result<(), ApiError> {
        if self.0.is_some() {
            return Ok(());
        }
        Err(ApiError::new(
            ErrorCode::PreconditionRequired,
            "Send the ETag of the version that you have read as If-Match.",
        )
        .with_field("header:If-Match", "required", "is required for this change"))
    }

    /// Checks that `current` is a version that may be replaced.
    pub(crate) fn check(&self, current: i32) -> Result<(), ApiError> {
        let is_satisfied = match &self.0 {
            None | Some(Tags::Any) => true,
            // A weak tag never matches: two weakly equal versions may differ.
            Some(Tags::Some(tags)) => {
                tags.iter().any(|(tag, is_weak)| !is_weak && version_of(tag) == Some(current))
            }
        };
        if is_satisfied { Ok(()) } else { Err(Self::mismatch(current)) }
    }

    /// The error of a change to a version that is no longer the current one.
    pub(crate) fn mismatch(current: i32) -> ApiError {
        ApiError::new(
            ErrorCode::PreconditionFailed,
            format!("The current version is {current}. Read it again and repeat the change."),
        )
        .with_field(
            "header:If-Match",
            "version_mismatch",
            format!("current version is {current}"),
        )
    }
}

/// The version in a job's tag: the digits before the first `-`.
fn version_of(tag: &str) -> Option<i32> {
    let digits = tag.split('-').next()?;
    let is_canonical = digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
    if is_canonical { digits.parse().ok() } else { None }
}

/// The representations that the caller has already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IfNoneMatch(Option<Tags>);

impl IfNoneMatch {
    /// Whether the caller has this representation already.
    pub(crate) fn has(&self, current: &EntityTag) -> bool {
        match &self.0 {
            None => false,
            Some(Tags::Any) => true,
            Some(Tags::Some(tags)) => {
                let opaque = current.as_str().trim_matches('"');
                tags.iter().any(|(tag, _)| tag == opaque)
            }
        }
    }
}

impl FromRequest for IfMatch {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(tags_of(request, &IF_MATCH, "If-Match").map(Self))
    }
}

impl FromRequest for IfNoneMatch {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(tags_of(request, &IF_NONE_MATCH, "If-None-Match").map(Self))
    }
}

fn tags_of(
    request: &HttpRequest,
    header: &HeaderName,
    name: &'static str,
) -> Result<Option<Tags>, ApiError> {
    let mut texts = Vec::new();
    for value in request.headers().get_all(header) {
        texts.push(value.to_str().map_err(|_| malformed(name))?);
    }
    if texts.is_empty() {
        return Ok(None);
    }
    let text = texts.join(",");
    if text.len() > MAX_HEADER_BYTES {
        return Err(malformed(name));
    }
    parse_tags(&text).map(Some).ok_or_else(|| malformed(name))
}

fn malformed(name: &'static str) -> ApiError {
    ApiError::new(ErrorCode::InvalidParameter, "A header is malformed; see errors.").with_field(
        format!("header:{name}"),
        "malformed",
        "is * or a list of quoted entity tags",
    )
}

fn parse_tags(text: &str) -> Option<Tags> {
    if text.trim() == "*" {
        return Some(Tags::Any);
    }
    let mut tags = Vec::new();
    // Lists may have empty elements; proxies that join or strip headers leave some.
    let is_filler = |c: char| c == ',' || c.is_ascii_whitespace();
    let mut rest = text.trim_start_matches(is_filler);
    loop {
        let (is_weak, quoted) = match rest.strip_prefix("W/") {
            Some(quoted) => (true, quoted),
            None => (false, rest),
        };
        let (opaque, after) = quoted.strip_prefix('"')?.split_once('"')?;
        let is_well_formed = opaque.bytes().all(|b| b == 0x21 || (0x23..=0x7e).contains(&b));
        if !is_well_formed {
            return None;
        }
        tags.push((opaque.to_owned(), is_weak));
        rest = after.trim_start_matches(is_filler);
        let is_separated = after.trim_start().starts_with(',');
        if rest.is_empty() {
            return Some(Tags::Some(tags));
        } else if !is_separated {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn if_match(value: &str) -> Result<IfMatch, ApiError> {
        let request = TestRequest::get().insert_header(("If-Match", value)).to_http_request();
        tags_of(&request, &IF_MATCH, "If-Match").map(IfMatch)
    }

    fn if_none_match(value: &str) -> IfNoneMatch {
        let request = TestRequest::get().insert_header(("If-None-Match", value)).to_http_request();
        IfNoneMatch(tags_of(&request, &IF_NONE_MATCH, "If-None-Match").unwrap())
    }

    #[test]
    fn a_change_needs_the_current_version() {
        for allowed in ["\"7-abc\"", "\"7\"", "*", "\"6-x\", \"7-y\"", " \"7-a,b\" ", ", ,\"7\","] {
            assert!(if_match(allowed).unwrap().check(7).is_ok(), "{allowed}");
        }
        for refused in ["\"8-abc\"", "W/\"7-abc\"", "\"\"", "\"07-a\"", "\"-7\"", "\"abc\""] {
            let error = if_match(refused).unwrap().check(7).unwrap_err();
            assert_eq!(error.code(), ErrorCode::PreconditionFailed, "{refused}");
            assert!(error.detail().contains("version is 7"));
        }
    }

    #[test]
    fn malformed_lists_are_refused() {
        let endless = format!("\"{}\"", "1".repeat(2_000));
        for refused in ["", "7", "\"7", "7\"", "\"7\" \"8\"", ",", "W\"7\"", &endless] {
            assert!(if_match(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn no_header_is_only_fine_where_none_is_required() {
        let absent = IfMatch(None);
        assert!(absent.check(7).is_ok());
        assert_eq!(absent.require().unwrap_err().code(), ErrorCode::PreconditionRequired);
    }

    #[test]
    fn representations_compare_weakly() {
        let current = EntityTag::of_version(3, "abcd");
        assert_eq!(current.as_str(), "\"3-abcd\"");
        for known in ["\"3-abcd\"", "W/\"3-abcd\"", "\"x\", W/\"3-abcd\"", "*"] {
            assert!(if_none_match(known).has(&current), "{known}");
        }
        for other in ["\"3\"", "\"3-abce\""] {
            assert!(!if_none_match(other).has(&current), "{other}");
        }
    }

    #[test]
    fn a_coded_representation_has_a_tag_of_its_own_and_the_same_version() {
        let coded = EntityTag::of_version(3, "abcd").of_coding("gzip");
        assert_eq!(coded.as_str(), "\"3-abcd-gzip\"");
        assert!(!if_none_match("\"3-abcd\"").has(&coded));
        assert!(if_match(coded.as_str()).unwrap().check(3).is_ok());
    }
}
