//! The handler of every path that is not under `/dev`.

use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;

use super::access::Access;
use super::answer::{self, Answer};
use super::body::read_body;
use super::error::RestError;
use super::execute::{Caller, run, run_transaction};
use super::format::Format;
use super::replication::SYNC_TOKEN;
use super::{decode, stream};
use crate::faults::Fault;
use crate::front::Front;
use crate::resp::Reply;
use crate::statistics::Form;

/// Answers a request, with a sync token in every case.
pub(crate) async fn serve(
    request: HttpRequest,
    payload: web::Payload,
    front: web::Data<Front>,
) -> HttpResponse {
    let form = form_of(request.uri().path());
    let _in_flight = front.statistics.begin(form);
    let mut response = match read_body(payload).await {
        Ok(body) => respond(&request, &front, form, body).await,
        Err(error) => refuse(&error),
    };
    if let Ok(token) = HeaderValue::from_str(&front.replication.token()) {
        response.headers_mut().insert(HeaderName::from_static(SYNC_TOKEN), token);
    }
    response
}

async fn respond(
    request: &HttpRequest,
    front: &web::Data<Front>,
    form: Form,
    body: Bytes,
) -> HttpResponse {
    let path = request.uri().path();
    if let Some(fault) = front.faults.take(path, Fault::AT_THE_DOOR) {
        return answer::at_the_door(fault, &front.stop).await;
    }
    if matches!(form, Form::Subscribe | Form::PSubscribe | Form::Monitor) {
        let opened = match admit(request, front, form) {
            Ok(access) => stream::open(front, access, form, path).await,
            Err(error) => Err(error),
        };
        return opened.unwrap_or_else(|error| refuse(&error));
    }
    let answer = match execute(request, front, form, body).await {
        Ok(answer) => answer,
        Err(error) => Answer::error(error.status(), &error.to_string()),
    };
    match front.faults.take(path, Fault::ON_ANSWERS) {
        Some(fault) => answer.spoil(fault, &front.stop),
        None => answer.into_response(),
    }
}

fn refuse(error: &RestError) -> HttpResponse {
    Answer::error(error.status(), &error.to_string()).into_response()
}

fn form_of(path: &str) -> Form {
    match path {
        "/" => Form::Body,
        "/pipeline" => Form::Pipeline,
        "/multi-exec" => Form::MultiExec,
        _ => match path.split('/').nth(1).map(str::to_ascii_lowercase).as_deref() {
            Some("subscribe") => Form::Subscribe,
            Some("psubscribe") => Form::PSubscribe,
            Some("monitor") => Form::Monitor,
            _ => Form::Path,
        },
    }
}

/// Checks method and token.
fn admit(request: &HttpRequest, front: &Front, form: Form) -> Result<Access, RestError> {
    let method = request.method();
    let is_allowed = match form {
        Form::Body | Form::Pipeline | Form::MultiExec => {
            [Method::POST, Method::PUT].contains(method)
        }
        Form::Subscribe | Form::PSubscribe | Form::Monitor => {
            [Method::POST, Method::GET].contains(method)
        }
        Form::Path => [Method::GET, Method::HEAD, Method::POST, Method::PUT].contains(method),
    };
    if is_allowed { Access::of(request, &front.settings) } else { Err(RestError::Method) }
}

async fn execute(
    request: &HttpRequest,
    front: &Front,
    form: Form,
    body: Bytes,
) -> Result<Answer, RestError> {
    let caller = Caller {
        access: admit(request, front, form)?,
        path: request.uri().path(),
        known: front.replication.known(request.headers()),
    };
    let format = Format::of(request.headers())?;
    match form {
        Form::Pipeline => {
            let replies = run(front, caller, decode::commands(&body)?).await?;
            Ok(ok(format, format.many(&replies)))
        }
        Form::MultiExec => {
            // Always JSON, says the documentation.
            let format = if format == Format::Resp2 { Format::Json } else { format };
            let replies = run_transaction(front, caller, decode::commands(&body)?).await?;
            Ok(ok(format, format.many(&replies)))
        }
        _ => {
            let words = if form == Form::Body {
                decode::command(&body)?
            } else {
                let is_with_body = [Method::POST, Method::PUT].contains(request.method());
                let body = if is_with_body { body } else { Bytes::new() };
                decode::path_command(caller.path, request.query_string(), body)
            };
            let replies = run(front, caller, vec![words]).await?;
            let reply = replies.into_iter().next().unwrap_or(Reply::Bulk(None));
            Ok(single(format, &reply))
        }
    }
}

fn ok(format: Format, body: Vec<u8>) -> Answer {
    Answer { status: StatusCode::OK, content_type: format.content_type(), body }
}

/// The answer to one command, whose error is that of the request.
fn single(format: Format, reply: &Reply) -> Answer {
    let mut answer = ok(format, format.one(reply));
    if matches!(reply, Reply::Error(_)) {
        answer.status = StatusCode::BAD_REQUEST;
    }
    answer
}
