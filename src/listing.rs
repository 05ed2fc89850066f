//! Attachments as rows: for programs as JSON, for people as a table.
//!
//! PURE.

use std::fmt::Write as _;

use serde::Serialize;
use unicode_width::UnicodeWidthStr;

use crate::colour::{Ink, Tone};

/// One attachment, in the keys of the JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// The target's name.
    pub target: String,
    /// Who holds it: `docker`, `pid`, `netns` …
    pub runtime: String,
    /// The engine's id, or the start of it; null when there is none.
    pub id: Option<String>,
    /// A process in its namespace, null when there is none.
    pub pid: Option<i32>,
    /// The interface in the target.
    pub ifname: String,
    /// The host's end, null when the link has none.
    pub host_ifname: Option<String>,
    /// What it is wired to, null when nobody knows.
    pub uplink: Option<String>,
    /// The kind of link: `veth`, `macvlan`; `physical` for hardware.
    pub kind: String,
    /// The addresses with their prefixes.
    pub addresses: Vec<String>,
    /// The default gateways over it.
    pub gateways: Vec<String>,
    /// The MAC address.
    pub mac: Option<String>,
    /// The largest packet in bytes.
    pub mtu: Option<u32>,
    /// The VLAN number.
    pub vlan: Option<u16>,
    /// `up`, or what has changed since the attach.
    pub state: String,
}

const HEADS: [&str; 10] = [
    "TARGET",
    "RUNTIME",
    "INTERFACE",
    "UPLINK",
    "ADDRESSES",
    "GATEWAY",
    "MAC",
    "VLAN",
    "HOST INTERFACE",
    "STATE",
];

/// The column of the state, the last one.
const STATE: usize = HEADS.len() - 1;

impl Listed {
    fn cells(&self) -> [String; HEADS.len()] {
        let word = |word: Option<&str>| printable(word.filter(|word| !word.is_empty()).unwrap_or("-"));
        let list = |words: &[String]| word(Some(&words.join(",")));
        [
            word(Some(&self.target)),
            word(Some(&self.runtime)),
            word(Some(&self.ifname)),
            word(self.uplink.as_deref()),
            list(&self.addresses),
            list(&self.gateways),
            word(self.mac.as_deref()),
            word(self.vlan.map(|vlan| vlan.to_string()).as_deref()),
            word(self.host_ifname.as_deref()),
            word(Some(&self.state)),
        ]
    }
}

/// What a terminal only shows: whatever could steer it, hide or turn letters is written as its number.
#[must_use]
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '\'' | '"' | '\\') {
            shown.push(c);
        } else {
            shown.extend(c.escape_debug());
        }
    }
    shown
}

/// The rows under their heads, each column as wide as its widest cell; nothing when there is none.
#[must_use]
pub fn table(rows: &[Listed], ink: Ink) -> String {
    let mut text = String::new();
    if rows.is_empty() {
        return text;
    }
    let lines: Vec<_> =
        std::iter::once(HEADS.map(str::to_owned)).chain(rows.iter().map(Listed::cells)).collect();
    let width = |column: usize| lines.iter().map(|line| line[column].width()).max().unwrap_or_default();
    let widths: [usize; HEADS.len()] = std::array::from_fn(width);
    for (number, line) in lines.iter().enumerate() {
        for (column, (cell, width)) in line.iter().zip(widths).enumerate() {
            let tone = match (number, column, cell.as_str()) {
                (0, ..) => Some(Tone::Strong),
                (_, STATE, "up") => Some(Tone::Good),
                (_, STATE, "dead") => Some(Tone::Bad),
                (_, STATE, _) => Some(Tone::Doubtful),
                _ => None,
            };
            let _ = match tone {
                Some(tone) => write!(text, "{}", ink.paint(tone, cell)),
                None => write!(text, "{cell}"),
            };
            // Counted here: the standard library counts letters, not columns. Behind the last there is nothing.
            let padding = if column == STATE { 0 } else { width - cell.width() + 2 };
            let _ = write!(text, "{:padding$}", "");
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(target: &str, addresses: &[&str]) -> Listed {
        Listed {
            target: target.into(),
            runtime: "docker".into(),
            id: None,
            pid: None,
            ifname: "eth1".into(),
            host_ifname: None,
            uplink: Some("br0".into()),
            kind: "veth".into(),
            addresses: addresses.iter().map(|&word| word.to_owned()).collect(),
            gateways: Vec::new(),
            mac: None,
            mtu: None,
            vlan: Some(10),
            state: "up".into(),
        }
    }

    #[test]
    fn columns_are_as_wide_as_they_look() {
        let rows = [row("web", &["10.0.0.2/24", "fd00::2/64"]), row("網絡", &[]), row("müll", &[])];
        assert_eq!(
            table(&rows, Ink::NONE),
            "\
TARGET  RUNTIME  INTERFACE  UPLINK  ADDRESSES               GATEWAY  MAC  VLAN  HOST INTERFACE  STATE
web     docker   eth1       br0     10.0.0.2/24,fd00::2/64  -        -    10    -               up
網絡    docker   eth1       br0     -                       -        -    10    -               up
müll    docker   eth1       br0     -                       -        -    10    -               up
"
        );
        assert_eq!(table(&[], Ink::NONE), "");
    }

    #[test]
    fn nothing_steers_the_terminal() {
        let text = table(&[row("a\u{1b}[2J\u{9b}1m\u{202e}\n\u{200b}it's", &[])], Ink::NONE);
        assert!(text.contains("a\\u{1b}[2J\\u{9b}1m\\u{202e}\\n\\u{200b}it's "), "{text}");
        assert_eq!(text.lines().count(), 2);
    }
}
