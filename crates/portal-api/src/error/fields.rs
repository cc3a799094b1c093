//! Which part of a request is at fault.

use std::borrow::Cow;

use serde::Serialize;
use utoipa::ToSchema;

/// Most faults that one answer names; a hostile body could have thousands.
const MAX_FAULTS: usize = 50;

/// One part of the request that is at fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// Where: `#/salary/min` is a JSON Pointer into the body, `query:limit` a query parameter,
    /// `header:If-Match` a header.
    #[schema(example = "#/title")]
    pub pointer: String,
    /// A stable word for what is wrong.
    #[schema(value_type = String, example = "too_long")]
    pub code: &'static str,
    /// The same for people.
    #[schema(value_type = String, example = "at most 200 characters")]
    pub detail: Cow<'static, str>,
}

impl FieldError {
    /// A fault of the part that `pointer` names.
    pub fn new(
        pointer: impl Into<String>,
        code: &'static str,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { pointer: pointer.into(), code, detail: detail.into() }
    }
}

/// Collects every fault of an input, so that a client learns them all at once.
#[derive(Debug, Default)]
pub struct Faults(Vec<FieldError>);

impl Faults {
    /// Notes a fault.
    pub fn add(
        &mut self,
        pointer: impl Into<String>,
        code: &'static str,
        detail: impl Into<Cow<'static, str>>,
    ) {
        if self.0.len() < MAX_FAULTS {
            self.0.push(FieldError::new(pointer, code, detail));
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Keeps the faults that `is_wanted` says.
    pub fn retain(&mut self, is_wanted: impl FnMut(&FieldError) -> bool) {
        self.0.retain(is_wanted);
    }

    /// The faults, in the order in which they were found.
    pub fn into_vec(self) -> Vec<FieldError> {
        self.0
    }
}
