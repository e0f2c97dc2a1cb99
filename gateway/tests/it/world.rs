//! One session with everything around it, started on free ports and sockets and stopped with the test.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD};
use hyper::service::service_fn;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use podling_gateway::{Browsers, Config, Gateway, Limits, replay_memory::MemoryReplayGuard};
use podling_proto::{
    channel::Route, control::gateways_server::GatewaysServer, terminal::terminal_server::TerminalServer,
};
use podling_session::{
    capability::SessionKey,
    id::{AttachNonce, TokenId, Uid},
    replay::{Claim, ReplayGuard, Unavailable},
    token::{AUDIENCE, Claims, Scope},
};
use secrecy::SecretString;
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::watch};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use crate::{
    controller::ControllerDouble,
    runner::{Log, TerminalDouble},
};

pub(crate) const ISSUER: &str = "podling-test";

/// A gateway that listens.
pub(crate) struct Door {
    pub(crate) address: SocketAddr,
    pub(crate) gateway: Gateway,
}

pub(crate) struct World {
    pub(crate) uid: Uid,
    pub(crate) address: SocketAddr,
    pub(crate) gateway: Gateway,
    control: Route,
    pub(crate) controller: Arc<ControllerDouble>,
    pub(crate) runner: TerminalDouble,
    pub(crate) log: Arc<Log>,
    pub(crate) guard: Arc<Guard>,
    pub(crate) key: SigningKey,
    tasks: TaskTracker,
    stop: CancellationToken,
    _stop: DropGuard,
    _directory: TempDir,
}

/// Short where a test waits for the time to pass, long where it must not.
pub(crate) fn limits() -> Limits {
    Limits {
        unreachable_after: Duration::from_millis(300),
        controller_patience: Duration::from_millis(1500),
        runner_patience: Duration::from_millis(1500),
        drain_spread: Duration::from_millis(200),
        close_timeout: Duration::from_secs(2),
        ..Limits::default()
    }
}

impl World {
    pub(crate) async fn start() -> World {
        World::with(limits()).await
    }

    pub(crate) async fn with(limits: Limits) -> World {
        // Before the key is made, which takes a while: the guard refuses tokens of its own first millisecond.
        let guard = Arc::new(Guard {
            memory: MemoryReplayGuard::new(),
            down: AtomicBool::new(false),
            hold: watch::Sender::new(false),
            waiting: watch::Sender::new(0),
        });
        let directory = tempfile::tempdir().expect("a directory");
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let (uid, session_key, key) = (Uid::new(), SessionKey::random(), SigningKey::generate());
        let log = Arc::new(Log::default());
        let runner = TerminalDouble::new(Arc::clone(&log), session_key.grant_key());
        let stored = TerminalDouble::new(Arc::clone(&log), session_key.grant_key());
        let runner_socket = directory.path().join("r.sock");
        let controller_socket = directory.path().join("c.sock");
        let controller =
            Arc::new(ControllerDouble::new(uid, session_key, key.jwks(), format!("unix:{}", runner_socket.display())));

        let listener = podling_daemon::grpc::bind(&runner_socket).expect("bind");
        let router = server().add_service(TerminalServer::new(runner.clone()));
        tasks.spawn(podling_daemon::grpc::serve(listener, router, stop.clone()));
        let listener = podling_daemon::grpc::bind(&controller_socket).expect("bind");
        let router = server()
            .add_service(GatewaysServer::from_arc(Arc::clone(&controller)))
            .add_service(TerminalServer::new(stored));
        tasks.spawn(podling_daemon::grpc::serve(listener, router, stop.clone()));

        let control = Route::from(controller_socket);
        let seam = Arc::clone(&guard) as Arc<dyn ReplayGuard>;
        let Door { address, gateway } = open(control.clone(), seam, limits, &tasks, &stop).await;
        World {
            uid,
            address,
            gateway,
            control,
            controller,
            runner,
            log,
            guard,
            key,
            tasks,
            stop: stop.clone(),
            _stop: stop.drop_guard(),
            _directory: directory,
        }
    }

    /// One more gateway of the same controller.
    pub(crate) async fn door(&self, guard: Arc<dyn ReplayGuard>) -> Door {
        open(self.control.clone(), guard, limits(), &self.tasks, &self.stop).await
    }

    pub(crate) fn token(&self) -> String {
        self.key.sign(&self.claims())
    }

    pub(crate) fn claims(&self) -> Claims {
        let now = Timestamp::now().as_second();
        Claims {
            iss: ISSUER.into(),
            aud: AUDIENCE.into(),
            sub: "owner".into(),
            sid: self.uid,
            tid: "local:user:owner".into(),
            jti: TokenId::new(),
            iat: now,
            exp: now + 300,
            scope: Scope::ReadWrite,
            who: Default::default(),
        }
    }
}

async fn open(
    controller: Route,
    guard: Arc<dyn ReplayGuard>,
    limits: Limits,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) -> Door {
    let (credential, issuer) = (SecretString::from("service-credential").into(), ISSUER.into());
    let (browsers, trusted_hops) = (Browsers::default(), 0);
    let gateway = Gateway::new(Config { controller, credential, issuer, guard, limits, browsers, trusted_hops })
        .expect("threads");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let address = listener.local_addr().expect("bound");
    let service = gateway.clone();
    let service = service_fn(move |request| {
        let gateway = service.clone();
        async move { Ok::<_, Infallible>(gateway.handle(request).await) }
    });
    tasks.spawn(podling_daemon::http::serve(listener, service, stop.clone()));
    Door { address, gateway }
}

fn server() -> tonic::transport::Server {
    use podling_proto::channel::{CONNECTION_WINDOW, STREAM_WINDOW};
    podling_daemon::grpc::server(STREAM_WINDOW, CONNECTION_WINDOW)
}

/// The memory guard, with a switch.
pub(crate) struct Guard {
    memory: MemoryReplayGuard,
    down: AtomicBool,
    /// Claims wait while it is held; how many do.
    hold: watch::Sender<bool>,
    waiting: watch::Sender<usize>,
}

impl Guard {
    pub(crate) fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
    }

    pub(crate) fn hold(&self, hold: bool) {
        self.hold.send_replace(hold);
    }

    pub(crate) async fn held(&self, count: usize) {
        until(self.waiting.subscribe(), |waiting| *waiting == count).await;
    }
}

#[async_trait]
impl ReplayGuard for Guard {
    async fn claim(&self, id: TokenId, nonce: AttachNonce, life: Duration) -> Result<Claim, Unavailable> {
        if self.down.load(Ordering::SeqCst) {
            return Err(Unavailable("switched off".into()));
        }
        self.waiting.send_modify(|count| *count += 1);
        let _ = self.hold.subscribe().wait_for(|hold| !hold).await; // The sender is ours.
        self.waiting.send_modify(|count| *count -= 1);
        self.memory.claim(id, nonce, life).await
    }
}

/// Signs session tokens.
#[derive(Clone)]
pub(crate) struct SigningKey {
    kid: String,
    pem: String,
    jwk: serde_json::Value,
}

impl SigningKey {
    pub(crate) fn generate() -> SigningKey {
        use aws_lc_rs::{
            encoding::{AsDer, Pkcs8V1Der},
            rsa::{KeyPair, KeySize},
            signature::KeyPair as _,
        };
        let pair = KeyPair::generate(KeySize::Rsa2048).expect("a key");
        let der: Pkcs8V1Der<'_> = pair.as_der().expect("PKCS#8");
        let pem =
            format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der.as_ref()));
        let url = base64::engine::general_purpose::URL_SAFE_NO_PAD;
        let kid = TokenId::new().to_string();
        let modulus = url.encode(pair.public_key().modulus().big_endian_without_leading_zero());
        let jwk = serde_json::json!({
            "kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid, "n": modulus,
            "e": url.encode(pair.public_key().exponent().big_endian_without_leading_zero()),
        });
        SigningKey { kid, pem, jwk }
    }

    pub(crate) fn sign(&self, claims: &Claims) -> String {
        let header = Header { kid: Some(self.kid.clone()), ..Header::new(Algorithm::RS256) };
        let key = EncodingKey::from_rsa_pem(self.pem.as_bytes()).expect("our PEM");
        jsonwebtoken::encode(&header, claims, &key).expect("signs")
    }

    pub(crate) fn jwks(&self) -> String {
        serde_json::json!({ "keys": [self.jwk] }).to_string()
    }
}

/// Waits until a watched value fits, for ten seconds.
pub(crate) async fn until<T>(mut watched: watch::Receiver<T>, fits: impl FnMut(&T) -> bool) {
    let waited = tokio::time::timeout(Duration::from_secs(10), watched.wait_for(fits)).await;
    waited.expect("in time").expect("still watched");
}
