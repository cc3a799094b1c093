//! Which slot a key belongs to.

/// Slots of a cluster, numbered from 0.
pub const SLOTS: u16 = 16_384;

/// The slot of a key: of its hash tag, where it has one.
///
/// ```
/// assert_eq!(dev_redis_cluster::slot_of_key(b"foo"), 12_182);
/// assert_eq!(
///     dev_redis_cluster::slot_of_key(b"a{tag}"),
///     dev_redis_cluster::slot_of_key(b"b{tag}")
/// );
/// ```
pub fn slot_of_key(key: &[u8]) -> u16 {
    crc16(hash_tag(key)) % SLOTS
}

/// What stands between the first `{` and the next `}`, if anything does; else the whole key.
fn hash_tag(key: &[u8]) -> &[u8] {
    let mut parts = key.splitn(2, |byte| *byte == b'{');
    let inside = parts.nth(1).unwrap_or_default();
    match inside.iter().position(|byte| *byte == b'}') {
        Some(length) if length > 0 => inside.get(..length).unwrap_or(key),
        _ => key,
    }
}

/// CRC-16/XMODEM, the one of the cluster specification.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc: u16, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_one_of_the_specification() {
        assert_eq!(crc16(b"123456789"), 0x31C3);
    }

    #[test]
    fn only_a_filled_hash_tag_counts() {
        assert_eq!(hash_tag(b"{user1000}.following"), b"user1000");
        assert_eq!(hash_tag(b"foo{}{bar}"), b"foo{}{bar}");
        assert_eq!(hash_tag(b"foo{{bar}}zap"), b"{bar");
        assert_eq!(hash_tag(b"foo{bar}{zap}"), b"bar");
        assert_eq!(hash_tag(b"open{bar"), b"open{bar");
    }
}
