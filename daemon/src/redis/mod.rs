//! The connection to Redis that a server shares among its callers: every command is answered or failed within
//! [`ANSWER`], and a connection that failed is replaced at the next command.
//!
//! What is kept here must not be forgotten early, so a Redis that evicts keys is complained of at start. It is not
//! refused: it may be down at start as well, and the settings of a managed one change behind our back.

mod args;

use std::{io, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use redis::{
    Client, Cmd, FromRedisValue, InfoDict, RedisError, RedisResult, TlsCertificates,
    aio::{ConnectionManager, ConnectionManagerConfig},
    cmd,
};
use tokio::time::{Instant, timeout_at};
use tracing::{error, info, warn};

pub use self::args::{InvalidRedisUrl, RedisArgs, RedisUrl};

/// How long a command may take, connecting included. Callers promise an answer within a second, and have more to do.
pub const ANSWER: Duration = Duration::from_millis(500);
/// The first Redis that knows `SET … NX GET`.
const OLDEST_VERSION: u32 = 7;

/// One Redis. Callers share its connection, which carries their commands side by side.
pub struct Redis {
    client: Client,
    current: ArcSwap<ConnectionManager>,
}

impl Redis {
    /// Connects to nothing yet. `ca` is PEM. Within a runtime only.
    ///
    /// # Errors
    /// When the certificates cannot be read.
    pub fn new(url: &RedisUrl, ca: Option<Vec<u8>>) -> RedisResult<Redis> {
        let certificates = TlsCertificates { client_tls: None, root_cert: ca };
        let client = match url.is_tls() {
            true => Client::build_with_tls(url.info()?, certificates)?,
            false => Client::open(url.info()?)?,
        };
        let current = ArcSwap::from_pointee(connect(&client)?);
        Ok(Redis { client, current })
    }

    /// Asks a command within [`ANSWER`]. It may have been done although an error is returned, and may be done twice:
    /// one whose connection was found dead is asked once more on the next.
    ///
    /// # Errors
    /// When Redis cannot be reached, does not answer in time, or refuses.
    pub async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> RedisResult<T> {
        let deadline = Instant::now() + ANSWER;
        match self.ask_once(command, deadline).await {
            Err(error) if error.is_connection_dropped() => self.ask_once(command, deadline).await,
            answer => answer,
        }
    }

    async fn ask_once<T: FromRedisValue>(&self, command: &Cmd, deadline: Instant) -> RedisResult<T> {
        let manager = self.current.load_full();
        let mut connection = ConnectionManager::clone(&manager);
        let answered = timeout_at(deadline, command.query_async(&mut connection)).await;
        let answer = answered.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()));
        if answer.as_ref().is_err_and(is_the_connections_fault) {
            self.replace(&manager);
        }
        answer
    }

    /// A manager never notices a link that is cut without a word, nor a server that stays but takes no more writes.
    /// Nothing happens when another caller has replaced it already.
    fn replace(&self, failed: &Arc<ConnectionManager>) {
        match connect(&self.client) {
            Ok(next) => drop(self.current.compare_and_swap(failed, Arc::new(next))),
            Err(error) => error!(%error, "Redis cannot be connected to anew"),
        }
    }

    /// Whether it answers at all: for `/readyz`.
    pub async fn answers(&self) -> bool {
        self.ask::<String>(&cmd("PING")).await.is_ok()
    }

    /// Tells the operator of a Redis that cannot do its work: too old, or one that forgets claims when memory is short.
    pub async fn inspect(&self) {
        let info: InfoDict = match self.ask(&cmd("INFO")).await {
            Ok(info) => info,
            Err(error) => return warn!(%error, "Redis does not answer; what needs it fails until it does"),
        };
        let (version, policy) = (info.get::<String>("redis_version"), info.get::<String>("maxmemory_policy"));
        for complaint in complaints(version.as_deref(), policy.as_deref(), info.get("maxmemory")) {
            error!("{complaint}");
        }
        info!(version, maxmemory_policy = policy, "Redis answers");
    }
}

fn connect(client: &Client) -> RedisResult<ConnectionManager> {
    // Retries and response times are ours, so that one deadline holds for all of them.
    let config = ConnectionManagerConfig::new()
        .set_number_of_retries(0)
        .set_connection_timeout(Some(ANSWER))
        .set_response_timeout(None);
    ConnectionManager::new_lazy_with_config(client.clone(), config)
}

/// Redis itself answered: nothing is wrong with the way to it. But a replica that was the primary stays one, and its
/// successor may have the same name.
fn is_the_connections_fault(error: &RedisError) -> bool {
    match error.kind() {
        redis::ErrorKind::Server(kind) => kind == redis::ServerErrorKind::ReadOnly,
        redis::ErrorKind::Extension => false,
        _ => true,
    }
}

fn complaints(version: Option<&str>, policy: Option<&str>, max_memory: Option<u64>) -> Vec<String> {
    let mut complaints = Vec::new();
    let major = version.and_then(|version| version.split('.').next()?.parse::<u32>().ok());
    if major.is_none_or(|major| major < OLDEST_VERSION) {
        let version = version.unwrap_or("an unknown version");
        complaints.push(format!("Redis is {version}: nobody can attach before it is {OLDEST_VERSION}.0 or later"));
    }
    let bounded = max_memory.is_some_and(|bytes| bytes > 0);
    if let Some(policy) = policy.filter(|policy| bounded && *policy != "noeviction") {
        complaints.push(format!(
            "Redis evicts keys when its memory is full (maxmemory-policy is {policy}): it would forget which tokens are \
             spent. Set maxmemory-policy to noeviction"
        ));
    }
    complaints
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    #[test]
    fn a_redis_that_forgets_or_is_too_old_is_complained_of() {
        let check = |version, policy, max_memory, count: usize| {
            assert_eq!(complaints(version, policy, max_memory).len(), count, "{version:?} {policy:?} {max_memory:?}");
        };
        check(Some("7.0.15"), Some("noeviction"), Some(1), 0);
        check(Some("7.0.15"), Some("allkeys-lru"), Some(0), 0);
        check(Some("7.0.15"), Some("allkeys-lru"), Some(1), 1);
        check(Some("8.2.0"), Some("volatile-lru"), Some(1), 1);
        check(Some("6.2.14"), Some("noeviction"), Some(0), 1);
        check(None, None, None, 1);
    }

    #[tokio::test]
    async fn tls_with_an_own_authority_and_a_password_is_spoken_and_neither_is_skipped() {
        let server = podling_servers::Redis::start_with_tls_and_password();
        let stranger = podling_servers::Redis::start_with_tls_and_password();
        let (own, other) = (server.ca_pem(), stranger.ca_pem());
        let ping = async |url: String, ca: &str| {
            let redis = Redis::new(&url.parse().expect("a URL"), Some(ca.into())).expect("certificates");
            redis.ask::<String>(&cmd("PING")).await
        };
        assert_eq!(ping(server.url(), own).await.expect("it answers"), "PONG");
        assert!(ping(server.url(), other).await.is_err(), "another authority");
        let password = server.password().expect("it has one");
        for wrong in ["wrong", ""] {
            let error = ping(server.url().replace(password, wrong), own).await.expect_err("no password");
            assert!(!format!("{error} {error:?}").contains(password));
        }
    }

    /// A link that is cut without a word: what is sent on it arrives nowhere, and it never ends.
    #[tokio::test]
    async fn a_dead_link_is_replaced_by_the_next_command() {
        let server = podling_servers::Redis::start();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let url = format!("redis://{}", listener.local_addr().expect("bound")).parse().expect("a URL");
        let redis = Redis::new(&url, None).expect("no certificates");
        let (cut, port) = (tokio::sync::Notify::new(), server.port());
        let link = async |dies: bool| {
            let (mut near, _) = listener.accept().await.expect("accepts");
            let mut far = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.expect("Redis listens");
            tokio::select! {
                carried = tokio::io::copy_bidirectional(&mut near, &mut far) => panic!("it ended: {carried:?}"),
                () = cut.notified(), if dies => {}
            }
            (near, far) // Open, and nothing is carried any more.
        };
        let (tell, closed) = tokio::sync::oneshot::channel();
        let links = async {
            let (mut near, _far) = link(true).await;
            let drain = async {
                near.read_to_end(&mut Vec::new()).await.expect("it is closed, not reset");
                tell.send(()).expect("it is waited for");
            };
            tokio::join!(drain, link(false))
        };
        let asks = async {
            assert_eq!(redis.ask::<String>(&cmd("PING")).await.expect("it answers"), "PONG");
            cut.notify_one();
            let asked = Instant::now();
            assert!(redis.ask::<String>(&cmd("PING")).await.is_err());
            assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
            assert_eq!(redis.ask::<String>(&cmd("PING")).await.expect("on a new link"), "PONG");
            timeout_at(Instant::now() + ANSWER, closed).await.expect("the dead one is closed").expect("told");
        };
        tokio::select! {
            () = asks => {}
            _ = links => unreachable!("the second link stands"),
        }
    }
}
