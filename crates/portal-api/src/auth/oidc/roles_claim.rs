//! The claim that carries roles. Its name is a setting, so it is read apart from the others.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

/// Most roles that are looked at, and the longest name.
const MAX_ROLES: usize = 100;
const MAX_NAME_BYTES: usize = 100;

/// The names in `claim` of a token that was verified before; `None` where it is not there or is no
/// list of texts.
pub(super) fn read(token: &str, claim: &str) -> Option<Vec<String>> {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: Map<String, Value> = serde_json::from_slice(&payload).ok()?;
    let names = claims.get(claim)?.as_array()?.iter().take(MAX_ROLES);
    names
        .map(|name| name.as_str().filter(|name| name.len() <= MAX_NAME_BYTES).map(str::to_owned))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const CLAIM: &str = "https://portal.example/roles";

    fn token(claims: &Value) -> String {
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims.to_string()))
    }

    #[test]
    fn only_a_list_of_names_is_one() {
        let of = |value: Value| read(&token(&json!({ CLAIM: value })), CLAIM);
        assert_eq!(of(json!(["admin", "x"])), Some(vec!["admin".to_owned(), "x".to_owned()]));
        assert_eq!(of(json!([])), Some(Vec::new()));
        for other in [json!(null), json!("admin"), json!([1]), json!({}), json!(["a".repeat(101)])]
        {
            assert_eq!(of(other.clone()), None, "{other}");
        }
        assert_eq!(read(&token(&json!({ "roles": ["admin"] })), CLAIM), None);
        assert_eq!(read("nonsense", CLAIM), None);
    }
}
