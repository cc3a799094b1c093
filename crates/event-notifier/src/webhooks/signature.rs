//! Signatures as Standard Webhooks 1.0 has them: HMAC-SHA256 over `id.timestamp.body`.

use std::fmt;

use aws_lc_rs::hmac;
use aws_lc_rs::rand::fill;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use zeroize::Zeroizing;

/// Bytes of a secret that we make; the standard asks for 24 to 64.
const SECRET_BYTES: usize = 32;

/// What the text of a secret begins with, so that scanners know one that got lost.
const MARK: &str = "whsec_";

/// What messages to one endpoint are signed with.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// A new one, of 256 random bits. `None` where the operating system has no randomness.
    pub fn generate() -> Option<Self> {
        let mut bytes = Zeroizing::new(vec![0; SECRET_BYTES]);
        fill(&mut bytes).ok()?;
        Some(Self(bytes))
    }

    /// One that was made before.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes, to be sealed.
    pub fn expose_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The text that receivers configure, to be shown once.
    pub fn expose_text(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("{MARK}{}", BASE64_STANDARD.encode(self.0.as_slice())))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(..)")
    }
}

/// The `webhook-signature` of a message: one signature for each secret, so that a receiver that
/// knows any of them can check it.
pub fn sign(secrets: &[Secret], id: &str, timestamp: i64, body: &[u8]) -> String {
    let signatures: Vec<String> = secrets
        .iter()
        .map(|secret| {
            let key = hmac::Key::new(hmac::HMAC_SHA256, &secret.0);
            let mut signing = hmac::Context::with_key(&key);
            signing.update(format!("{id}.{timestamp}.").as_bytes());
            signing.update(body);
            format!("v1,{}", BASE64_STANDARD.encode(signing.sign()))
        })
        .collect();
    signatures.join(" ")
}

#[cfg(test)]
mod tests {
    use standardwebhooks::Webhook;

    use super::*;

    #[test]
    fn the_example_of_the_standard_has_its_signature() {
        let secret = BASE64_STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature = sign(
            &[Secret::from_bytes(secret)],
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn another_implementation_makes_the_same_signature() {
        let secret = Secret::generate().unwrap();
        let theirs = Webhook::new(&secret.expose_text()).unwrap();
        for body in ["{}", "", "ü\u{0}\n", r#"{"type":"job.created"}"#] {
            let expected = theirs.sign("msg_1", 1_700_000_000, body.as_bytes()).unwrap();
            let ours = sign(std::slice::from_ref(&secret), "msg_1", 1_700_000_000, body.as_bytes());
            assert_eq!(ours, expected);
        }
    }

    #[test]
    fn every_secret_signs_and_none_prints() {
        let secrets = [Secret::generate().unwrap(), Secret::generate().unwrap()];
        let signature = sign(&secrets, "msg_1", 1, b"{}");
        assert_eq!(signature.split(' ').filter(|one| one.starts_with("v1,")).count(), 2);
        assert_eq!(format!("{:?}", secrets[0]), "Secret(..)");
    }
}
