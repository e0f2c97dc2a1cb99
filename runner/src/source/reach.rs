//! Whether and where to connect for a URL: its form, the addresses of its host, and the next hop of a redirect.
//!
//! The addresses that were checked are the ones connected to. A name that is looked up twice may answer differently
//! the second time (DNS rebinding), so the client never looks up itself.

use std::{io, net::SocketAddr, time::Duration};

use http::HeaderValue;
use podling_session::{address, code_hosts::CodeHosts};
use tokio::time::timeout;
use url::{Host, Url};

use super::SourceError;

/// A host and the addresses at which it may be connected to.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) host: String,
    pub(super) addresses: Vec<SocketAddr>,
}

/// Resolves a URL's host. One private address among its addresses refuses the host.
pub(super) async fn resolve(url: &Url, hosts: &CodeHosts, limit: Duration) -> Result<Target, SourceError> {
    check_form(url, hosts)?;
    let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else {
        return Err(SourceError::Url("the URL has no host"));
    };
    let addresses = match host {
        Host::Ipv4(address) => vec![SocketAddr::from((address, port))],
        Host::Ipv6(address) => vec![SocketAddr::from((address, port))],
        Host::Domain(name) => look_up(name, port, limit).await?,
    };
    let target = Target { host: host.to_string(), addresses };
    if may_reach(url, &target.addresses, hosts) { Ok(target) } else { Err(SourceError::Private { host: target.host }) }
}

async fn look_up(name: &str, port: u16, limit: Duration) -> Result<Vec<SocketAddr>, SourceError> {
    let found = match timeout(limit, tokio::net::lookup_host((name, port))).await {
        Ok(Ok(found)) => Ok(found.collect::<Vec<_>>()),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    };
    let found = found.and_then(|found| if found.is_empty() { Err(io::ErrorKind::NotFound.into()) } else { Ok(found) });
    found.map_err(|source| SourceError::Resolve { host: name.to_owned(), source })
}

/// What a URL shows without a look-up.
pub(super) fn check_form(url: &Url, hosts: &CodeHosts) -> Result<(), SourceError> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(SourceError::Url("Only HTTP and HTTPS protocols are allowed"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(SourceError::Url("the URL must not carry a user name or password"));
    }
    hosts.check(url).map_err(|rule| SourceError::Host { host: url.host_str().unwrap_or_default().to_owned(), rule })
}

fn may_reach(url: &Url, addresses: &[SocketAddr], hosts: &CodeHosts) -> bool {
    hosts.lists(url) || addresses.iter().all(|found| address::is_public(found.ip()))
}

/// Where a redirect leads. What it leads to is resolved and checked like the first URL.
pub(super) fn next_hop(from: &Url, location: Option<&HeaderValue>) -> Result<Url, SourceError> {
    let Some(location) = location.and_then(|value| value.to_str().ok()) else {
        return Err(SourceError::Redirect("a redirect does not say where to"));
    };
    let Ok(to) = from.join(location) else {
        return Err(SourceError::Redirect("a redirect does not lead to a URL"));
    };
    if from.scheme() == "https" && to.scheme() != "https" {
        return Err(SourceError::Redirect("a redirect leads from https to http"));
    }
    Ok(to)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().expect(text)
    }

    #[test]
    fn every_address_of_a_host_must_be_public_unless_the_host_is_listed() {
        let check = |addresses: &[&str], allowed: &str, reached: bool| {
            let addresses: Vec<SocketAddr> = addresses.iter().map(|text| text.parse().expect(text)).collect();
            let private = allowed.split_whitespace().map(|text| text.parse().expect(text)).collect();
            let hosts = CodeHosts { private, ..CodeHosts::default() };
            assert_eq!(may_reach(&url("http://x.org:81/a.tgz"), &addresses, &hosts), reached, "{addresses:?}");
        };
        check(&["8.8.8.8:81"], "", true);
        check(&["8.8.8.8:81", "[2606:4700::1111]:81"], "", true);
        check(&["8.8.8.8:81", "10.0.0.1:81"], "", false);
        check(&["8.8.8.8:81", "[::1]:81"], "", false);
        check(&["[::ffff:127.0.0.1]:81"], "", false);
        check(&["10.0.0.1:81"], "y.org x.org:81", true);
        check(&["10.0.0.1:81"], "x.org:80", false);
        check(&["10.0.0.1:81"], "10.0.0.1", false);
    }

    #[test]
    fn a_redirect_leads_to_a_url_and_never_out_of_tls() {
        let check = |from: &str, location: &str, to: Option<&str>| {
            let location = HeaderValue::from_str(location).expect("a header");
            assert_eq!(next_hop(&url(from), Some(&location)).ok(), to.map(url), "{location:?}");
        };
        check("https://a.org/x/y", "z", Some("https://a.org/x/z"));
        check("https://a.org/x/y", "//b.org/z", Some("https://b.org/z"));
        check("https://a.org/x/y", "http://a.org/x/y", None);
        check("https://a.org/x/y", "file:///etc/passwd", None);
        check("http://a.org/x/y", "https://b.org/", Some("https://b.org/"));
        check("http://a.org/x/y", "http://[", None);
        assert!(next_hop(&url("http://a.org/"), None).is_err());
    }

    #[test]
    fn only_plain_http_and_https_urls_are_fetched() {
        let check = |text: &str, good: bool| {
            assert_eq!(check_form(&url(text), &CodeHosts::default()).is_ok(), good, "{text}");
        };
        check("http://a.org/x", true);
        check("https://a.org/x", true);
        check("ftp://a.org/x", false);
        check("file:///etc/passwd", false);
        check("https://u@a.org/x", false);
        check("https://:p@a.org/x", false);
    }
}
