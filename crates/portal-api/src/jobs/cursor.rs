//! Page cursors: where a list goes on, signed, good for one list only.
//!
//! A cursor is `base64url(position ‖ HMAC-SHA256)`. The signature covers the position and the
//! list that it belongs to: tenant, view, order and filters, as the cache key spells them. So a
//! cursor that was altered, comes from another tenant or is used with other filters is refused,
//! and nothing in it can steer a query.

use std::fmt;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{ApiError, ErrorCode};

/// Keeps signatures of cursors apart from whatever else the key may sign one day.
const PURPOSE: &[u8] = b"portal page cursor 1";
const SIGNATURE_BYTES: usize = 32;
/// Longest cursor that is looked at.
const MAX_CURSOR_BYTES: usize = 2_048;

/// Signs page cursors; the same on all instances.
#[derive(Clone)]
pub struct CursorKey(hmac::Key);

impl CursorKey {
    /// A key from a secret that has other uses too; it tells nothing about those.
    pub fn derive_from(secret: &[u8]) -> Self {
        let label = b"employer-portal page cursor 1";
        let derived = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), label);
        Self(hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref()))
    }

    /// A key from secret bytes.
    pub fn new(secret: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// The cursor for `position` in `list`.
    pub(crate) fn sign<P: Serialize>(
        &self,
        list: &str,
        position: &P,
    ) -> Result<String, serde_json::Error> {
        let mut bytes = serde_json::to_vec(position)?;
        let signature = hmac::sign(&self.0, &signed_text(list, &bytes));
        bytes.extend_from_slice(signature.as_ref());
        Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes))
    }

    /// The position that `cursor` stands for, if it was made for `list` and nothing was changed.
    pub(crate) fn open<P: DeserializeOwned>(
        &self,
        list: &str,
        cursor: &str,
    ) -> Result<P, ApiError> {
        self.position_of(list, cursor).ok_or_else(|| {
            ApiError::new(
                ErrorCode::CursorInvalid,
                "The cursor was not made for this list with these filters in this order. \
                 Start again without it.",
            )
            .with_field("query:cursor", "invalid", "is not valid for this list")
        })
    }

    fn position_of<P: DeserializeOwned>(&self, list: &str, cursor: &str) -> Option<P> {
        if cursor.len() > MAX_CURSOR_BYTES {
            return None;
        }
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (position, signature) =
            bytes.split_at_checked(bytes.len().checked_sub(SIGNATURE_BYTES)?)?;
        hmac::verify(&self.0, &signed_text(list, position), signature).ok()?;
        serde_json::from_slice(position).ok()
    }
}

impl fmt::Debug for CursorKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("CursorKey(..)")
    }
}

/// What is signed. The length keeps the list and the position apart.
fn signed_text(list: &str, position: &[u8]) -> Vec<u8> {
    let length = (list.len() as u64).to_be_bytes();
    [PURPOSE, &length, list.as_bytes(), position].concat()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key() -> CursorKey {
        CursorKey::new(&[7; 32])
    }

    proptest! {
        #[test]
        fn a_cursor_leads_back_to_its_position(list: String, position: (String, i64)) {
            let cursor = key().sign(&list, &position).unwrap();
            prop_assert!(cursor.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)));
            let opened = key().position_of::<(String, i64)>(&list, &cursor);
            if cursor.len() <= MAX_CURSOR_BYTES {
                prop_assert_eq!(opened, Some(position));
            }
        }

        #[test]
        fn no_single_bit_can_be_changed(position: i64, place: prop::sample::Index, bit in 0..8_u8) {
            let cursor = key().sign("list", &position).unwrap();
            let mut bytes = BASE64_URL_SAFE_NO_PAD.decode(&cursor).unwrap();
            let place = place.index(bytes.len());
            bytes[place] ^= 1 << bit;
            let altered = BASE64_URL_SAFE_NO_PAD.encode(bytes);
            prop_assert_eq!(key().position_of::<i64>("list", &altered), None);
        }

        #[test]
        fn a_cursor_is_good_for_its_list_only(a: String, b: String, position: i64) {
            let cursor = key().sign(&a, &position).unwrap();
            prop_assert_eq!(a == b, key().position_of::<i64>(&b, &cursor).is_some());
        }

        #[test]
        fn any_text_is_answered_without_a_panic(text: String) {
            prop_assert_eq!(key().position_of::<i64>("list", &text), None);
        }
    }

    #[test]
    fn another_key_opens_nothing() {
        let cursor = key().sign("list", &1).unwrap();
        assert_eq!(CursorKey::new(&[8; 32]).position_of::<i64>("list", &cursor), None);
        let error = key().open::<i64>("other", &cursor).unwrap_err();
        assert_eq!(error.code(), ErrorCode::CursorInvalid);
        assert!(!format!("{:?}", key()).contains('7'));
    }
}
