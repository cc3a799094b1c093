//! Who asks, as far as the wire tells: the address, and the name of the request.

use std::net::IpAddr;

use actix_web::dev::ServiceRequest;
use actix_web::http::header::HeaderMap;
use actix_web::{HttpMessage as _, HttpRequest};

use super::networks::Networks;
use super::request_id::RequestId;

/// Most proxies that a request is followed back through.
const MAX_PROXIES: usize = 16;

/// The other end of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client {
    /// The address of the client itself, where one is known.
    pub(crate) address: Option<IpAddr>,
    /// The name of the request.
    pub(crate) request: RequestId,
}

impl Client {
    pub(super) fn find(request: &ServiceRequest, id: RequestId, proxies: &Networks) -> Self {
        let peer = request.peer_addr().map(|address| address.ip().to_canonical());
        let address = peer.map(|peer| behind_proxies(peer, request.headers(), proxies));
        Self { address, request: id }
    }

    /// The client of a request that passed the edge.
    pub(crate) fn of(request: &HttpRequest) -> Option<Self> {
        request.extensions().get::<Self>().copied()
    }
}

/// Follows `X-Forwarded-For` from its end, which the nearest proxy has written, for as long as the
/// writers are proxies of ours. What stands further to the left anybody may have made up.
fn behind_proxies(peer: IpAddr, headers: &HeaderMap, proxies: &Networks) -> IpAddr {
    if !proxies.contains(peer) {
        return peer;
    }
    let lines: Vec<&str> =
        headers.get_all("x-forwarded-for").map(|line| line.to_str().unwrap_or("?")).collect();
    let hops = lines.iter().rev().flat_map(|line| line.rsplit(','));
    let mut client = peer;
    for hop in hops.take(MAX_PROXIES) {
        // What a proxy of ours could not read is that proxy's own word: nothing beyond is known.
        let Some(address) = parse(hop.trim()) else { break };
        client = address;
        if !proxies.contains(address) {
            break;
        }
    }
    client
}

/// An address, with or without a port: some proxies write it.
fn parse(text: &str) -> Option<IpAddr> {
    let address = text.parse::<IpAddr>().ok();
    let address = address.or_else(|| text.parse::<std::net::SocketAddr>().ok().map(|a| a.ip()));
    address.map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn address(peer: &str, forwarded: &[&str], proxies: &str) -> String {
        let mut request = TestRequest::default().peer_addr(format!("{peer}:4711").parse().unwrap());
        for line in forwarded {
            request = request.append_header(("X-Forwarded-For", *line));
        }
        let proxies = proxies.parse().unwrap();
        let client = Client::find(&request.to_srv_request(), RequestId::new(), &proxies);
        client.address.unwrap().to_string()
    }

    #[test]
    fn strangers_say_nothing_about_their_address() {
        assert_eq!(address("203.0.113.9", &["198.51.100.1"], ""), "203.0.113.9");
        assert_eq!(address("203.0.113.9", &["198.51.100.1"], "10.0.0.0/8"), "203.0.113.9");
    }

    #[test]
    fn proxies_of_ours_are_followed_to_the_first_stranger() {
        let ours = "10.0.0.0/8, ::1";
        for (forwarded, client) in [
            (vec![], "10.0.0.1"),
            (vec!["198.51.100.1"], "198.51.100.1"),
            (vec!["1.1.1.1, 198.51.100.1"], "198.51.100.1"),
            (vec!["1.1.1.1, 198.51.100.1, 10.0.0.2"], "198.51.100.1"),
            (vec!["1.1.1.1", "198.51.100.1", "10.0.0.2"], "198.51.100.1"),
            (vec!["198.51.100.1:8080"], "198.51.100.1"),
            (vec!["[2001:db8::7]:8080"], "2001:db8::7"),
            (vec!["::ffff:198.51.100.1"], "198.51.100.1"),
            (vec!["198.51.100.1, unknown"], "10.0.0.1"),
            (vec!["198.51.100.1, unknown, 10.0.0.2"], "10.0.0.2"),
            (vec!["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            (vec![""], "10.0.0.1"),
        ] {
            assert_eq!(address("10.0.0.1", &forwarded, ours), client, "{forwarded:?}");
        }
        assert_eq!(address("[::1]", &["198.51.100.1"], ours), "198.51.100.1");
    }
}
