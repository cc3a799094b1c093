//! Where a private database lives.

use std::path::{Path, PathBuf};

/// The folder for the data of a checkout: inside it, or, where the account that the server runs as
/// cannot get there (a checkout under /root), one in /var/tmp that belongs to this checkout.
pub(crate) fn of_checkout(checkout: &Path, is_reachable: bool) -> PathBuf {
    if is_reachable { checkout.join(".dev") } else { outside(checkout) }
}

/// The folder used when the checkout is out of reach.
pub(crate) fn outside(checkout: &Path) -> PathBuf {
    let hash = fnv1a(checkout.as_os_str().as_encoded_bytes());
    PathBuf::from(format!("/var/tmp/employer-portal-{hash:016x}"))
}

/// The folder for the server's Unix socket: none when its path would be too long for the system
/// (108 bytes on Linux, 104 on macOS, the name of the socket included).
pub(crate) fn socket_folder(home: &Path, port: u16) -> Option<&Path> {
    const LONGEST: usize = 100;
    let socket = home.join(format!(".s.PGSQL.{port}.lock"));
    (socket.as_os_str().len() < LONGEST).then_some(home)
}

/// FNV-1a: the name must be the same for every version of the compiler, which the standard
/// library's hash does not promise.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checkout_is_preferred() {
        let checkout = Path::new("/home/ada/portal");
        assert_eq!(of_checkout(checkout, true), Path::new("/home/ada/portal/.dev"));
    }

    #[test]
    fn each_checkout_out_of_reach_has_a_folder_of_its_own() {
        let one = of_checkout(Path::new("/srv/portal"), false);
        let other = of_checkout(Path::new("/srv/portal2"), false);
        assert!(one.starts_with("/var/tmp"), "{}", one.display());
        assert_ne!(one, other);
        assert_eq!(one, outside(Path::new("/srv/portal")));
    }

    #[test]
    fn the_hash_is_the_published_one() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn a_long_path_has_no_socket() {
        let short = PathBuf::from("/srv/portal/.dev/postgres");
        assert_eq!(socket_folder(&short, 8432), Some(short.as_path()));
        assert_eq!(socket_folder(&PathBuf::from("/a".repeat(50)), 8432), None);
    }
}
