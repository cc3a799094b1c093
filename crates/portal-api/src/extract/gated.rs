//! First who may, then what they sent.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::{Error, FromRequest, HttpRequest};

use crate::auth::{Authorized, Needs};

/// The input of a handler, looked at only after the caller was authorized.
///
/// The framework polls a handler's extractors side by side; without this, a stranger's malformed
/// body could be answered before it is known that they are a stranger, and would be read at all.
#[derive(Debug)]
pub(crate) struct Gated<P: Needs, T>(pub(crate) Authorized<P>, pub(crate) T);

impl<P, T> FromRequest for Gated<P, T>
where
    P: Needs + 'static,
    T: FromRequest + 'static,
{
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Error>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, mut payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let access = Authorized::<P>::of(&request).await?;
            let input = T::from_request(&request, &mut payload).await.map_err(Into::into)?;
            Ok(Self(access, input))
        })
    }
}
