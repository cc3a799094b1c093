//! Ids in paths.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use tenancy::JobId;
use uuid::Uuid;

use crate::error::ApiError;

/// The job that the path names. Text that is no id names no job: 404, as for any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct JobPath(pub(crate) JobId);

/// Whatever else the path names by an `{id}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IdPath(pub(crate) Uuid);

impl IdPath {
    fn parse(text: &str) -> Result<Self, ApiError> {
        let id = Uuid::try_parse(text).map_err(|_| ApiError::not_found())?;
        // One thing has one address: the other spellings of a uuid name nothing.
        if id.hyphenated().to_string() == text { Ok(Self(id)) } else { Err(ApiError::not_found()) }
    }
}

impl FromRequest for IdPath {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::parse(request.match_info().get("id").unwrap_or_default()))
    }
}

impl JobPath {
    fn parse(text: &str) -> Result<Self, ApiError> {
        IdPath::parse(text).map(|id| Self(JobId::from_uuid(id.0)))
    }
}

impl FromRequest for JobPath {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::parse(request.match_info().get("id").unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_spelling_names_a_job() {
        assert!(JobPath::parse("0191f1c0-5a5a-7000-8000-00000000abcd").is_ok());
        for refused in [
            "",
            "7",
            "0191F1C0-5A5A-7000-8000-00000000ABCD",
            "0191f1c05a5a7000800000000000abcd",
            "{0191f1c0-5a5a-7000-8000-00000000abcd}",
            "urn:uuid:0191f1c0-5a5a-7000-8000-00000000abcd",
            "stats",
        ] {
            assert!(JobPath::parse(refused).is_err(), "{refused}");
        }
    }
}
