//! What operators chose, in the words of those who read it.

use std::{net::SocketAddr, num::NonZeroU32};

use anyhow::Context;
use url::Url;

use crate::{
    args::{ControllerArgs, IsolationMode},
    core::Settings,
};

pub(super) fn settings(
    args: ControllerArgs,
    bound: SocketAddr,
    default_rate: NonZeroU32,
    alone: bool,
) -> anyhow::Result<Settings> {
    let ControllerArgs { access, identity: _, policy, quotas, runners, bundles: _, signing: _, sources } = args;
    let public_url = match access.public_url {
        Some(url) => url,
        None => own_url(bound).context("the public URL cannot be told from the address")?,
    };
    Ok(Settings {
        issuer: access.issuer,
        public_url,
        policy: policy.policy(),
        token_life: access.token_life,
        keep_ended: policy.keep_ended,
        quota: quotas.quota(default_rate, &policy.policy()),
        warm_runners: runners.warm_runners as usize,
        grace: runners.grace,
        code_hosts: sources.hosts(),
        // A command without a sandbox could call as the local owner.
        local_owner: runners.isolation == IsolationMode::Sandbox,
        allowed_origins: access.allowed_origins,
        trusted_hops: access.proxies.trusted_hops,
        alone,
    })
}

/// Every address of the machine is none that a browser could open: then it is this machine's own name for itself.
fn own_url(bound: SocketAddr) -> Result<Url, url::ParseError> {
    match bound.ip().is_unspecified() {
        true => Url::parse(&format!("http://localhost:{}", bound.port())),
        false => Url::parse(&format!("http://{bound}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_to_where_a_browser_of_this_machine_finds_us() {
        let check = |bound: &str, url: &str| {
            assert_eq!(own_url(bound.parse().expect("an address")).expect("a URL").as_str(), url);
        };
        check("127.0.0.1:8080", "http://127.0.0.1:8080/");
        check("[::1]:80", "http://[::1]/");
        check("0.0.0.0:8080", "http://localhost:8080/");
    }
}
