//! Reads a body, up to the limit of the service.

use std::time::Duration;

use actix_web::web;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use tokio::time::timeout;

use super::error::RestError;

/// The largest request.
pub(super) const BODY_MAX: usize = 10 << 20;
/// So much is read and thrown away of a body that is too large: a caller that is still sending
/// would not see the answer.
const DRAIN_MAX: u64 = 64 << 20;
const READ_LIMIT: Duration = Duration::from_secs(30);

/// The whole body.
pub(super) async fn read_body(payload: web::Payload) -> Result<Bytes, RestError> {
    timeout(READ_LIMIT, read_unlimited(payload)).await.map_err(|_| RestError::BrokenBody)?
}

async fn read_unlimited(mut payload: web::Payload) -> Result<Bytes, RestError> {
    let mut body = BytesMut::new();
    let mut actual = 0_u64;
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| RestError::BrokenBody)?;
        actual += u64::try_from(chunk.len()).unwrap_or(u64::MAX);
        if body.len() + chunk.len() <= BODY_MAX {
            body.extend_from_slice(&chunk);
        } else if actual > DRAIN_MAX {
            break;
        }
    }
    if usize::try_from(actual).is_ok_and(|actual| actual <= BODY_MAX) {
        Ok(body.freeze())
    } else {
        Err(RestError::TooLarge { actual })
    }
}
