//! The routes of sign-in, sign-out and the signed-in person.

mod callback;
mod devices;
mod login;
mod logout;
mod organization_choice;
mod session;

use actix_web::cookie::Cookie;
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse};

pub(crate) use callback::{__path_callback, callback};
pub(crate) use devices::{
    __path_end_device, __path_end_devices, __path_list_devices, end_device, end_devices,
    list_devices,
};
pub(crate) use login::{__path_login, login};
pub(crate) use logout::{__path_logout, logout};
pub(crate) use session::{__path_session, session};

use super::login_transaction::TransactionCookies;
use crate::state::PortalState;

/// Sends the browser elsewhere, with a GET whatever it came with.
fn redirect(address: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((header::LOCATION, address)).finish()
}

/// Whether the client is a browser that navigates, as opposed to a script that wants JSON.
fn wants_html(request: &HttpRequest) -> bool {
    let accept = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/html"))
}

/// The cookies of a request; none where they cannot be parsed.
fn cookies_of(request: &HttpRequest) -> Vec<Cookie<'static>> {
    request.cookies().map(|cookies| cookies.clone()).unwrap_or_default()
}

fn transaction_cookies(state: &PortalState) -> TransactionCookies<'_> {
    TransactionCookies {
        key: &state.settings.cookie_key,
        ttl: state.settings.login_transaction_ttl,
        now: state.clock.now(),
    }
}
