//! What a gateway is given, and how long it waits for others.

use std::{sync::Arc, time::Duration};

use podling_daemon::service_key::ServiceKeys;
use podling_proto::channel::Route;
use podling_session::replay::ReplayGuard;

/// The composition of one gateway.
pub struct Config {
    /// Serves `Gateways`, and `Terminal` for stored logs.
    pub controller: Route,
    /// What the controller knows this gateway by.
    pub credential: ServiceKeys,
    /// `iss` of session tokens.
    pub issuer: String,
    pub guard: Arc<dyn ReplayGuard>,
    pub limits: Limits,
    pub browsers: Browsers,
    /// Proxies of the operator's own that stand before us.
    pub trusted_hops: u8,
}

/// What browsers may do, and are told.
#[derive(Clone, Debug, Default)]
pub struct Browsers {
    /// Beside the page's own: origins, or `*` for any.
    pub allowed_origins: Vec<String>,
    /// Strict-Transport-Security, when it is to be told.
    pub hsts: Option<Duration>,
}

/// Times and sizes. The defaults are what a deployment wants; tests shorten them.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Between two pings to a viewer.
    pub ping_every: Duration,
    /// A viewer that sent nothing, pongs included, for this long is gone.
    pub pong_deadline: Duration,
    /// A viewer whose socket takes no message for this long is too slow (4412).
    pub send_timeout: Duration,
    /// How long a closing viewer has to answer the close frame.
    pub close_timeout: Duration,
    /// A session that cannot be reached for this long is shown as `unreachable`.
    pub unreachable_after: Duration,
    /// How long a viewer waits for a controller that does not answer, before it is sent to another gateway.
    pub controller_patience: Duration,
    /// How long a viewer waits for a runner that the controller still believes in. Longer than the controller's own
    /// patience with a silent runner, so that viewers see the end.
    pub runner_patience: Duration,
    /// A drain sends its viewers away over this long, so that they do not all come back at once.
    pub drain_spread: Duration,
    /// Viewers who hold a session token and are being admitted, and as many who hold a resume token: a dependency that
    /// answers slowly to the former must not keep the latter waiting. Each holds a request and a call to the controller.
    pub max_attaching: usize,
    /// How long one more waits for its turn before it is refused (503).
    pub attach_patience: Duration,
    /// Open sockets. Past it nobody is admitted: another gateway may have room.
    pub max_sockets: usize,
    /// Sockets that stay open only to say why they are refused. Anybody may have one, and take half a minute to read it;
    /// past it a refused upgrade is answered without one.
    pub max_refusing: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            ping_every: Duration::from_secs(20),
            pong_deadline: Duration::from_secs(60),
            send_timeout: Duration::from_secs(30),
            close_timeout: Duration::from_secs(5),
            unreachable_after: Duration::from_secs(10),
            controller_patience: Duration::from_secs(10),
            runner_patience: Duration::from_secs(75),
            drain_spread: Duration::from_secs(10),
            max_attaching: 256,
            attach_patience: Duration::from_secs(2),
            // Of 64 KiB each when idle, and eight times that when stalled.
            max_sockets: 10_000,
            max_refusing: 1_024,
        }
    }
}
