//! What is no longer as the attach left it, in the words of `list`.
//!
//! PURE.

/// What the host's end of a veth is a port of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Port {
    /// Of what its mark says.
    There,
    /// Of nothing.
    Gone,
    /// Of another bridge than this, which its mark says.
    Left(String),
    /// Open vSwitch, which would know, does not answer.
    Unknown,
}

/// An attachment as it is, as far as it can have changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// Whether the interface is administratively up.
    pub up: bool,
    /// Whether it has a signal.
    pub carrier: bool,
    /// How many addresses it has, and how many it was given.
    pub addresses: (usize, usize),
    /// Whether it still carries its mark.
    pub marked: bool,
    /// What it was called, where it was renamed.
    pub renamed_from: Option<String>,
    /// Whose it was, where it was moved on to another namespace.
    pub came_from: Option<String>,
    /// What its host's end is a port of; none where it has no such end.
    pub port: Option<Port>,
    /// Whether the host's end is up.
    pub host_end_up: bool,
    /// Whether what it is wired to is up.
    pub uplink_up: bool,
}

impl Condition {
    /// `up`, or everything that is different, the weightiest first.
    #[must_use]
    pub fn words(&self) -> String {
        let mut words = Vec::new();
        match &self.port {
            Some(Port::Gone) => words.push("port gone".to_owned()),
            Some(Port::Left(bridge)) => words.push(format!("left {bridge}")),
            Some(Port::Unknown) => words.push("port unknown".to_owned()),
            Some(Port::There) | None => {}
        }
        if !self.up {
            words.push("down".to_owned());
        } else if !self.host_end_up {
            words.push("host end down".to_owned());
        } else if !self.uplink_up {
            words.push("uplink down".to_owned());
        } else if !self.carrier {
            words.push("no carrier".to_owned());
        }
        match self.addresses {
            (0, 1..) => words.push("no address".to_owned()),
            (has, given) if has < given => words.push("address removed".to_owned()),
            _ => {}
        }
        words.extend(self.renamed_from.iter().map(|name| format!("renamed from {name}")));
        words.extend(self.came_from.iter().map(|target| format!("came from {target}")));
        if !self.marked {
            words.push("mark gone".to_owned());
        }
        if words.is_empty() { "up".to_owned() } else { words.join(", ") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_told_the_weightiest_first() {
        let fine = Condition {
            up: true,
            carrier: true,
            addresses: (1, 1),
            marked: true,
            renamed_from: None,
            came_from: None,
            port: Some(Port::There),
            host_end_up: true,
            uplink_up: true,
        };
        assert_eq!(fine.words(), "up");
        let fine_too = Condition { addresses: (3, 0), port: None, ..fine.clone() };
        assert_eq!(fine_too.words(), "up");
        let worst = Condition {
            up: false,
            carrier: false,
            addresses: (0, 2),
            marked: false,
            renamed_from: Some("eth1".into()),
            came_from: Some("docker:web".into()),
            port: Some(Port::Left("br0".into())),
            host_end_up: false,
            uplink_up: false,
        };
        assert_eq!(
            worst.words(),
            "left br0, down, no address, renamed from eth1, came from docker:web, mark gone"
        );
        let down = Condition { host_end_up: false, carrier: false, addresses: (1, 2), ..fine.clone() };
        assert_eq!(down.words(), "host end down, address removed");
        let uplink = Condition { uplink_up: false, carrier: false, port: Some(Port::Gone), ..fine.clone() };
        assert_eq!(uplink.words(), "port gone, uplink down");
        assert_eq!(Condition { carrier: false, ..fine }.words(), "no carrier");
    }
}
