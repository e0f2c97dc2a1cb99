//! What an operator chooses of a gateway. Every field is an argument and an environment variable.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::Context;
use humantime::parse_duration;
use podling_daemon::{client_address::ProxyArgs, redis::RedisArgs};
use podling_proto::{
    channel::{Address, Route},
    tls::Trust,
};

#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// Where to serve terminals
    #[arg(long, env = "PODLING_LISTEN", value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8081")]
    pub listen: SocketAddr,

    /// The process to end with, which started this one
    #[arg(long, value_name = "PID", hide = true)]
    pub parent: Option<i32>,

    /// Where controllers serve gateways: https://host:port, or unix:/directory/ for those of this machine. May be
    /// repeated; the next takes over from one that is lost
    #[arg(long = "controller", env = "PODLING_CONTROLLER", value_name = "URL", value_delimiter = ',', required = true)]
    pub controllers: Vec<Address>,

    /// The authority that signed the certificates of controllers at https, in PEM
    #[arg(long, env = "PODLING_CONTROLLER_CA", value_name = "FILE")]
    pub controller_ca: Option<PathBuf>,

    /// The key to show to controllers, mode 0600: one line of 32 characters or more. Of two, the first is shown
    #[arg(long, env = "PODLING_SERVICE_KEY_FILE", value_name = "FILE")]
    pub service_key_file: PathBuf,

    /// The issuer that session tokens name
    #[arg(long, env = "PODLING_ISSUER", value_name = "NAME", default_value = "podling")]
    pub issuer: String,

    /// Further origins whose pages may open terminals here, or * for any. The page's own always may. May be repeated
    #[arg(long = "allow-origin", env = "PODLING_ALLOW_ORIGIN", value_name = "ORIGIN", value_delimiter = ',')]
    pub allowed_origins: Vec<String>,

    /// Tell browsers to come by TLS alone, for this long (Strict-Transport-Security). Set it where TLS ends before us
    #[arg(long, env = "PODLING_HSTS", value_name = "DURATION", value_parser = parse_duration)]
    pub hsts: Option<Duration>,

    /// Over how long a gateway that is told to end sends its viewers away, so that they do not all come back at once
    #[arg(long, env = "PODLING_DRAIN_SPREAD", value_name = "DURATION", default_value = "10s", value_parser = parse_duration)]
    pub drain_spread: Duration,

    #[command(flatten)]
    pub proxies: ProxyArgs,

    #[command(flatten)]
    pub redis: RedisArgs,
}

impl Args {
    /// The way to the controllers, beginning with any of them.
    pub(crate) fn route(&self) -> anyhow::Result<Route> {
        let trust = self.controller_ca.as_deref().map(|path| {
            let pem = std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
            Trust::authority(&pem).with_context(|| format!("{} cannot be used", path.display()))
        });
        let route = Route::new(self.controllers.clone(), trust.transpose()?.as_ref());
        Ok(route.context("the controllers cannot be connected to")?.shuffled())
    }
}
