//! Interface names, by the kernel's rules.

use std::fmt;
use std::str::FromStr;

use super::SpecError;

/// The longest interface name in bytes: the kernel's `IFNAMSIZ` (16) less the final zero byte.
const MAX: usize = 15;

/// The name of a network interface, as `dev_valid_name` (net/core/dev.c) allows it.
///
/// `%` is refused as well: the kernel takes `eth%d` for a pattern and picks a name of its own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IfName(String);

impl IfName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for IfName {
    type Err = SpecError;

    fn from_str(word: &str) -> Result<Self, SpecError> {
        let refuse = |why: String| Err(SpecError::new("interface name", word, why));
        if word.is_empty() {
            return refuse("is empty".into());
        }
        if word.len() > MAX {
            let why = format!("is {} bytes long, the kernel takes at most {MAX}", word.len());
            return refuse(why);
        }
        if word == "." || word == ".." {
            return refuse("is no name".into());
        }
        if word.starts_with('-') {
            return refuse("starts with a dash".into());
        }
        if word.contains(':') {
            let refused = SpecError::new("interface name", word, "is an alias, not an interface");
            return Err(refused.hint("use the name before the colon"));
        }
        // Their settings would stand where those for all links stand (`register_netdevice` says EINVAL).
        if word == "all" || word == "default" {
            return refuse("is a reserved word of the kernel".into());
        }
        if let Some(bad) =
            word.chars().find(|c| matches!(c, '/' | '%') || c.is_whitespace() || c.is_control())
        {
            return refuse(format!("contains {bad:?}"));
        }
        Ok(Self(word.to_owned()))
    }
}

impl fmt::Display for IfName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_kernel_takes() {
        for name in ["eth1", "br-0", "vlan.10", "a", "123456789012345", "Ünter"] {
            assert_eq!(name.parse::<IfName>().unwrap().to_string(), name);
        }
    }

    #[test]
    fn names_the_kernel_refuses_or_rewrites() {
        for name in [
            "",
            ".",
            "..",
            "1234567890123456",
            "a/b",
            "a b",
            "a\n",
            "eth%d",
            "eth0:1",
            "-i",
            "all",
            "default",
        ] {
            assert!(name.parse::<IfName>().is_err(), "{name:?}");
        }
    }
}
