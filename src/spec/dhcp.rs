//! The words that ask a DHCP client for the address: `udhcpc`, `dhclient-f`, `dhcpcd:OPTIONS` …

use std::fmt;
use std::str::FromStr;

use super::SpecError;

/// A DHCP client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Client {
    /// That of busybox.
    Udhcpc,
    /// Roy Marples' one.
    Dhcpcd,
    /// ISC's one.
    Dhclient,
}

impl Client {
    /// All of them, in the order in which `dhcp` looks for one: the smallest first.
    pub const ALL: [Self; 3] = [Self::Udhcpc, Self::Dhcpcd, Self::Dhclient];

    /// Its word, which is its program's name too.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Udhcpc => "udhcpc",
            Self::Dhcpcd => "dhcpcd",
            Self::Dhclient => "dhclient",
        }
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `CLIENT[-f][:OPTIONS]`; the client `dhcp` means whichever is installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DhcpWord {
    /// Who is to ask; none means the first that is installed.
    pub client: Option<Client>,
    /// Whether it stays and renews the lease.
    pub keep: bool,
    /// Further words for it, exactly as they were given; split at white space, with no quotes, as pipework does.
    pub options: Option<String>,
}

impl DhcpWord {
    /// Whether a word of an address list is meant for a DHCP client.
    pub(super) fn is_meant(word: &str) -> bool {
        let name = word.split(':').next().unwrap_or_default();
        let name = name.strip_suffix("-f").unwrap_or(name);
        name == "dhcp" || client(name).is_some()
    }

    /// The further words for the client.
    pub fn options(&self) -> impl Iterator<Item = &str> {
        self.options.iter().flat_map(|options| options.split_ascii_whitespace())
    }
}

fn client(name: &str) -> Option<Client> {
    Client::ALL.into_iter().find(|client| client.as_str() == name)
}

impl FromStr for DhcpWord {
    type Err = SpecError;

    fn from_str(word: &str) -> Result<Self, SpecError> {
        let refuse = |why: &str| Err(SpecError::new("address", word, why));
        let (name, options) = match word.split_once(':') {
            Some((name, options)) => (name, Some(options.to_owned())),
            None => (word, None),
        };
        let (name, keep) = match name.strip_suffix("-f") {
            Some(name) => (name, true),
            None => (name, false),
        };
        let client = client(name);
        if client.is_none() && name != "dhcp" {
            return refuse("is no DHCP client that rpipe knows");
        }
        if options.as_ref().is_some_and(|options| options.chars().any(|c| c.is_control() && c != '\t')) {
            return refuse("contains a control character");
        }
        Ok(Self { client, keep, options })
    }
}

impl fmt::Display for DhcpWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.client.map_or("dhcp", Client::as_str))?;
        if self.keep {
            f.write_str("-f")?;
        }
        match &self.options {
            Some(options) => write!(f, ":{options}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_prints_as_it_was_read() {
        for word in [
            "dhcp",
            "dhcp-f",
            "dhcp:-v",
            "udhcpc",
            "udhcpc-f",
            "udhcpc:-O 1,2  -r 10.0.0.7",
            "dhclient-f:-v",
            "dhclient:",
            "dhcpcd",
            "dhcpcd-f:$(x) *",
        ] {
            assert_eq!(word.parse::<DhcpWord>().unwrap().to_string(), word);
            assert!(DhcpWord::is_meant(word), "{word}");
        }
    }

    #[test]
    fn options_are_split_at_white_space_and_nothing_else() {
        let word: DhcpWord = "udhcpc:  -x 0x3d:01 \t'a b' $(c) *".parse().unwrap();
        let options: Vec<_> = word.options().collect();
        assert_eq!(options, ["-x", "0x3d:01", "'a", "b'", "$(c)", "*"]);
    }

    #[test]
    fn nonsense_is_refused() {
        for word in ["", "dhcp6", "udhcp", "udhcpc-F", "udhcpc:a\nb", "udhcpc:\x1b[0m", "-f", "dhcpx"] {
            assert!(word.parse::<DhcpWord>().is_err(), "{word:?}");
        }
    }
}
