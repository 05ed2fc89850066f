//! Marks: what rpipe writes into the alias of a link, so that it knows the link again.
//!
//! `rpipe 1 ROLE key=value …`, at most 255 bytes, which is what an alias holds (`IFALIASZ`, include/uapi/linux/if.h).
//! What stands in a mark may have been written by anybody who may change the link: it is read as untrusted input.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use super::{IfName, Mac, OldDefault, SpecError};

/// The most bytes of an alias.
const MOST: usize = 255;
/// The start of every mark with the version of its form.
const START: &str = "rpipe 1 ";

/// What a marked link is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A bridge that was made for a container.
    Bridge,
    /// An 802.1Q interface that was made for a container.
    Vlan,
    /// The host's end of an attachment.
    Port,
    /// The container's end of an attachment.
    Link,
}

/// How a physical interface was before it went into a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nic {
    /// Its name on the host.
    pub name: IfName,
    /// Whether it was up.
    pub up: bool,
    /// Its MAC address.
    pub mac: Option<Mac>,
    /// Its largest packet in bytes.
    pub mtu: u32,
    /// The wireless device that it belongs to.
    pub phy: Option<u32>,
    /// The alias it had; empty when it had none, or one that does not fit.
    pub alias: String,
}

impl Nic {
    /// The alias that it gets back. Who had the interface may have changed the mark: what would pass for a mark of the
    /// host's, or steer a terminal, is left out.
    #[must_use]
    pub fn old_alias(&self) -> &str {
        let suspect = self.alias.starts_with("rpipe ") || self.alias.chars().any(char::is_control);
        if suspect { "" } else { &self.alias }
    }
}

/// A mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// What the link is.
    pub role: Role,
    /// Whose it is, as `RUNTIME:NAME`; shortened where it is too long.
    pub target: Option<String>,
    /// The start of the engine's id.
    pub id: Option<String>,
    /// What the container was attached to.
    pub uplink: Option<IfName>,
    /// The VLAN that it is in.
    pub vlan: Option<u16>,
    /// Whether it is a port of Open vSwitch.
    pub ovs: bool,
    /// The name of the other end: inside, for the host's end.
    pub ifname: Option<IfName>,
    /// The number of the container's namespace.
    pub netns: Option<u64>,
    /// How many addresses the attach gave it.
    pub addresses: u16,
    /// The routing tables that its routes are in, the first and the last; none where that is the main one.
    pub tables: Option<(u32, u32)>,
    /// The default routes that the attach replaced, IPv4 and IPv6.
    pub old: [Option<OldDefault>; 2],
    /// What a physical interface was before.
    pub nic: Option<Nic>,
}

impl Role {
    const ALL: [Self; 4] = [Self::Bridge, Self::Vlan, Self::Port, Self::Link];

    fn as_str(self) -> &'static str {
        match self {
            Self::Bridge => "bridge",
            Self::Vlan => "vlan",
            Self::Port => "port",
            Self::Link => "link",
        }
    }
}

impl Mark {
    /// A mark that says no more than what the link is.
    #[must_use]
    pub fn new(role: Role) -> Self {
        Self {
            role,
            target: None,
            id: None,
            uplink: None,
            vlan: None,
            ovs: false,
            ifname: None,
            netns: None,
            addresses: 0,
            tables: None,
            old: [None, None],
            nic: None,
        }
    }

    /// The mark in the alias of a link, where it is one of that role.
    #[must_use]
    pub fn of(alias: &str, role: Role) -> Option<Self> {
        // Most links have no alias, and reading one is work.
        if alias.is_empty() {
            return None;
        }
        alias.parse::<Self>().ok().filter(|mark| mark.role == role)
    }

    /// The fields in the order of their weight: the last ones are left out first.
    fn fields(&self) -> Vec<(&'static str, String)> {
        let mut fields = Vec::new();
        let mut put = |key, value: Option<String>| fields.extend(value.map(|value| (key, escape(&value))));
        if let Some(nic) = &self.nic {
            put("nic", Some(nic.name.to_string()));
            put("up", Some(u8::from(nic.up).to_string()));
            put("mac", nic.mac.map(|mac| mac.to_string()));
            put("mtu", Some(nic.mtu.to_string()));
            put("phy", nic.phy.map(|phy| phy.to_string()));
        }
        put("uplink", self.uplink.as_ref().map(ToString::to_string));
        put("vlan", self.vlan.map(|vlan| vlan.to_string()));
        put("ovs", self.ovs.then(|| "1".to_owned()));
        put("ifname", self.ifname.as_ref().map(ToString::to_string));
        put("netns", self.netns.map(|netns| netns.to_string()));
        put("addresses", (self.addresses > 0).then(|| self.addresses.to_string()));
        put("table", self.tables.map(table_words));
        put("old4", self.old[0].as_ref().map(ToString::to_string));
        put("old6", self.old[1].as_ref().map(ToString::to_string));
        put("id", self.id.clone());
        put("target", self.target.clone());
        if let Some(nic) = self.nic.as_ref().filter(|nic| !nic.alias.is_empty()) {
            put("alias", Some(nic.alias.clone()));
        }
        fields
    }
}

/// `100`, or `100-101`.
fn table_words((first, last): (u32, u32)) -> String {
    if first == last { first.to_string() } else { format!("{first}-{last}") }
}

fn read_tables(words: &str) -> Option<(u32, u32)> {
    let (first, last) = words.split_once('-').unwrap_or((words, words));
    Some((first.parse().ok()?, last.parse().ok()?))
}

/// What stands in a mark without being a separator; `%` starts two hexadecimal digits.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"._:/@+,-".contains(&byte)
}

fn escape(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for byte in value.bytes() {
        if is_plain(byte) {
            escaped.push(char::from(byte));
        } else {
            let _ = write!(escaped, "%{byte:02x}");
        }
    }
    escaped
}

fn unescape(value: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                let (high, low) = (digit(rest.next())?, digit(rest.next())?);
                bytes.push(u8::try_from(high * 16 + low).ok()?);
            }
            plain if is_plain(plain) => bytes.push(plain),
            _ => return None,
        }
    }
    // A name that was cut may end in the middle of a character.
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = format!("{START}{}", self.role.as_str());
        for (key, value) in self.fields() {
            let room = MOST.saturating_sub(text.len() + key.len() + 2);
            // Only the name of the target says something when it is cut; not in the middle of an escape.
            let value = match value.get(..room.min(value.len())) {
                Some(start) if start.len() == value.len() => start,
                Some(start) if key == "target" => match start.rfind('%') {
                    Some(at) if at + 3 > start.len() => &start[..at],
                    _ => start,
                },
                _ => continue,
            };
            let _ = write!(text, " {key}={value}");
        }
        f.write_str(&text)
    }
}

impl FromStr for Mark {
    type Err = SpecError;

    fn from_str(alias: &str) -> Result<Self, SpecError> {
        let refused = |why: &str| SpecError::new("mark", alias, why);
        let rest = alias.strip_prefix(START).ok_or_else(|| refused("is not rpipe's"))?;
        let mut words = rest.split(' ');
        let role = words.next().and_then(|word| Role::ALL.into_iter().find(|role| role.as_str() == word));
        let mut mark = Self::new(role.ok_or_else(|| refused("has no known role"))?);
        let mut fields = Vec::new();
        for word in words {
            let field = word.split_once('=').and_then(|(key, value)| Some((key, unescape(value)?)));
            fields.push(field.ok_or_else(|| refused("has a field that cannot be read"))?);
        }
        let get = |key: &str| fields.iter().find(|(known, _)| *known == key).map(|(_, value)| value.clone());
        mark.target = get("target");
        mark.id = get("id");
        mark.uplink = get("uplink").map(|name| name.parse()).transpose()?;
        mark.vlan = get("vlan").and_then(|vlan| vlan.parse().ok());
        mark.ovs = get("ovs").is_some();
        mark.ifname = get("ifname").map(|name| name.parse()).transpose()?;
        mark.netns = get("netns").and_then(|netns| netns.parse().ok());
        mark.addresses = get("addresses").and_then(|count| count.parse().ok()).unwrap_or_default();
        mark.tables = get("table").and_then(|words| read_tables(&words));
        mark.old = ["old4", "old6"].map(|key| get(key).and_then(|route| route.parse().ok()));
        if let Some(name) = get("nic") {
            mark.nic = Some(Nic {
                name: name.parse()?,
                up: get("up").is_some_and(|up| up == "1"),
                mac: get("mac").map(|mac| mac.parse()).transpose()?,
                mtu: get("mtu").and_then(|mtu| mtu.parse().ok()).ok_or_else(|| refused("has no MTU"))?,
                phy: get("phy").and_then(|phy| phy.parse().ok()),
                alias: get("alias").unwrap_or_default(),
            });
        }
        Ok(mark)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nic(alias: &str) -> Mark {
        Mark {
            target: Some("docker:web 1%".into()),
            id: Some("0123456789ab".into()),
            uplink: Some("eth3".parse().unwrap()),
            nic: Some(Nic {
                name: "eth3".parse().unwrap(),
                up: true,
                mac: Some("02:00:00:00:00:01".parse().unwrap()),
                mtu: 9000,
                phy: None,
                alias: alias.into(),
            }),
            ..Mark::new(Role::Link)
        }
    }

    #[test]
    fn a_mark_reads_as_it_was_written() {
        let tables = |tables| Mark { tables: Some(tables), ..nic("") };
        for mark in [tables((100, 100)), tables((1, u32::MAX))] {
            assert_eq!(mark.to_string().parse(), Ok(mark));
        }
        for mark in [Mark::new(Role::Vlan), Mark::new(Role::Bridge), nic(""), nic("uplink to müller=x")] {
            assert_eq!(mark.to_string().parse(), Ok(mark));
        }
        assert_eq!(
            nic("").to_string(),
            "rpipe 1 link nic=eth3 up=1 mac=02:00:00:00:00:01 mtu=9000 uplink=eth3 id=0123456789ab \
             target=docker:web%201%25"
        );
    }

    #[test]
    fn what_does_not_fit_is_left_out_by_weight() {
        let mark = nic(&"x".repeat(250)).to_string();
        assert!(mark.len() <= MOST && mark.ends_with("target=docker:web%201%25"), "{mark}");
        for length in 1..300 {
            let mark = Mark { target: Some("é".repeat(length)), ..nic("x") };
            let text = mark.to_string();
            assert!(text.len() <= MOST, "{text}");
            assert_eq!(text.parse::<Mark>().unwrap().nic.unwrap().mtu, 9000, "{text}");
        }
    }

    #[test]
    fn strangers_aliases_are_no_marks() {
        for alias in [
            "",
            "rpipe",
            "rpipe 1",
            "rpipe 1 ",
            "rpipe 2 link",
            "rpipe 1 cake",
            "rpipe 1 link x",
            "rpipe 1 link a=%",
            "rpipe 1 link a=%zz",
            "rpipe 1 link nic=a/b mtu=1",
            "rpipe 1 link nic=a mtu=x",
            "rpipe 1 link  ",
            "uplink 7",
        ] {
            assert!(alias.parse::<Mark>().is_err(), "{alias}");
        }
    }
}
