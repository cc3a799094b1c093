//! The switches of tests, under `/dev`. Upstash has none of them, and they ask for no token.

use actix_web::{HttpResponse, ResponseError, http::StatusCode, web};
use serde_json::json;

use crate::faults::{Fault, FaultOrder, FaultsError};
use crate::front::Front;
use crate::redis::RedisError;

/// Registers the switches.
pub(super) fn configure(config: &mut web::ServiceConfig) {
    config
        .route("/faults", web::put().to(put_fault))
        .route("/faults", web::get().to(list_faults))
        .route("/faults", web::delete().to(clear_faults))
        .route("/statistics", web::get().to(show_statistics))
        .route("/statistics", web::delete().to(reset_statistics));
}

/// Why a switch could not be turned.
#[derive(Debug, thiserror::Error)]
enum SwitchError {
    #[error("the order is refused: {0}")]
    Order(#[from] FaultsError),
    #[error("the replica cannot be filled: {0}")]
    Redis(#[from] RedisError),
}

impl ResponseError for SwitchError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Order(_) => StatusCode::BAD_REQUEST,
            Self::Redis(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn error_response(&self) -> HttpResponse {
        HttpResponse::build(self.status_code()).json(json!({ "error": self.to_string() }))
    }
}

async fn put_fault(
    order: web::Json<FaultOrder>,
    front: web::Data<Front>,
) -> Result<HttpResponse, SwitchError> {
    let order = order.into_inner();
    order.check()?;
    if order.fault == Fault::StaleReads {
        front.replication.fall_behind(&front.pool, order.lag()).await?;
    }
    front.faults.put(order)?;
    Ok(HttpResponse::NoContent().finish())
}

async fn list_faults(front: web::Data<Front>) -> HttpResponse {
    HttpResponse::Ok().json(front.faults.list())
}

async fn clear_faults(front: web::Data<Front>) -> HttpResponse {
    front.faults.clear();
    front.replication.keep_up().await;
    HttpResponse::NoContent().finish()
}

async fn show_statistics(front: web::Data<Front>) -> HttpResponse {
    HttpResponse::Ok().json(front.statistics.to_json())
}

async fn reset_statistics(front: web::Data<Front>) -> HttpResponse {
    front.statistics.reset();
    HttpResponse::NoContent().finish()
}
