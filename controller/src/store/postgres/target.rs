//! Which server to connect to, and how.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use secrecy::ExposeSecret;
use tokio_postgres::{
    Config,
    config::{Host, SslMode},
};
use tokio_postgres_rustls::MakeRustlsConnect;
use url::Url;

use super::{
    Settings,
    tls::{self, Check},
};

/// For the connection itself; the pool's own timeout covers what the server says on it.
const CONNECT: Duration = Duration::from_millis(700);
/// After which the server gives a statement up, if whoever asked has not.
const STATEMENT: Duration = Duration::from_secs(10);
/// For a row or a table that somebody else has locked: a caller does not wait longer.
const LOCK: Duration = Duration::from_millis(900);
/// How often the server looks whether whoever asked is there still.
const CLIENT_CHECK: Duration = Duration::from_secs(1);
/// For the next statement of an open transaction, before its locks are freed.
const IDLE_IN_TRANSACTION: Duration = Duration::from_secs(10);
/// A peer that has gone without a word is noticed after idle + 3 intervals, or when it does not confirm for so long what
/// was sent.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(5);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(2);
const UNCONFIRMED: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// Without the URL, in which a password stands.
    #[error("the URL of the database cannot be read: {0}")]
    Url(String),
    #[error("sslmode={0} is not known: it is one of disable, require, verify-full")]
    Mode(String),
    #[error("sslmode=require checks the certificate against a file of authorities, and none is given")]
    NoCa,
    #[error("the certificate authorities in {path} cannot be read: {reason}")]
    Ca { path: PathBuf, reason: String },
    #[error("this system names no certificate authority to trust")]
    NoRoots,
}

/// A server and a database on it, with the password.
#[derive(Clone)]
pub(super) struct Target {
    config: Config,
    tls: MakeRustlsConnect,
}

impl Target {
    pub(super) fn parse(settings: &Settings) -> Result<Target, SettingsError> {
        let (mut config, mode) = read(settings.url.expose_secret())?;
        let ca = settings.ca.as_deref();
        let check = check(&mode.unwrap_or_else(|| default_mode(&config).to_owned()), ca.is_some())?;
        config
            .ssl_mode(if check.is_some() { SslMode::Require } else { SslMode::Disable })
            .application_name("podling-controller")
            .connect_timeout(CONNECT)
            .keepalives_idle(KEEPALIVE_IDLE)
            .keepalives_interval(KEEPALIVE_INTERVAL)
            .keepalives_retries(3)
            .tcp_user_timeout(UNCONFIRMED);
        Ok(Target { config, tls: tls::connector(check, ca)? })
    }

    pub(super) fn tls(&self) -> MakeRustlsConnect {
        self.tls.clone()
    }

    /// With limits to how long a statement may take.
    pub(super) fn for_statements(&self) -> Config {
        let mut config = self.config.clone();
        let (statement, lock, idle) = (STATEMENT.as_millis(), LOCK.as_millis(), IDLE_IN_TRANSACTION.as_millis());
        let check = CLIENT_CHECK.as_millis();
        config.options(format!(
            "{} -c statement_timeout={statement} -c lock_timeout={lock} \
            -c idle_in_transaction_session_timeout={idle} -c client_connection_check_interval={check}",
            config.get_options().unwrap_or_default()
        ));
        config
    }

    /// Without such limits: for migrations, and to listen.
    pub(super) fn config(&self) -> &Config {
        &self.config
    }
}

/// The driver knows of fewer modes than there are.
fn read(url: &str) -> Result<(Config, Option<String>), SettingsError> {
    let mut url = Url::parse(url).map_err(|error| SettingsError::Url(error.to_string()))?;
    let (modes, others): (Vec<_>, Vec<_>) = url.query_pairs().into_owned().partition(|(name, _)| name == "sslmode");
    url.set_query(None);
    if !others.is_empty() {
        url.query_pairs_mut().extend_pairs(others);
    }
    let config = url.as_str().parse().map_err(|error: tokio_postgres::Error| SettingsError::Url(error.to_string()))?;
    Ok((config, modes.into_iter().next_back().map(|(_, mode)| mode)))
}

fn default_mode(config: &Config) -> &'static str {
    let local = |host: &Host| match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => name == "localhost" || name.parse().is_ok_and(|ip: IpAddr| ip.is_loopback()),
    };
    if config.get_hosts().iter().all(local) { "disable" } else { "verify-full" }
}

/// None without TLS.
fn check(mode: &str, has_ca: bool) -> Result<Option<Check>, SettingsError> {
    match mode {
        "disable" => Ok(None),
        "require" if has_ca => Ok(Some(Check::Authority)),
        "require" => Err(SettingsError::NoCa),
        "verify-full" => Ok(Some(Check::AuthorityAndName)),
        other => Err(SettingsError::Mode(other.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(url: &str) -> String {
        let (config, mode) = read(url).expect("it can be read");
        mode.unwrap_or_else(|| default_mode(&config).to_owned())
    }

    #[test]
    fn only_loopback_goes_without_tls_unless_told() {
        assert_eq!(mode("postgres://a:b@127.0.0.1:5432/c"), "disable");
        assert_eq!(mode("postgres://a@localhost/c?connect_timeout=3"), "disable");
        assert_eq!(mode("postgres:///c?host=/run/postgresql"), "disable");
        assert_eq!(mode("postgres://a:b@10.0.0.7/c"), "verify-full");
        assert_eq!(mode("postgres://a:b@localhost,db.example.com/c"), "verify-full");
        assert_eq!(mode("postgres://a:b@10.0.0.7/c?sslmode=disable"), "disable");
    }

    #[test]
    fn a_mode_that_would_check_nothing_is_refused() {
        assert!(matches!(check("require", false), Err(SettingsError::NoCa)));
        assert!(matches!(check("prefer", true), Err(SettingsError::Mode(_))));
        assert!(matches!(check("require", true), Ok(Some(Check::Authority))));
        assert!(matches!(check("disable", true), Ok(None)));
    }

    #[test]
    fn what_cannot_be_read_is_told_without_the_password() {
        for url in ["postgres://a:hunter2@db:port/c", "postgres://a:hunter2@db/c?nonsense=1", "hunter2"] {
            let Err(error) = read(url) else { panic!("{url} was read") };
            assert!(!format!("{error} {error:?}").contains("hunter2"));
        }
    }
}
