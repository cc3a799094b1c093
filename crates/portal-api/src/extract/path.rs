//! Ids in paths.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use tenancy::{ApplicationId, JobId};
use uuid::Uuid;

use crate::error::ApiError;

/// The job that the path names. Text that is no id names no job: 404, as for any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct JobPath(pub(crate) JobId);

/// The application that the path names; as with jobs, text that is no id names none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ApplicationPath(pub(crate) ApplicationId);

/// A file of an application, as the path names both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FilePath(pub(crate) ApplicationId, pub(crate) Uuid);

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

impl FromRequest for ApplicationPath {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let id = IdPath::parse(request.match_info().get("id").unwrap_or_default());
        ready(id.map(|id| Self(ApplicationId::from_uuid(id.0))))
    }
}

impl FromRequest for FilePath {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let part = |name| IdPath::parse(request.match_info().get(name).unwrap_or_default());
        let both = part("id").and_then(|id| Ok((id, part("file")?)));
        ready(both.map(|(id, file)| Self(ApplicationId::from_uuid(id.0), file.0)))
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
