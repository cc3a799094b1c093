//! Where the browser goes after the sign-in.

use serde::{Deserialize, Serialize};

const MAX_BYTES: usize = 512;

/// An address on this portal: a path that begins with exactly one slash, of printable ASCII.
///
/// `//host` and `/\host` would leave the portal, and control characters are what browsers skip
/// while they decide. A list of what is allowed needs no parser that agrees with theirs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct ReturnTo(String);

/// The text is not an address on this portal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an address to return to is a path of printable ASCII on this portal")]
pub(crate) struct InvalidReturnTo;

impl ReturnTo {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for ReturnTo {
    /// The front page.
    fn default() -> Self {
        Self("/".to_owned())
    }
}

impl TryFrom<String> for ReturnTo {
    type Error = InvalidReturnTo;

    fn try_from(text: String) -> Result<Self, InvalidReturnTo> {
        let mut bytes = text.bytes();
        let is_path = bytes.next() == Some(b'/') && !matches!(bytes.next(), Some(b'/' | b'\\'));
        let is_printable = text.bytes().all(|byte| byte.is_ascii_graphic());
        if is_path && is_printable && text.len() <= MAX_BYTES {
            Ok(Self(text))
        } else {
            Err(InvalidReturnTo)
        }
    }
}

impl From<ReturnTo> for String {
    fn from(address: ReturnTo) -> Self {
        address.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_on_the_portal_are_accepted() {
        let longest = format!("/{}", "a".repeat(MAX_BYTES - 1));
        for text in ["/", "/jobs", "/jobs?status=draft&q=%2F%2F", "/a//b", "/@x", "/#top", &longest]
        {
            assert_eq!(ReturnTo::try_from(text.to_owned()).unwrap().as_str(), text);
        }
    }

    #[test]
    fn everything_else_is_refused() {
        let long = format!("/{}", "a".repeat(MAX_BYTES));
        for text in [
            "",
            "jobs",
            "//evil.example",
            "/\\evil.example",
            "\\/evil.example",
            "https://evil.example/",
            "javascript:alert(1)",
            "/\t/evil.example",
            "/\n",
            " /",
            "/a b",
            "/a\r\nSet-Cookie: x=y",
            "/\u{0}",
            "/ä",
            "/\u{7f}",
            &long,
        ] {
            assert_eq!(ReturnTo::try_from(text.to_owned()), Err(InvalidReturnTo), "{text:?}");
        }
    }
}
