//! Proof keys (RFC 7636, S256 only), random values and comparisons that take constant time.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

/// 256 random bits as text that is safe in URLs, cookies and forms.
pub(crate) fn random_token() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>())
}

/// Whether the text can be an S256 challenge: 32 bytes in unpadded base64url.
pub(crate) fn is_challenge(text: &str) -> bool {
    URL_SAFE_NO_PAD.decode(text).is_ok_and(|digest| digest.len() == 32)
}

/// Whether the verifier is well formed and is the one behind the challenge.
pub(crate) fn verifies(challenge: &str, verifier: &str) -> bool {
    let is_well_formed = (43..=128).contains(&verifier.len())
        && verifier.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
    let expected = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
    is_well_formed && verify_slices_are_equal(challenge.as_bytes(), expected.as_bytes()).is_ok()
}

/// Compares two secrets without telling by the time it takes where, or in length, they differ.
pub(crate) fn is_same_secret(left: &str, right: &str) -> bool {
    let (left, right) = (Sha256::digest(left.as_bytes()), Sha256::digest(right.as_bytes()));
    verify_slices_are_equal(&left, &right).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_rfc_verifies() {
        let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
        assert!(is_challenge(challenge));
        assert!(verifies(challenge, "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"));
        assert!(!verifies(challenge, "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXl"));
        assert!(!verifies(challenge, ""));
    }

    #[test]
    fn secrets_are_compared_whole() {
        assert!(is_same_secret("portal-dev-secret", "portal-dev-secret"));
        assert!(!is_same_secret("portal-dev-secret", "portal-dev-secre"));
    }
}
