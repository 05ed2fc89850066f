//! A default route that was there before, in words that fit into a mark.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use super::{IfName, SpecError};

/// A default route as far as it can be told in few words: those of `ip route`, with commas between them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OldDefault {
    /// Its next hop; a route straight to a link has none.
    pub gateway: Option<IpAddr>,
    /// The name of its outgoing link.
    pub dev: Option<IfName>,
    /// Its metric, lower wins. IPv4 counts from 0, IPv6 from 1024 (`IP6_RT_PRIO_USER`).
    pub metric: u32,
    /// Who set it (`RTPROT_*`, include/uapi/linux/rtnetlink.h).
    pub protocol: u8,
    /// The address that packets get as their own.
    pub source: Option<IpAddr>,
    /// The largest packet in bytes.
    pub mtu: Option<u32>,
    /// Whether the gateway is on the link whatever the addresses say.
    pub onlink: bool,
    /// Whether there is more to it than these words tell, so that they cannot put it back.
    pub partial: bool,
}

impl fmt::Display for OldDefault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "proto,{},metric,{}", self.protocol, self.metric)?;
        if let Some(gateway) = self.gateway {
            write!(f, ",via,{gateway}")?;
        }
        if let Some(dev) = &self.dev {
            write!(f, ",dev,{dev}")?;
        }
        if let Some(source) = self.source {
            write!(f, ",src,{source}")?;
        }
        if let Some(mtu) = self.mtu {
            write!(f, ",mtu,{mtu}")?;
        }
        f.write_str(if self.onlink { ",onlink" } else { "" })?;
        f.write_str(if self.partial { ",partial" } else { "" })
    }
}

impl OldDefault {
    /// As `ip route` tells of it: `via GATEWAY dev LINK metric NUMBER`, the metric unless it is the usual one.
    #[must_use]
    pub fn in_words(&self, usual_metric: u32) -> String {
        let via = self.gateway.map(|gateway| format!("via {gateway}"));
        let dev = self.dev.as_ref().map(|dev| format!("dev {dev}"));
        let metric = (self.metric != usual_metric).then(|| format!("metric {}", self.metric));
        [via, dev, metric].into_iter().flatten().collect::<Vec<_>>().join(" ")
    }
}

impl FromStr for OldDefault {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let refused = || SpecError::new("default route", text, "cannot be read");
        let mut route = Self::default();
        // A name may contain a comma, and then it is no longer one word: such a mark restores nothing.
        let mut words = text.split(',');
        while let Some(key) = words.next() {
            let mut value = || words.next().ok_or_else(refused);
            match key {
                "proto" => route.protocol = value()?.parse().map_err(|_| refused())?,
                "metric" => route.metric = value()?.parse().map_err(|_| refused())?,
                "via" => route.gateway = Some(value()?.parse().map_err(|_| refused())?),
                "dev" => route.dev = Some(value()?.parse()?),
                "src" => route.source = Some(value()?.parse().map_err(|_| refused())?),
                "mtu" => route.mtu = Some(value()?.parse().map_err(|_| refused())?),
                "onlink" => route.onlink = true,
                "partial" => route.partial = true,
                _ => return Err(refused()),
            }
        }
        Ok(route)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_as_it_was_written() {
        for text in [
            "proto,4,metric,0,via,172.17.0.1,dev,eth0",
            "proto,3,metric,1024,via,fd17::1,dev,eth0,src,fd17::2,mtu,1400,onlink",
            "proto,3,metric,0,partial",
        ] {
            assert_eq!(text.parse::<OldDefault>().unwrap().to_string(), text);
        }
        for text in ["", "via", "via,x", "metric,-1", "proto,300", "dev,a/b", "dev,a,b", "cake,1"] {
            assert!(text.parse::<OldDefault>().is_err(), "{text}");
        }
    }
}
