//! The compressed form of a body: the bytes that callers are given who take gzip.

use std::io::{Read as _, Write as _};

use bytes::Bytes;
use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;

/// Smaller bodies fit into one packet either way.
pub(super) const MIN_BYTES: usize = 1_024;

/// What the compressed form may have of each 100 bytes at most, to be worth having.
const MAX_PERCENT: usize = 90;

/// Measured with the backend, see the decision records.
const LEVEL: u32 = 6;

/// The compressed form, where it saves enough.
pub(super) fn compress(identity: &[u8]) -> Option<Bytes> {
    if identity.len() < MIN_BYTES {
        return None;
    }
    let room = Vec::with_capacity(identity.len() / 2);
    let mut encoder = GzEncoder::new(room, Compression::new(LEVEL));
    encoder.write_all(identity).ok()?;
    let gzip = encoder.finish().ok()?;
    (gzip.len() * 100 <= identity.len() * MAX_PERCENT).then(|| gzip.into())
}

/// What was compressed, if it has exactly `length` bytes; never makes room for more.
pub(super) fn inflate(gzip: &[u8], length: usize) -> Option<Bytes> {
    let mut decoder = GzDecoder::new(gzip);
    let mut identity = vec![0; length];
    decoder.read_exact(&mut identity).ok()?;
    // Reading on, the decoder compares the length and the check sum at the end.
    let is_at_end = matches!(decoder.read(&mut [0]), Ok(0)) && decoder.into_inner().is_empty();
    is_at_end.then(|| identity.into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn listing(bytes: usize) -> Vec<u8> {
        br#"{"id":"0190","title":"Nurse","location":"Berlin"},"#.repeat(bytes / 50 + 1)[..bytes]
            .into()
    }

    #[test]
    fn it_is_kept_above_a_kibibyte_and_where_it_saves() {
        assert!(compress(&listing(1_023)).is_none());
        assert!(compress(&listing(1_024)).is_some_and(|gzip| gzip.len() < 200));
        let noise: Vec<u8> = (0..5_000).map(|_| rand::random()).collect();
        assert!(compress(&noise).is_none());
    }

    #[test]
    fn equal_bodies_have_equal_forms() {
        assert_eq!(compress(&listing(5_000)), compress(&listing(5_000)));
    }

    #[test]
    fn a_bomb_is_not_let_off() {
        let gzip = compress(&vec![0; 10 << 20]).unwrap();
        assert!(gzip.len() < 20_000);
        assert_eq!(inflate(&gzip, 1_024), None);
        assert_eq!(inflate(&gzip, (10 << 20) - 1), None);
        assert_eq!(inflate(&gzip, (10 << 20) + 1), None);
        assert!(inflate(&gzip, 10 << 20).is_some());
    }

    #[test]
    fn nothing_may_follow_and_nothing_may_be_missing() {
        let gzip = compress(&listing(2_000)).unwrap();
        let longer = [&gzip[..], b"x"].concat();
        let twice = [&gzip[..], &gzip[..]].concat();
        for wrong in [&longer[..], &twice, &gzip[..gzip.len() - 1], b"", b"plain"] {
            assert_eq!(inflate(wrong, 2_000), None);
        }
    }

    proptest! {
        #[test]
        fn what_is_compressed_is_inflated(seed in any::<Vec<u8>>(), times in 1_usize..200) {
            let identity = seed.repeat(times);
            if let Some(gzip) = compress(&identity) {
                prop_assert_eq!(inflate(&gzip, identity.len()), Some(Bytes::from(identity)));
            }
        }
    }
}
