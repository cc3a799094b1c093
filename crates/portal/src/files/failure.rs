//! Errors of a store that speaks S3, without what they repeat.

use std::error::Error;
use std::fmt;
use std::iter::successors;

use object_store::client::{HttpError, HttpErrorKind};

/// Longest code of an error that is believed to be one.
const CODE_CHARS: usize = 64;

/// Why the store did not do it, in our words and with its code. Its answers are not kept: they repeat
/// what was signed, and a token that is not valid any more.
#[derive(Debug)]
pub(super) struct Failure {
    what: &'static str,
    code: Option<String>,
}

impl Failure {
    pub(super) fn of(error: &object_store::Error) -> Self {
        let top: &(dyn Error + 'static) = error;
        let mut chain = successors(Some(top), |&error| error.source());
        let code = chain.clone().find_map(|error| code_in(&error.to_string()));
        let http = chain.find_map(|error| error.downcast_ref::<HttpError>());
        let what = match http.map(HttpError::kind) {
            Some(HttpErrorKind::Connect) => "no connection could be made",
            Some(HttpErrorKind::Timeout) => "it took too long",
            Some(HttpErrorKind::Interrupted) => "the connection ended before the answer",
            Some(_) => "what it answered is not known",
            None if code.is_some() => "it refused",
            None => "it answered with an error",
        };
        Self { what, code }
    }

    /// Whether it is the whole store that is not there.
    pub(super) fn is_of_bucket(&self) -> bool {
        self.code.as_deref() == Some("NoSuchBucket")
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.code {
            Some(code) => write!(formatter, "{}: {code}", self.what),
            None => formatter.write_str(self.what),
        }
    }
}

impl Error for Failure {}

/// The code in an answer such as `<Error><Code>SlowDown</Code>…`.
fn code_in(text: &str) -> Option<String> {
    let (code, _) = text.split_once("<Code>")?.1.split_once("</Code>")?;
    let is_code = (1..=CODE_CHARS).contains(&code.len())
        && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_code.then(|| code.to_owned())
}
