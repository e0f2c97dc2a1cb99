//! The address of a client behind proxies.
//!
//! Each proxy adds the address that it was called from to `X-Forwarded-For`, at the end. What the proxies of one's own have
//! added is true; all before it is whatever the client sent. So an operator says how many proxies there are, and no entry
//! counts that they have not written.

use std::net::{IpAddr, SocketAddr};

use clap::Args;
use http::{HeaderMap, HeaderName};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

#[derive(Args, Clone, Copy, Debug, Default)]
#[command(next_help_heading = "Access")]
pub struct ProxyArgs {
    /// How many proxies of yours every request passes on its way here: that many entries of `X-Forwarded-For` are
    /// believed, and the address of the client is the first of them. With none, it is whoever connects
    #[arg(long, env = "PODLING_TRUSTED_HOPS", value_name = "NUMBER", default_value_t = 0)]
    pub trusted_hops: u8,
}

/// Where a request comes from: `peer`, or what the nearest `hops` proxies say. An entry that is no address, or one too few
/// of them, says as much as the proxy that passed it on: then it is that proxy's own address.
pub fn client_address(headers: &HeaderMap, peer: IpAddr, hops: u8) -> IpAddr {
    let lines = headers.get_all(FORWARDED_FOR);
    let mut entries: Vec<&[u8]> = lines.iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b',')).collect();
    let mut address = peer.to_canonical();
    for _ in 0..hops {
        let Some(nearer) = entries.pop().and_then(parse) else { break };
        address = nearer;
    }
    address
}

/// With a port or without, as proxies differ.
fn parse(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry).ok()?.trim();
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().or_else(|_| text.parse().map(|address: SocketAddr| address.ip()));
    Some(address.ok()?.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn check(lines: &[&str], hops: u8, expected: &str) {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, HeaderValue::from_str(line).expect("a value"));
        }
        let peer = "10.0.0.1".parse().expect("an address");
        assert_eq!(client_address(&headers, peer, hops).to_string(), expected, "{lines:?} by {hops}");
    }

    #[test]
    fn what_a_client_claims_counts_for_nothing() {
        check(&["1.1.1.1"], 0, "10.0.0.1");
        check(&["6.6.6.6, 1.1.1.1"], 1, "1.1.1.1");
        check(&["6.6.6.6, 1.1.1.1, 2.2.2.2"], 2, "1.1.1.1");
        check(&["6.6.6.6", "1.1.1.1,2.2.2.2"], 2, "1.1.1.1");
        check(&["6.6.6.6", "1.1.1.1", "2.2.2.2"], 3, "6.6.6.6");
    }

    #[test]
    fn with_too_few_entries_or_a_broken_one_it_is_the_last_proxy_that_told() {
        check(&[], 2, "10.0.0.1");
        check(&["1.1.1.1"], 2, "1.1.1.1");
        check(&["1.1.1.1, unknown"], 2, "10.0.0.1");
        check(&["nobody, 2.2.2.2"], 2, "2.2.2.2");
        check(&[""], 1, "10.0.0.1");
    }

    #[test]
    fn an_entry_may_have_a_port_and_is_one_address_however_it_is_written() {
        check(&["1.1.1.1:443"], 1, "1.1.1.1");
        check(&["[2001:db8::1]:443"], 1, "2001:db8::1");
        check(&["[2001:db8::1]"], 1, "2001:db8::1");
        check(&["2001:db8::1"], 1, "2001:db8::1");
        check(&["::ffff:1.1.1.1"], 1, "1.1.1.1");
    }
}
