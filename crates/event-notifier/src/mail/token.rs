//! The link at the end of a mail: whoever has it may turn that person's mails off, and nothing else.

use std::fmt;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use tenancy::{TenantId, UserId};
use uuid::Uuid;

const PURPOSE: &[u8] = b"employer-portal mail unsubscribe 1";
const IDS: usize = 32;
const SIGNATURE_BYTES: usize = 32;

/// Signs and checks such links; the same on all instances.
#[derive(Clone)]
pub struct UnsubscribeKeys {
    newest: hmac::Key,
    older: Vec<hmac::Key>,
}

impl UnsubscribeKeys {
    /// Keys from secrets that have other uses too: the first signs, all are believed.
    pub fn derive_from<'a>(newest: &[u8], older: impl IntoIterator<Item = &'a [u8]>) -> Self {
        Self { newest: derived(newest), older: older.into_iter().map(derived).collect() }
    }

    /// What the link for this member carries.
    pub fn token(&self, tenant: TenantId, user: UserId) -> String {
        let mut bytes = ids(tenant, user);
        let signature = hmac::sign(&self.newest, &bytes);
        bytes.extend_from_slice(signature.as_ref());
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Whose link it is, if it is one of ours.
    pub fn read(&self, token: &str) -> Option<(TenantId, UserId)> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(token).ok()?;
        if bytes.len() != IDS + SIGNATURE_BYTES {
            return None;
        }
        let (ids, signature) = bytes.split_at_checked(IDS)?;
        let mut keys = std::iter::once(&self.newest).chain(&self.older);
        if !keys.any(|key| hmac::verify(key, ids, signature).is_ok()) {
            return None;
        }
        let (tenant, user) = ids.split_at_checked(16)?;
        let tenant = Uuid::from_slice(tenant).ok()?;
        let user = Uuid::from_slice(user).ok()?;
        Some((TenantId::from_uuid(tenant), UserId::from_uuid(user)))
    }
}

impl fmt::Debug for UnsubscribeKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("UnsubscribeKeys")
            .field("older", &self.older.len())
            .finish_non_exhaustive()
    }
}

fn ids(tenant: TenantId, user: UserId) -> Vec<u8> {
    [tenant.as_uuid().into_bytes(), user.as_uuid().into_bytes()].concat()
}

fn derived(secret: &[u8]) -> hmac::Key {
    let derived = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), PURPOSE);
    hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_good_for_one_member_and_nobody_makes_one_up() {
        let (tenant, user) =
            (TenantId::from_uuid(Uuid::from_u128(1)), UserId::from_uuid(Uuid::from_u128(2)));
        let old = UnsubscribeKeys::derive_from(b"old", []);
        let token = old.token(tenant, user);
        assert_eq!(old.read(&token), Some((tenant, user)));
        let both = UnsubscribeKeys::derive_from(b"new", [b"old".as_slice()]);
        assert_eq!(both.read(&token), Some((tenant, user)), "older links hold");
        assert_eq!(UnsubscribeKeys::derive_from(b"new", []).read(&token), None);
        let mut bytes = BASE64_URL_SAFE_NO_PAD.decode(&token).unwrap();
        for index in 0..bytes.len() {
            bytes[index] ^= 1;
            assert_eq!(old.read(&BASE64_URL_SAFE_NO_PAD.encode(&bytes)), None, "{index}");
            bytes[index] ^= 1;
        }
        for token in ["", "AAAA", &token[1..]] {
            assert_eq!(old.read(token), None);
        }
    }
}
