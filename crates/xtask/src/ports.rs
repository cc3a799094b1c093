//! Ports that are free, below the range the system hands out to outgoing connections.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use crate::failure::{Failure, Outcome};

/// First port that Linux gives to outgoing connections: one of those may be taken at any moment.
const EPHEMERAL: u16 = 32_768;
/// Where throw-away servers look for ports: 12,000 that nothing well-known uses much.
const SCATTER_FROM: u16 = 20_000;
const SCATTER_OVER: u16 = 12_000;

/// `wanted` or the next free port after it.
pub(crate) fn free_from(wanted: u16) -> Outcome<u16> {
    first_free(wanted, is_free).ok_or_else(|| {
        Failure::new(format!("no port from {wanted} to {} is free", EPHEMERAL - 1))
            .advise("end programs that listen on many ports")
    })
}

/// A free port for a throw-away server. Starts at a random one, so that two test runs on a machine
/// rarely meet.
pub(crate) fn scattered(random: u16) -> Outcome<u16> {
    free_from(SCATTER_FROM + random % SCATTER_OVER)
}

fn first_free(wanted: u16, is_free: impl Fn(u16) -> bool) -> Option<u16> {
    let end = if wanted < EPHEMERAL { EPHEMERAL } else { u16::MAX };
    (wanted..end).find(|port| is_free(*port))
}

/// Whether a server could listen on the port of the loopback address. Connecting comes first:
/// some systems let a second server bind beside one that listens on all addresses.
pub(crate) fn is_free(port: u16) -> bool {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpStream::connect_timeout(&address, Duration::from_millis(200)).is_err()
        && TcpListener::bind(address).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wanted_port_is_preferred_and_the_next_free_one_follows() {
        assert_eq!(first_free(8080, |_| true), Some(8080));
        assert_eq!(first_free(8080, |port| port > 8082), Some(8083));
        assert_eq!(first_free(8080, |_| false), None);
    }

    #[test]
    fn ports_stay_below_the_ephemeral_range_unless_asked_for() {
        assert_eq!(first_free(32_767, |port| port != 32_767), None);
        assert_eq!(first_free(40_000, |_| true), Some(40_000));
    }

    #[test]
    fn a_port_that_somebody_listens_on_is_not_free() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(!is_free(port));
    }

    #[test]
    fn scattered_ports_have_the_range_to_themselves() {
        assert!((SCATTER_FROM..EPHEMERAL).contains(&scattered(u16::MAX).unwrap()));
        assert!((SCATTER_FROM..EPHEMERAL).contains(&scattered(0).unwrap()));
    }
}
