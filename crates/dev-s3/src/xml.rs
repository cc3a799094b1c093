//! The little XML that S3 speaks.

use crate::http::Response;

/// An answer with a document.
pub(crate) fn document(status: u16, content: &str) -> Response {
    let mut response = Response::new(status).with("content-type", "application/xml");
    response.body = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{content}").into_bytes();
    response
}

/// An error, with elements that say more.
pub(crate) fn refusal(status: u16, code: &str, details: &str) -> Response {
    let content = format!("<Error><Code>{code}</Code><Message>No.</Message>{details}</Error>");
    document(status, &content)
}

/// What stands between the tags of each such element.
pub(crate) fn texts<'a>(document: &'a str, element: &str) -> Vec<&'a str> {
    let (open, close) = (format!("<{element}>"), format!("</{element}>"));
    document.split(&open).skip(1).filter_map(|rest| Some(rest.split_once(&close)?.0)).collect()
}

pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

pub(crate) fn plain(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
}
