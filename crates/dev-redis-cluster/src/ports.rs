//! Ports for nodes, reserved among all who ask here.

use std::io;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};

use crate::{NODES, programs};

/// How far a node's second port, on which nodes talk to each other, is from its first.
pub(crate) const BUS_DISTANCE: u16 = 10_000;

/// First port that Linux gives to outgoing connections: one of those may be taken at any moment.
const EPHEMERAL: u16 = 32_768;

/// Where scattered ports begin; they end where their bus ports would reach [`EPHEMERAL`].
const SCATTER_FROM: u16 = 20_000;
const SCATTER_OVER: u16 = EPHEMERAL - BUS_DISTANCE - SCATTER_FROM - 6;

/// The ports of a cluster's nodes, on loopback, in a row.
///
/// Held until dropped: a port stays reserved while its node is dead, so that another cluster which
/// looks for ports meanwhile does not take it. The reservation is the UDP port of the same number,
/// which Redis does not use and the system gives back however we end.
#[derive(Debug)]
pub struct Ports {
    ports: Vec<u16>,
    _reservation: Vec<UdpSocket>,
}

impl Ports {
    /// Free ones from 20000 on. The search starts at a random place, so that clusters that start
    /// at the same moment rarely meet.
    pub fn scattered() -> io::Result<Self> {
        Self::find(SCATTER_FROM + programs::random_number()? % SCATTER_OVER, NODES)
    }

    /// The first free ones in a row at or after `first`.
    pub fn at_or_after(first: u16) -> io::Result<Self> {
        Self::find(first, NODES)
    }

    /// A free one for a single server.
    pub(crate) fn scattered_one() -> io::Result<Self> {
        Self::find(SCATTER_FROM + programs::random_number()? % SCATTER_OVER, 1)
    }

    fn find(first: u16, count: usize) -> io::Result<Self> {
        let mut ports = Vec::with_capacity(count);
        let mut reservation = Vec::with_capacity(count);
        for port in first..EPHEMERAL - BUS_DISTANCE {
            if let Some(reserved) = reserve(port) {
                ports.push(port);
                reservation.push(reserved);
            } else {
                ports.clear();
                reservation.clear();
            }
            if ports.len() == count {
                return Ok(Self { ports, _reservation: reservation });
            }
        }
        let text = format!("no {count} ports in a row are free at or after {first}");
        Err(io::Error::new(io::ErrorKind::AddrInUse, text))
    }

    /// All of them, in the order of the nodes.
    pub fn all(&self) -> &[u16] {
        &self.ports
    }

    /// The port of the first node.
    pub fn first(&self) -> u16 {
        self.ports.first().copied().unwrap_or_default()
    }

    pub(crate) fn of(&self, node: usize) -> io::Result<u16> {
        self.ports.get(node).copied().ok_or_else(|| {
            let text =
                format!("there is no node {node}: they are numbered from 0 to {}", NODES - 1);
            io::Error::new(io::ErrorKind::InvalidInput, text)
        })
    }
}

fn reserve(port: u16) -> Option<UdpSocket> {
    let reserved = UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).ok()?;
    let is_free = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    (is_free(port) && is_free(port.saturating_add(BUS_DISTANCE))).then_some(reserved)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_that_are_held_are_not_given_again() {
        let first = Ports::scattered().unwrap();
        let second = Ports::at_or_after(first.first()).unwrap();
        assert_eq!(second.all().len(), NODES);
        assert!(second.all().iter().all(|port| !first.all().contains(port)));
        assert!(second.all().windows(2).all(|pair| pair[1] == pair[0] + 1));
    }

    #[test]
    fn a_taken_bus_port_rules_the_port_out() {
        let port = Ports::scattered_one().unwrap().first();
        let bus = TcpListener::bind((Ipv4Addr::LOCALHOST, port + BUS_DISTANCE)).unwrap();
        assert!(reserve(port).is_none());
        drop(bus);
    }
}
