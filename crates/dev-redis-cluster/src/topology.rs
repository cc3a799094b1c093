//! What a node believes about the cluster: the answer to `CLUSTER NODES`.

use crate::SLOTS;

/// One node as another sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) id: String,
    pub(crate) port: u16,
    pub(crate) is_primary: bool,
    pub(crate) has_failed: bool,
    pub(crate) is_known: bool,
    /// Of a replica: its primary's id.
    pub(crate) primary: Option<String>,
    pub(crate) epoch: u64,
    /// First and last slot of each range.
    pub(crate) slots: Vec<(u16, u16)>,
}

impl Member {
    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split_whitespace();
        let id = fields.next()?.to_owned();
        let address = fields.next()?.split(['@', ',']).next()?;
        let port = address.rsplit_once(':')?.1.parse().ok()?;
        let flags: Vec<&str> = fields.next()?.split(',').collect();
        let primary = fields.next().filter(|primary| *primary != "-").map(str::to_owned);
        let epoch = fields.nth(2)?.parse().ok()?;
        // After the state of the link; slots on the move are in brackets and still its own.
        let slots = fields.skip(1).filter_map(parse_range).collect();
        Some(Self {
            id,
            port,
            is_primary: flags.contains(&"master"),
            has_failed: flags.contains(&"fail"),
            is_known: !flags.contains(&"handshake") && !flags.contains(&"noaddr"),
            primary,
            epoch,
            slots,
        })
    }

    pub(crate) fn owns(&self, slot: u16) -> bool {
        self.slots.iter().any(|(first, last)| (*first..=*last).contains(&slot))
    }
}

fn parse_range(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    Some((first.parse().ok()?, last.parse().ok()?))
}

/// All nodes as one of them sees them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Topology(Vec<Member>);

impl Topology {
    pub(crate) fn parse(text: &str) -> Self {
        Self(text.lines().filter_map(Member::parse).collect())
    }

    pub(crate) fn members(&self) -> &[Member] {
        &self.0
    }

    pub(crate) fn at(&self, port: u16) -> Option<&Member> {
        self.0.iter().find(|member| member.port == port)
    }

    /// Those that slots belong to.
    pub(crate) fn owners(&self) -> impl Iterator<Item = &Member> {
        self.0.iter().filter(|member| member.is_primary && !member.slots.is_empty())
    }

    pub(crate) fn covers_all_slots(&self) -> bool {
        let count: u32 = self
            .owners()
            .flat_map(|member| &member.slots)
            .map(|(first, last)| u32::from(last - first) + 1)
            .sum();
        count == u32::from(SLOTS)
    }

    /// The latest change that this view knows of.
    pub(crate) fn latest_epoch(&self) -> u64 {
        self.0.iter().map(|member| member.epoch).max().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VIEW: &str = "\
        aa 127.0.0.1:20001@30001,localhost myself,master - 0 0 1 connected 0-5460 [93-<-bb]\n\
        bb 127.0.0.1:20002@30002,localhost,tls-port=0 master,fail - 0 5 2 disconnected\n\
        cc 127.0.0.1:20003@30003,localhost slave aa 0 5 1 connected\n\
        dd 127.0.0.1:20004@30004,localhost master - 0 5 7 connected 5461 5462-16383\n";

    #[test]
    fn flags_links_and_slots_are_read() {
        let view = Topology::parse(VIEW);
        assert_eq!(view.members().len(), 4);
        assert_eq!(view.owners().map(|member| member.port).collect::<Vec<_>>(), [20_001, 20_004]);
        assert!(view.at(20_002).unwrap().has_failed);
        assert_eq!(view.at(20_003).unwrap().primary.as_deref(), Some("aa"));
        assert!(view.at(20_004).unwrap().owns(5461) && !view.at(20_004).unwrap().owns(5460));
        assert!(view.covers_all_slots());
        assert_eq!(view.latest_epoch(), 7);
    }

    #[test]
    fn a_hole_and_a_broken_line_are_noticed() {
        assert!(!Topology::parse(&VIEW.replace("0-5460", "0-5459")).covers_all_slots());
        assert!(Topology::parse("aa nonsense\n\n").members().is_empty());
    }
}
