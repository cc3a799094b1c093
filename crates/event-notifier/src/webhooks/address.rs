//! Where webhooks may go: only where anybody could send them from.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use url::{Host, Url};

/// Longest address of an endpoint.
const MAX_URL_BYTES: usize = 2_048;

/// Networks that are not of the public internet, or lead to some machine's own services: RFC 6890
/// and its successors, what carriers and clouds keep for themselves, and multicast.
const CLOSED_V4: &[(Ipv4Addr, u32)] = &[
    (Ipv4Addr::UNSPECIFIED, 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 31, 196, 0), 24),
    (Ipv4Addr::new(192, 52, 193, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(192, 175, 48, 0), 24),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    // Azure's own services answer machines there at an address that looks public.
    (Ipv4Addr::new(168, 63, 129, 16), 32),
    (Ipv4Addr::new(224, 0, 0, 0), 3),
];

/// Parts of the global unicast range that are not the public internet: protocols of the IETF with
/// Teredo among them, 6to4, examples, and segment routing.
const CLOSED_V6: &[(Ipv6Addr, u32)] = &[
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

/// What has been given out as public so far.
const GLOBAL_V6: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// How networks that only speak IPv6 reach the others: the last 32 bits are an IPv4 address.
const NAT64: (Ipv6Addr, u32) = (Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96);

/// Says which addresses messages may be sent to.
#[derive(Clone)]
pub struct AddressRules {
    allow_plain_http: bool,
    exempt: Arc<dyn Fn(IpAddr) -> bool + Send + Sync>,
}

/// Why an address is no endpoint's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RefusedUrl {
    /// It is too long, or no URL.
    #[error("is not a URL of at most 2048 characters")]
    Malformed,
    /// It is not encrypted.
    #[error("has to begin with https://")]
    Scheme,
    /// It carries a name or a password, which would stand in logs on the way.
    #[error("may not carry a user name or password")]
    Credentials,
    /// It has a fragment, which is never sent.
    #[error("may not have a fragment")]
    Fragment,
    /// The port belongs to other services.
    #[error("has to use port 443, or one from 1024 on")]
    Port,
    /// It leads to no place on the public internet.
    #[error("leads to an address that is not on the public internet")]
    Address,
}

impl AddressRules {
    /// The public internet over TLS; `allow_plain_http` adds plain HTTP, and `exempt` addresses
    /// that are private and yet meant.
    pub fn new(
        allow_plain_http: bool,
        exempt: impl Fn(IpAddr) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self { allow_plain_http, exempt: Arc::new(exempt) }
    }

    /// Whether something may be sent to this address.
    pub fn allows(&self, address: IpAddr) -> bool {
        is_public(address) || (self.exempt)(address.to_canonical())
    }

    /// The address of an endpoint, as far as it can be judged without asking anybody: names are
    /// judged by what they resolve to, each time that they are used.
    pub fn check(&self, text: &str) -> Result<Url, RefusedUrl> {
        if text.len() > MAX_URL_BYTES {
            return Err(RefusedUrl::Malformed);
        }
        let url = Url::parse(text).map_err(|_| RefusedUrl::Malformed)?;
        // What is kept and asked for is spelled out: `ü` is then six bytes.
        if url.as_str().len() > MAX_URL_BYTES {
            return Err(RefusedUrl::Malformed);
        }
        let is_allowed = match url.scheme() {
            "https" => true,
            "http" => self.allow_plain_http,
            _ => false,
        };
        if !is_allowed {
            return Err(RefusedUrl::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(RefusedUrl::Credentials);
        }
        if url.fragment().is_some() {
            return Err(RefusedUrl::Fragment);
        }
        if !matches!(url.port_or_known_default(), Some(80 | 443 | 1024..)) {
            return Err(RefusedUrl::Port);
        }
        let address = match url.host() {
            Some(Host::Domain(name)) if !name.is_empty() => None,
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
            _ => return Err(RefusedUrl::Malformed),
        };
        if address.is_some_and(|address| !self.allows(address)) {
            return Err(RefusedUrl::Address);
        }
        Ok(url)
    }
}

impl fmt::Debug for AddressRules {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("AddressRules")
            .field("allow_plain_http", &self.allow_plain_http)
            .finish_non_exhaustive()
    }
}

/// Whether the address is one of the public internet. IPv6 is closed but for what is known to be
/// public, so mapped and translated forms of IPv4 are as well, apart from NAT64's, which is judged
/// by what it leads to.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !CLOSED_V4.iter().any(|network| holds_v4(*network, address)),
        IpAddr::V6(address) if holds_v6(NAT64, address) => {
            let [.., a, b, c, d] = address.octets();
            is_public(IpAddr::V4(Ipv4Addr::new(a, b, c, d)))
        }
        IpAddr::V6(address) => {
            holds_v6(GLOBAL_V6, address)
                && !CLOSED_V6.iter().any(|network| holds_v6(*network, address))
        }
    }
}

fn holds_v4((base, prefix): (Ipv4Addr, u32), address: Ipv4Addr) -> bool {
    (base.to_bits() ^ address.to_bits()).leading_zeros() >= prefix
}

fn holds_v6((base, prefix): (Ipv6Addr, u32), address: Ipv6Addr) -> bool {
    (base.to_bits() ^ address.to_bits()).leading_zeros() >= prefix
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> AddressRules {
        AddressRules::new(false, |_| false)
    }

    #[test]
    fn only_the_public_internet_is_reached() {
        for open in [
            "8.8.8.8",
            "1.1.1.1",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "198.17.255.255",
            "223.255.255.255",
            "2606:4700::1111",
            "2a00:1450:4001:80e::200e",
            "2001:200::1",
            "64:ff9b::808:808",
        ] {
            assert!(rules().allows(open.parse().unwrap()), "{open}");
        }
        for closed in [
            "0.0.0.0",
            "0.1.2.3",
            "10.1.2.3",
            "100.64.0.1",
            "100.100.100.200",
            "127.0.0.1",
            "127.255.255.254",
            "168.63.129.16",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.168.0.1",
            "198.19.0.1",
            "203.0.113.9",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:0:127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::a00:1",
            "100::1",
            "2001::1",
            "2001:10::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "3fff::1",
            "4000::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!rules().allows(closed.parse().unwrap()), "{closed}");
        }
    }

    #[test]
    fn every_spelling_of_a_closed_address_is_refused() {
        for text in [
            "https://127.0.0.1/",
            "https://127.1/",
            "https://2130706433/",
            "https://0x7f000001/",
            "https://0177.0.0.1/",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[::ffff:7f00:1]/",
            "https://169.254.169.254/latest/meta-data/",
            "https://１２７.0.0.1/",
            "https://127.0.0.1./",
        ] {
            assert_eq!(rules().check(text).unwrap_err(), RefusedUrl::Address, "{text}");
        }
    }

    #[test]
    fn an_endpoints_address_is_plain_and_encrypted() {
        for (text, refusal) in [
            ("http://example.com/", RefusedUrl::Scheme),
            ("ftp://example.com/", RefusedUrl::Scheme),
            ("file:///etc/passwd", RefusedUrl::Scheme),
            ("https://user@example.com/", RefusedUrl::Credentials),
            ("https://user:word@example.com/", RefusedUrl::Credentials),
            ("https://example.com/#part", RefusedUrl::Fragment),
            ("https://example.com:25/", RefusedUrl::Port),
            ("https://example.com:22/", RefusedUrl::Port),
            ("https://", RefusedUrl::Malformed),
            ("example.com", RefusedUrl::Malformed),
            ("", RefusedUrl::Malformed),
        ] {
            assert_eq!(rules().check(text).unwrap_err(), refusal, "{text}");
        }
        let long = format!("https://example.com/{}", "a".repeat(MAX_URL_BYTES));
        assert_eq!(rules().check(&long).unwrap_err(), RefusedUrl::Malformed);
        let grows = format!("https://example.com/{}", "ü".repeat(900));
        assert!(grows.len() < MAX_URL_BYTES);
        assert_eq!(rules().check(&grows).unwrap_err(), RefusedUrl::Malformed);
        for text in
            ["https://example.com/hook?x=1", "https://example.com:8443/", "https://8.8.8.8/"]
        {
            assert!(rules().check(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn what_is_exempt_is_reached_in_either_notation_and_nothing_else() {
        let rules = AddressRules::new(true, |address| address == IpAddr::V4(Ipv4Addr::LOCALHOST));
        assert!(rules.check("http://127.0.0.1:8080/").is_ok());
        assert!(rules.allows("::ffff:127.0.0.1".parse().unwrap()));
        assert_eq!(rules.check("http://127.0.0.2:8080/").unwrap_err(), RefusedUrl::Address);
        assert_eq!(rules.check("http://[::1]:8080/").unwrap_err(), RefusedUrl::Address);
    }
}
