//! The parameters of an OAuth request: each at most once, bounded, empty means absent (RFC 6749, 3.1).

use std::collections::BTreeMap;

const COUNT_MAX: usize = 40;
const NAME_MAX: usize = 64;
/// An ID token comes back as a hint, and is the longest of them.
const VALUE_MAX: usize = 8 * 1024;

/// Why the parameters cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ParametersError {
    #[error("a parameter is given more than once: {0}")]
    Repeated(String),
    #[error("too many or too long parameters")]
    TooLong,
    #[error("the body is neither a form nor an object of texts")]
    Malformed,
}

/// The parameters of one request.
#[derive(Debug, Default)]
pub(crate) struct Parameters(BTreeMap<String, String>);

impl Parameters {
    /// Reads a query or a form body.
    pub(crate) fn from_form(encoded: &[u8]) -> Result<Self, ParametersError> {
        Self::collect(
            url::form_urlencoded::parse(encoded)
                .map(|(name, value)| (name.into_owned(), value.into_owned())),
        )
    }

    /// Reads a JSON object; the token endpoint of Auth0 takes both.
    pub(crate) fn from_json(body: &[u8]) -> Result<Self, ParametersError> {
        let object: BTreeMap<String, String> =
            serde_json::from_slice(body).map_err(|_| ParametersError::Malformed)?;
        Self::collect(object)
    }

    /// A parameter that is there and not empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The same, owned.
    pub(crate) fn get_owned(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned()
    }

    fn collect(pairs: impl IntoIterator<Item = (String, String)>) -> Result<Self, ParametersError> {
        let mut seen = BTreeMap::new();
        for (name, value) in pairs {
            if seen.len() >= COUNT_MAX || name.len() > NAME_MAX || value.len() > VALUE_MAX {
                return Err(ParametersError::TooLong);
            }
            if seen.contains_key(&name) {
                return Err(ParametersError::Repeated(name));
            }
            seen.insert(name, value);
        }
        seen.retain(|_, value| !value.is_empty());
        Ok(Self(seen))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_is_absent_and_twice_is_an_error() {
        let parameters = Parameters::from_form(b"state=a%20b&nonce=&scope=openid+email").unwrap();
        assert_eq!(parameters.get("state"), Some("a b"));
        assert_eq!(parameters.get("nonce"), None);
        assert_eq!(parameters.get("scope"), Some("openid email"));
        assert_eq!(
            Parameters::from_form(b"state=a&state=b").unwrap_err(),
            ParametersError::Repeated("state".into())
        );
    }

    #[test]
    fn parameters_are_bounded() {
        let many = (0..50).map(|n| format!("p{n}=1")).collect::<Vec<_>>().join("&");
        assert_eq!(Parameters::from_form(many.as_bytes()).unwrap_err(), ParametersError::TooLong);
        let long = format!("state={}", "a".repeat(VALUE_MAX + 1));
        assert_eq!(Parameters::from_form(long.as_bytes()).unwrap_err(), ParametersError::TooLong);
    }

    #[test]
    fn a_json_body_is_an_object_of_texts() {
        let parameters = Parameters::from_json(br#"{"grant_type":"refresh_token"}"#).unwrap();
        assert_eq!(parameters.get("grant_type"), Some("refresh_token"));
        assert!(Parameters::from_json(br#"{"code":1}"#).is_err());
    }
}
