//! Which hosts a source may be fetched from, by name and by address.
//!
//! The operator may bind sources to domains; without that any public host will do. What the controller can tell without
//! a look-up it tells when a session is created; the runner asks the same of every redirect.

use std::{fmt, str::FromStr};

use url::{Host, Url};

use crate::{
    address::{AllowedSource, is_public},
    spec::InvalidField,
};

/// `x.org` for that host alone, `*.x.org` for it and every name below it, or a literal address.
#[derive(Clone, Debug, PartialEq, Eq)]
enum CodeDomain {
    One(Host<String>),
    Below(String),
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a domain such as x.org or *.x.org")]
pub struct InvalidDomain(String);

impl CodeDomain {
    /// Names are compared label by label: `*.x.org` does not take `ax.org`.
    fn admits(&self, host: &Host<&str>) -> bool {
        match (self, host) {
            (CodeDomain::One(Host::Ipv4(ours)), Host::Ipv4(theirs)) => ours == theirs,
            (CodeDomain::One(Host::Ipv6(ours)), Host::Ipv6(theirs)) => ours == theirs,
            (CodeDomain::One(Host::Domain(ours)), Host::Domain(theirs)) => ours == rootless(theirs),
            (CodeDomain::Below(ours), Host::Domain(theirs)) => {
                let front = rootless(theirs).strip_suffix(ours.as_str());
                front.is_some_and(|front| front.is_empty() || front.ends_with('.'))
            }
            _ => false,
        }
    }
}

/// Without the dot at the end that stands for the root of all names.
fn rootless(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

impl FromStr for CodeDomain {
    type Err = InvalidDomain;

    fn from_str(text: &str) -> Result<CodeDomain, InvalidDomain> {
        let invalid = || InvalidDomain(text.to_owned());
        let (below, name) = text.strip_prefix("*.").map_or((false, text), |name| (true, name));
        let host = match Host::parse(name).map_err(|_| invalid())? {
            Host::Domain(name) => Host::Domain(rootless(&name).to_owned()),
            address => address,
        };
        match host {
            Host::Domain(name) if name.is_empty() || name.contains('*') => Err(invalid()),
            Host::Domain(name) if below => Ok(CodeDomain::Below(name)),
            _ if below => Err(invalid()),
            host => Ok(CodeDomain::One(host)),
        }
    }
}

/// The domains that code may come from, separated by commas. None: from any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CodeDomains(Vec<CodeDomain>);

impl CodeDomains {
    pub fn admit(&self, host: &Host<&str>) -> bool {
        self.0.is_empty() || self.0.iter().any(|domain| domain.admits(host))
    }
}

impl CodeDomains {
    /// Takes in the host of a URL that the operator chose. An empty list stays one: it has the host already.
    pub fn add_host_of(&mut self, url: &Url) {
        if let (false, Some(host)) = (self.0.is_empty(), url.host()) {
            self.0.push(CodeDomain::One(host.to_owned()));
        }
    }
}

impl FromStr for CodeDomains {
    type Err = InvalidDomain;

    /// Commas with nothing between them are a mistake, which must not open every door.
    fn from_str(text: &str) -> Result<CodeDomains, InvalidDomain> {
        if text.trim().is_empty() {
            return Ok(CodeDomains::default());
        }
        text.split(',').map(|domain| domain.trim().parse()).collect::<Result<_, _>>().map(CodeDomains)
    }
}

impl fmt::Display for CodeDomains {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, domain) in self.0.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { "," })?;
            match domain {
                CodeDomain::One(host) => write!(f, "{host}")?,
                CodeDomain::Below(name) => write!(f, "*.{name}")?,
            }
        }
        Ok(())
    }
}

/// All that an operator says about the hosts of sources.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CodeHosts {
    pub domains: CodeDomains,
    /// Hosts whose addresses may be private. Who is listed here need not be among the domains.
    pub private: Vec<AllowedSource>,
}

impl CodeHosts {
    /// Whether the operator listed this host, and port, whatever its addresses.
    pub fn lists(&self, url: &Url) -> bool {
        self.private.iter().any(|source| source.admits(url))
    }

    /// Checks what a URL shows without a look-up: a literal address must be public, `localhost` names are loopback
    /// (RFC 6761, 6.3), and the name must be of an allowed domain.
    pub fn check(&self, url: &Url) -> Result<(), InvalidField> {
        let refused = |rule: String| Err(InvalidField::new("code_url", rule));
        let Some(host) = url.host() else { return refused("Invalid URL format".to_owned()) };
        if self.lists(url) {
            return Ok(());
        }
        let public = match host {
            Host::Ipv4(address) => is_public(address.into()),
            Host::Ipv6(address) => is_public(address.into()),
            Host::Domain(name) => !is_localhost(name),
        };
        if !public {
            return refused("Private IP addresses are not allowed".to_owned());
        }
        if !self.domains.admit(&host) {
            return refused(format!("Domain {host} is not in the allowlist"));
        }
        Ok(())
    }
}

fn is_localhost(name: &str) -> bool {
    let name = rootless(name);
    name == "localhost" || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn url(text: &str) -> Url {
        text.parse().expect(text)
    }

    fn hosts(domains: &str) -> CodeHosts {
        CodeHosts { domains: domains.parse().expect(domains), private: Vec::new() }
    }

    #[test]
    fn a_domain_takes_itself_and_a_wildcard_what_is_below_it_too() {
        let check = |domains: &str, target: &str, admitted: bool| {
            let refusal = hosts(domains).check(&url(target)).err().map(|refusal| refusal.message);
            let host = url(target).host_str().expect(target).to_owned();
            let expected = (!admitted).then(|| format!("Domain {host} is not in the allowlist"));
            assert_eq!(refusal, expected, "{domains} {target}");
        };
        check("", "https://evil.com/x", true);
        check(" ", "https://evil.com/x", true);
        check("*.x.org", "https://x.org/a", true);
        check("*.x.org", "https://a.x.org/a", true);
        check("*.x.org", "https://a.b.x.org./a", true);
        check("*.x.org", "https://A.X.ORG/a", true);
        check("*.x.org", "https://ax.org/a", false);
        check("*.x.org", "https://x.org.evil.com/a", false);
        check("*.x.org", "https://evil.com/x.org", false);
        check("x.org", "https://x.org:8443/a", true);
        check("x.org", "https://x.org./a", true);
        check("x.org", "https://a.x.org/a", false);
        check("github.com, *.x.org", "https://a.x.org/a", true);
        check("github.com,*.x.org", "https://gitlab.com/a", false);
        check("X.org.", "https://x.org/a", true);
        check("*.bücher.example", "https://a.xn--bcher-kva.example/a", true);
        check("8.8.8.8", "https://8.8.8.8/a", true);
        check("x.org", "https://8.8.8.8/a", false);
        check("[2606:4700::1111]", "https://[2606:4700::1111]/a", true);
    }

    #[test]
    fn a_host_that_is_added_opens_nothing_else() {
        let check = |domains: &str, target: &str, admitted: bool| {
            let mut hosts = hosts(domains);
            hosts.domains.add_host_of(&url("https://codeload.github.com/x"));
            assert_eq!(hosts.check(&url(target)).is_ok(), admitted, "{domains} {target}");
        };
        check("x.org", "https://codeload.github.com/a", true);
        check("x.org", "https://github.com/a", false);
        check("", "https://x.org/a", true);
    }

    #[test]
    fn what_is_no_list_of_domains_is_refused() {
        for text in [",", "a,,b", "a,", "*", "*.", "*.*", "a.*", "**.a", "https://a", "a/b", "a:80", "*.127.0.0.1", "."]
        {
            assert!(text.parse::<CodeDomains>().is_err(), "{text}");
        }
        for text in ["", "a", "*.a.org,b.org,127.0.0.1,[::1]"] {
            assert_eq!(text.parse::<CodeDomains>().map(|domains| domains.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn a_literal_private_address_is_refused_in_every_spelling_unless_it_is_listed() {
        let private = [
            "http://169.254.169.254/x",
            "http://10.0.0.1/x",
            "http://2130706433/x",
            "http://0x7f000001/x",
            "http://017700000001/x",
            "http://127.1/x",
            "http://[::1]/x",
            "http://[::ffff:10.0.0.1]/x",
            "http://localhost/x",
            "http://LOCALHOST./x",
            "http://a.localhost/x",
            "http://１２７.0.0.1/x",
        ];
        for target in private {
            for domains in ["", "x.org"] {
                let mut hosts = hosts(domains);
                let refused = hosts.check(&url(target)).expect_err(target);
                assert_eq!(refused.message, "Private IP addresses are not allowed");
                hosts.private = vec![url(target).host_str().expect(target).parse().expect(target)];
                assert_eq!(hosts.check(&url(target)), Ok(()));
            }
        }
        for target in ["https://github.com/x", "http://8.8.8.8/x", "http://notlocalhost/x"] {
            assert_eq!(hosts("").check(&url(target)), Ok(()), "{target}");
        }
    }

    proptest! {
        #[test]
        fn a_wildcard_takes_exactly_the_names_that_end_with_its_labels(
            front in "[a-z0-9.-]{0,12}", domain in "[a-z]{1,5}\\.[a-z]{2,3}",
        ) {
            let Ok(target) = Url::parse(&format!("https://{front}{domain}/a")) else { return Ok(()) };
            let Some(Host::Domain(name)) = target.host() else { return Ok(()) };
            let name = name.to_owned();
            let below = name == domain || name.ends_with(&format!(".{domain}"));
            prop_assert_eq!(hosts(&format!("*.{domain}")).check(&target).is_ok(), below);
            prop_assert_eq!(hosts(&domain).check(&target).is_ok(), name == domain);
        }

        #[test]
        fn any_text_is_a_list_or_a_mistake_and_a_list_is_read_as_it_is_written(text in any::<String>()) {
            if let Ok(domains) = text.parse::<CodeDomains>() {
                prop_assert_eq!(domains.to_string().parse::<CodeDomains>(), Ok(domains));
            }
        }
    }
}
