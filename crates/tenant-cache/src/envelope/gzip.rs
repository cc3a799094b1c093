//! The compressed form of a body: the bytes that callers are given who take gzip.

use std::cell::RefCell;
use std::io::Read as _;

use bytes::Bytes;
use flate2::bufread::GzDecoder;
use flate2::{Compress, Compression, FlushCompress, Status};

/// Smaller bodies fit into one packet either way.
pub(super) const MIN_BYTES: usize = 1_024;

/// What the compressed form may have of each 100 bytes at most, to be worth having.
const MAX_PERCENT: usize = 90;

/// Measured with the backend, see the decision records.
const LEVEL: u32 = 6;

/// As far as a match may lie back: 32 KiB, what every decoder takes.
const WINDOW_BITS: u8 = 15;

thread_local! {
    /// Kept from one body to the next: its tables are a quarter of a megabyte, and an allocator
    /// fetches as much from the system and clears it, which takes longer than a small body does.
    static COMPRESSOR: RefCell<Compress> =
        RefCell::new(Compress::new_gzip(Compression::new(LEVEL), WINDOW_BITS));
}

/// The compressed form, where it saves enough.
pub(super) fn compress(identity: &[u8]) -> Option<Bytes> {
    if identity.len() < MIN_BYTES {
        return None;
    }
    // What does not fit is not worth having.
    let mut gzip = Vec::with_capacity(identity.len() * MAX_PERCENT / 100);
    let status = COMPRESSOR.with_borrow_mut(|compressor| {
        compressor.reset();
        compressor.compress_vec(identity, &mut gzip, FlushCompress::Finish)
    });
    // Copied, because it is kept, and is a fraction of its room.
    matches!(status, Ok(Status::StreamEnd)).then(|| Bytes::copy_from_slice(&gzip))
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
