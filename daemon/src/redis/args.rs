//! Where Redis is, as an operator says it.

use std::{ffi::OsStr, fmt, path::PathBuf, str::FromStr, sync::Arc};

use anyhow::{Context, ensure};
use clap::{
    Arg, Args, Command, Error,
    builder::{TypedValueParser, ValueParserFactory},
    error::ErrorKind,
};
use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisResult};
use secrecy::{ExposeSecret, SecretString};

use super::Redis;

/// Where Redis is.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Redis")]
pub struct RedisArgs {
    /// The Redis (7.0 or later) that gateways and controllers share: `redis://[USER:PASSWORD@]HOST[:PORT][/DB]`, or
    /// `rediss://` for TLS. A password belongs in the environment, where other users cannot read it. Default: none,
    /// for a controller and a gateway that are alone
    #[arg(long, env = "PODLING_REDIS", value_name = "URL", hide_env_values = true)]
    pub redis: Option<RedisUrl>,

    /// The certificates (PEM) of the authorities that Redis' own may come from. Default: those of the system
    #[arg(long, env = "PODLING_REDIS_CA", value_name = "FILE", requires = "redis")]
    pub redis_ca: Option<PathBuf>,
}

/// A URL that Redis can be reached by. Holds a password, and so shows only host and port.
#[derive(Clone)]
pub struct RedisUrl {
    text: SecretString,
    address: ConnectionAddr,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a URL of Redis: redis://[USER:PASSWORD@]HOST[:PORT][/DB] or rediss://")]
pub struct InvalidRedisUrl;

impl FromStr for RedisUrl {
    type Err = InvalidRedisUrl;

    fn from_str(text: &str) -> Result<RedisUrl, InvalidRedisUrl> {
        let info = text.into_connection_info().map_err(|_| InvalidRedisUrl)?;
        match info.addr() {
            // TLS that trusts anybody hides from the operator that it protects nothing.
            ConnectionAddr::TcpTls { insecure: true, .. } => Err(InvalidRedisUrl),
            address => Ok(RedisUrl { text: text.into(), address: address.clone() }),
        }
    }
}

impl RedisUrl {
    pub(super) fn is_tls(&self) -> bool {
        matches!(self.address, ConnectionAddr::TcpTls { .. })
    }

    pub(super) fn info(&self) -> RedisResult<ConnectionInfo> {
        self.text.expose_secret().into_connection_info()
    }
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.address)
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisUrl({})", self.address)
    }
}

/// Reads the URL for the command line, whose own errors would repeat it, password included.
#[derive(Clone)]
pub struct RedisUrlParser;

impl ValueParserFactory for RedisUrl {
    type Parser = RedisUrlParser;

    fn value_parser() -> RedisUrlParser {
        RedisUrlParser
    }
}

impl TypedValueParser for RedisUrlParser {
    type Value = RedisUrl;

    fn parse_ref(&self, command: &Command, _: Option<&Arg>, value: &OsStr) -> Result<RedisUrl, Error> {
        let url = value.to_str().ok_or(InvalidRedisUrl).and_then(str::parse);
        url.map_err(|error| Error::raw(ErrorKind::ValueValidation, format!("--redis is {error}\n")).with_cmd(command))
    }
}

impl RedisArgs {
    /// The shared connection, which is made at its first use: Redis may start later. `None` where no URL was given.
    /// Within a runtime only.
    ///
    /// # Errors
    /// When the file of certificates cannot be used.
    pub fn open(&self) -> anyhow::Result<Option<Arc<Redis>>> {
        let RedisArgs { redis, redis_ca } = self;
        let Some(url) = redis else { return Ok(None) };
        let ca = redis_ca.as_ref().map(|file| {
            ensure!(url.is_tls(), "--redis-ca needs a URL that begins with rediss://");
            std::fs::read(file).with_context(|| format!("--redis-ca: {} cannot be read", file.display()))
        });
        let redis = Redis::new(url, ca.transpose()?).context("Redis cannot be used")?;
        Ok(Some(Arc::new(redis)))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Whole {
        #[command(flatten)]
        args: RedisArgs,
    }

    fn parse(words: &[&str]) -> Result<RedisArgs, clap::Error> {
        Whole::try_parse_from(["podling"].iter().chain(words)).map(|whole| whole.args)
    }

    #[test]
    fn a_password_is_shown_nowhere() {
        let args = parse(&["--redis", "rediss://ann:s3cret@example.org:7000/2"]).expect("valid");
        let url = args.redis.as_ref().expect("given");
        let shown = format!("{args:?} {url} {url:?}");
        assert!(shown.contains("example.org:7000") && !shown.contains("s3cret") && !shown.contains("ann"), "{shown}");
        for wrong in ["http://ann:s3cret@example.org", "rediss://ann:s3cret@example.org/#insecure", "ann:s3cret"] {
            let error = parse(&["--redis", wrong]).expect_err("refused").to_string();
            assert!(error.contains("--redis") && !error.contains("s3cret"), "{error}");
        }
    }

    #[tokio::test]
    async fn an_own_authority_needs_tls_and_a_file_that_is_there() {
        assert!(parse(&["--redis-ca", "ca.pem"]).is_err());
        for url in ["redis://localhost", "rediss://localhost"] {
            let args = parse(&["--redis", url, "--redis-ca", "/nowhere/ca.pem"]).expect("valid");
            assert!(args.open().is_err(), "{url}");
        }
        let server = podling_servers::Redis::start_with_tls_and_password();
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), server.ca_pem()).expect("room");
        let words = ["--redis", &server.url(), "--redis-ca", file.path().to_str().expect("text")];
        assert!(parse(&words).expect("valid").open().expect("readable").expect("given").answers().await);
        assert!(parse(&[]).expect("nothing is required").open().expect("none").is_none());
    }
}
