//! Which hosts beside its own a registry may send this client to: storage that it redirects to, and token servers.

use std::net::IpAddr;

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

use super::address::Address;

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Elsewhere {
    /// The user asks for the registry, and trusts where it leads.
    #[default]
    Anywhere,
    /// Somebody else chooses what is asked for: only HTTPS, and only names whose addresses are public. `allowed` holds hosts,
    /// `HOST` or `HOST:PORT`, that may be anything.
    Public { allowed: Vec<String> },
}

pub(super) const PUBLIC: &str = "HTTPS to a host with public addresses only, or a host that --allow names";

impl Elsewhere {
    pub(super) fn may_lead_to(&self, address: &Address) -> bool {
        match self {
            Self::Anywhere => true,
            Self::Public { allowed } => {
                let (scheme, host) = (address.uri().scheme_str(), address.uri().host().unwrap_or_default());
                let is_number = host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
                names(allowed, address.uri()) || (scheme == Some("https") && !is_number)
            }
        }
    }
}

/// Looks a name up, and refuses it if any of its addresses is not public.
#[derive(Debug)]
pub(super) struct Looking {
    pub elsewhere: Elsewhere,
    pub inner: DefaultResolver,
}

impl Resolver for Looking {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let found = self.inner.resolve(uri, config, timeout)?;
        let Elsewhere::Public { allowed } = &self.elsewhere else { return Ok(found) };
        // The user's own proxy stands where it stands, and looks names up itself.
        let is_proxy = config.proxy().is_some_and(|proxy| proxy.uri() == uri);
        match is_proxy || names(allowed, uri) || found.iter().all(|address| is_public(address.ip())) {
            true => Ok(found),
            false => Err(ureq::Error::Other(Box::new(NotPublic))),
        }
    }
}

/// What [`Looking`] refuses with.
#[derive(Debug, thiserror::Error)]
#[error("an address that is not public")]
pub(super) struct NotPublic;

fn names(allowed: &[String], uri: &Uri) -> bool {
    let host = uri.host().unwrap_or_default();
    let whole = uri.authority().map(|authority| authority.as_str()).unwrap_or_default();
    allowed.iter().any(|allowed| allowed.eq_ignore_ascii_case(host) || allowed.eq_ignore_ascii_case(whole))
}

/// In the internet, not in a network of this machine's own (IANA's special-purpose address registries).
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, c, _] = ip.octets();
            let special = ip.is_unspecified()
                || ip.is_loopback()
                || ip.is_private()
                || ip.is_link_local()
                || ip.is_multicast()
                || ip.is_broadcast()
                || ip.is_documentation()
                || a == 0
                || a >= 240
                || (a == 100 && b & 0xc0 == 64)
                || (a == 192 && b == 0 && c == 0)
                || (a == 198 && b & 0xfe == 18);
            !special
        }
        IpAddr::V6(ip) => {
            let segments = ip.segments();
            // What holds an IPv4 address is as public as that one: mapped, NAT64, 6to4.
            let holds = |at: usize| {
                let [high, low] = [segments[at], segments[at + 1]].map(u16::to_be_bytes);
                is_public(IpAddr::from([high[0], high[1], low[0], low[1]]))
            };
            match segments {
                [0, 0, 0, 0, 0, 0xffff, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => holds(6),
                [0x2002, ..] => holds(1),
                // 2000::/3 is all that is given out; Teredo and documentation lie in it.
                [first, second, ..] => {
                    first & 0xe000 == 0x2000 && (first, second) != (0x2001, 0) && (first, second) != (0x2001, 0xdb8)
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_a_machines_own_network_are_not_public() {
        for own in [
            "127.0.0.1",
            "10.0.0.1",
            "172.16.9.9",
            "192.168.1.1",
            "169.254.169.254",
            "100.100.100.200",
            "0.0.0.0",
            "0.1.2.3",
            "224.0.0.1",
            "255.255.255.255",
            "192.0.0.192",
            "198.18.0.1",
            "240.0.0.1",
            "::1",
            "::",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::1",
            "2001:db8::1",
            "::169.254.169.254",
            "2001::1",
        ] {
            assert!(!is_public(own.parse().unwrap()), "{own}");
        }
        for public in [
            "140.82.121.33",
            "172.32.0.1",
            "100.128.0.1",
            "2606:50c0:8000::153",
            "::ffff:140.82.121.33",
            "2001:4860::1",
        ] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
    }

    #[test]
    fn what_is_public_by_its_name() {
        let allowed = vec!["mirror.corp:5000".to_owned(), "Storage.corp".to_owned()];
        let public = Elsewhere::Public { allowed };
        let leads = |url: &str| public.may_lead_to(&Address::parse(url).unwrap());
        for fine in
            ["https://cdn.example/x", "http://mirror.corp:5000/x", "https://storage.corp/", "http://storage.corp:81/"]
        {
            assert!(leads(fine), "{fine}");
        }
        for refused in [
            "http://cdn.example/x",
            "https://169.254.169.254/latest",
            "https://[::1]/",
            "https://1.2.3.4/",
            "http://mirror.corp/",
        ] {
            assert!(!leads(refused), "{refused}");
        }
        assert!(Elsewhere::Anywhere.may_lead_to(&Address::parse("http://127.0.0.1/").unwrap()));
    }
}
