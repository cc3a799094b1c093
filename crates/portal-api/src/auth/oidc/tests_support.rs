//! Settings, keys and tokens for tests.

use std::sync::LazyLock;
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use serde_json::{Value, json};

use super::OidcSettings;

pub(crate) fn settings(issuer: &str) -> OidcSettings {
    OidcSettings {
        issuer: issuer.parse().unwrap(),
        client_id: "portal".to_owned(),
        client_secret: "hunter2".into(),
        refresh_tokens: true,
        roles_claim: None,
        audience: Some("https://api.example".to_owned()),
        access_token_longest: Duration::from_hours(24),
        request_timeout: Duration::from_secs(2),
        clock_skew: Duration::from_secs(30),
    }
}

/// A key pair made for this run of the tests.
pub(crate) struct SigningKey(KeyPair);

pub(crate) static KEY: LazyLock<SigningKey> = LazyLock::new(SigningKey::generate);
pub(crate) static OTHER_KEY: LazyLock<SigningKey> = LazyLock::new(SigningKey::generate);

impl SigningKey {
    fn generate() -> Self {
        Self(KeyPair::generate(KeySize::Rsa2048).unwrap())
    }

    /// A token of exactly this header and these claims, signed with RS256.
    pub(crate) fn sign(&self, header: &str, claims: &str) -> String {
        let message = message(header, claims);
        let mut signature = vec![0; self.0.public_modulus_len()];
        let random = SystemRandom::new();
        self.0.sign(&RSA_PKCS1_SHA256, &random, message.as_bytes(), &mut signature).unwrap();
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    pub(crate) fn verifying(&self) -> DecodingKey {
        let (n, e) = self.components();
        DecodingKey::from_rsa_components(&n, &e).unwrap()
    }

    /// The public key in DER, as an attacker would use it for an HMAC.
    pub(crate) fn public_der(&self) -> &[u8] {
        self.0.public_key().as_ref()
    }

    /// The key as a key set prints it.
    pub(crate) fn published(&self, id: &str) -> Value {
        let (n, e) = self.components();
        json!({"kty": "RSA", "use": "sig", "alg": "RS256", "kid": id, "n": n, "e": e})
    }

    fn components(&self) -> (String, String) {
        let public = self.0.public_key();
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        (
            text(public.modulus().big_endian_without_leading_zero()),
            text(public.exponent().big_endian_without_leading_zero()),
        )
    }
}

/// What a signature covers.
pub(crate) fn message(header: &str, claims: &str) -> String {
    format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims))
}
