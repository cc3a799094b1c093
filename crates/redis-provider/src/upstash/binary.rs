//! Bytes as text and back: canonical base64.

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::Simd;
use base64::engine::general_purpose::PAD;
use bytes::Bytes;

/// Takes 24 or 32 characters at once where the processor can, and is as strict as the engine that
/// takes them one by one.
static ENGINE: LazyLock<Simd> = LazyLock::new(|| Simd::standard(PAD));

pub(super) fn encode(bytes: &[u8]) -> String {
    ENGINE.encode(bytes)
}

/// Nothing for what no encoder writes: other characters, missing or wrong padding, bits behind the
/// last byte.
pub(super) fn decode(text: &[u8]) -> Option<Bytes> {
    let padding = text.iter().rev().take(2).take_while(|byte| **byte == b'=').count();
    // Exactly as long as the value: a longer buffer would cost `Bytes` an allocation of its own.
    let mut bytes = vec![0; (text.len() / 4 * 3).checked_sub(padding)?];
    let written = ENGINE.decode_slice(text, &mut bytes).ok()?;
    (written == bytes.len()).then(|| Bytes::from(bytes))
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_come_back(bytes: Vec<u8>) {
            let text = encode(&bytes);
            prop_assert_eq!(&text, &STANDARD.encode(&bytes));
            prop_assert_eq!(decode(text.as_bytes()), Some(Bytes::from(bytes)));
        }

        /// Long enough for the engine to take many characters at once, with one that is changed.
        #[test]
        fn what_is_taken_is_what_the_slow_engine_takes(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
            place: prop::sample::Index,
            other: u8,
        ) {
            let mut text = encode(&bytes).into_bytes();
            if !text.is_empty() {
                let place = place.index(text.len());
                text[place] = other;
            }
            prop_assert_eq!(decode(&text), STANDARD.decode(&text).ok().map(Bytes::from));
            text.pop();
            prop_assert_eq!(decode(&text), STANDARD.decode(&text).ok().map(Bytes::from));
        }
    }
}
