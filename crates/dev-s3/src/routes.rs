//! Which call a request is.

use std::collections::BTreeMap;
use std::fmt;

use percent_encoding::percent_decode_str;

use crate::fault::Operation;
use crate::http::Request;

/// A call: what is asked for, of which object, and how exactly.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) operation: Operation,
    /// Empty for what concerns the bucket.
    pub(crate) key: String,
    pub(crate) parameters: BTreeMap<String, String>,
}

impl Call {
    /// In path style: `/bucket/key`. None for what this bucket has no answer to.
    pub(crate) fn of(request: &Request, bucket: &str) -> Option<Self> {
        let path = decoded(&request.path);
        let below = path.strip_prefix('/')?.strip_prefix(bucket)?;
        let key = below.strip_prefix('/').unwrap_or_default().to_owned();
        let pairs = request.query.split('&').filter(|pair| !pair.is_empty());
        let parameters: BTreeMap<String, String> = pairs
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .map(|(name, value)| (decoded(name), decoded(value)))
            .collect();
        let has = |name: &str| parameters.contains_key(name);
        let operation = match (request.method.as_str(), key.is_empty()) {
            ("GET", true) if has("list-type") => Operation::List,
            ("POST", true) if has("delete") => Operation::Delete,
            ("POST", false) if has("uploads") => Operation::Begin,
            ("POST", false) if has("uploadId") => Operation::Complete,
            ("PUT", false) if has("uploadId") => Operation::Part,
            ("PUT", false) => Operation::Put,
            ("GET", false) => Operation::Get,
            ("HEAD", false) => Operation::Head,
            ("DELETE", false) if has("uploadId") => Operation::Abort,
            ("DELETE", false) => Operation::Delete,
            _ => return None,
        };
        Some(Self { operation, key, parameters })
    }

    pub(crate) fn parameter(&self, name: &str) -> &str {
        self.parameters.get(name).map(String::as_str).unwrap_or_default()
    }
}

impl fmt::Display for Call {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?} {}", self.operation, self.key)
    }
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}
