//! The table of routes: the switches of tests under `/dev`, everything else is a command.

mod dev;

use actix_web::web;

use crate::rest;

/// Registers all routes.
pub(crate) fn configure(config: &mut web::ServiceConfig) {
    config
        .service(web::scope("/dev").configure(dev::configure))
        .default_service(web::to(rest::serve));
}
