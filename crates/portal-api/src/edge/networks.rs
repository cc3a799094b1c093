//! Networks that addresses belong to, as settings name them.

use std::net::IpAddr;
use std::str::FromStr;

/// A list of networks, such as `10.0.0.0/8, ::1`; an address alone is a network of one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(Vec<Network>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    base: IpAddr,
    prefix: u32,
}

/// A part of the text is no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("entry {position} is no network such as 10.0.0.0/8 or 2001:db8::/32")]
pub struct InvalidNetwork {
    /// Which entry, from 1.
    pub position: usize,
}

impl Networks {
    /// Whether none is named.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one of them holds `address`. An IPv4 address is the same in either notation.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(address))
    }
}

impl Network {
    fn contains(self, address: IpAddr) -> bool {
        match (self.base, address) {
            (IpAddr::V4(base), IpAddr::V4(address)) => {
                leading(base.to_bits().into(), 32, self.prefix)
                    == leading(address.to_bits().into(), 32, self.prefix)
            }
            (IpAddr::V6(base), IpAddr::V6(address)) => {
                leading(base.to_bits(), 128, self.prefix)
                    == leading(address.to_bits(), 128, self.prefix)
            }
            _ => false,
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let (base, prefix) = match text.split_once('/') {
            Some((base, prefix)) => (base, Some(prefix)),
            None => (text, None),
        };
        let base: IpAddr = base.parse().ok()?;
        let longest = if base.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok()?,
            Some(_) => return None,
            None => longest,
        };
        (prefix <= longest).then_some(Self { base: base.to_canonical(), prefix }).filter(
            |network| {
                // An IPv4 network written in IPv6 would change its length with its notation.
                network.base.is_ipv4() == base.is_ipv4()
            },
        )
    }
}

/// The first `prefix` of the `width` bits of an address.
fn leading(bits: u128, width: u32, prefix: u32) -> u128 {
    bits.checked_shr(width - prefix).unwrap_or(0)
}

impl FromStr for Networks {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let entries = text.split(',').map(str::trim).enumerate();
        entries
            .filter(|_| !text.trim().is_empty())
            .map(|(index, entry)| {
                Network::parse(entry).ok_or(InvalidNetwork { position: index + 1 })
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(networks: &str, address: &str) -> bool {
        networks.parse::<Networks>().unwrap().contains(address.parse().unwrap())
    }

    #[test]
    fn an_address_belongs_to_the_networks_that_hold_it() {
        for (networks, address, is_in) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.1.2.3", "10.1.2.3", true),
            ("10.1.2.3", "10.1.2.4", false),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("::/0", "2001:db8::1", true),
            ("::/0", "203.0.113.9", false),
            ("10.0.0.0/8", "::ffff:10.0.0.1", true),
            ("2001:db8::/32, 127.0.0.1", "2001:db8:ffff::1", true),
            ("2001:db8::/32, 127.0.0.1", "127.0.0.1", true),
            ("2001:db8::/33", "2001:db8:8000::1", false),
            ("", "127.0.0.1", false),
        ] {
            assert_eq!(holds(networks, address), is_in, "{address} in {networks}");
        }
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for (text, position) in [
            ("10.0.0.0/33", 1),
            ("::1/129", 1),
            ("10.0.0.0/", 1),
            ("10.0.0.0/+8", 1),
            ("localhost", 1),
            ("10.0.0.1,", 2),
            ("10.0.0.1,*", 2),
            ("::ffff:10.0.0.0/104", 1),
        ] {
            assert_eq!(text.parse::<Networks>(), Err(InvalidNetwork { position }), "{text}");
        }
        assert!(" ".parse::<Networks>().unwrap().is_empty());
    }
}
