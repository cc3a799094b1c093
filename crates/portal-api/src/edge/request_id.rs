//! The name of a request in our log and in every answer.

use std::fmt;

use actix_web::HttpMessage as _;
use actix_web::dev::ServiceRequest;
use uuid::Uuid;

/// Names one request. Always ours: a name that a client chose could be used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RequestId(Uuid);

impl fmt::Display for RequestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// Names the request and notes the name in its extensions.
pub(super) fn assign(request: &ServiceRequest) -> RequestId {
    let id = RequestId(Uuid::now_v7());
    request.extensions_mut().insert(id);
    id
}
