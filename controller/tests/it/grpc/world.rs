//! A controller with its doors open, and the words that the tests are written in.

use std::{
    collections::BTreeMap,
    num::NonZeroU32,
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use jiff::Timestamp;
use podling_controller::{
    audit::Audit,
    beats,
    bundles::{BundleArgs, Bundles},
    clock::StoreClock,
    core::{Core, Settings},
    grpc::{self, orders::Orders, seats::Seats},
    identity::Identity,
    limit::MemoryRateLimiter,
    logs::Logs,
    quotas::Quotas,
    seal::Seal,
    sign::{KeyRing, schedule::Schedule},
    store::{Store, sqlite},
};
use podling_proto::{
    channel::Route,
    control::{
        AdmitRequest, AdmitResponse, RegisterRequest, admit_request::Capability, gateways_client::GatewaysClient,
        runners_client::RunnersClient,
    },
    terminal::terminal_client::TerminalClient,
};
use podling_session::{
    capability::{Grant, SessionKey},
    code_hosts::CodeHosts,
    id::{AttachNonce, Incarnation, LaunchName, RunnerId, TokenId, Uid, ViewerId},
    launch::{Launch, LaunchError, Launched, Launcher},
    phase::{End, EndReason},
    principal::Principal,
    quota::Quota,
    session::Session,
    sign::Signer,
    spec::{Draft, Policy, Secrets, Spec},
    store::{Created, NewSession, SessionStore, SystemStore},
    token::{AUDIENCE, Claims, Scope},
};
use secrecy::{ExposeSecret, SecretString};
use tempfile::TempDir;
use tokio::{sync::OnceCell, task::JoinSet};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Request, Status, Streaming, transport::Channel};

pub(crate) const SERVICE: &str = "the gateways' credential";
pub(crate) const ISSUER: &str = "podling-test";
/// Longer than anything here takes; what takes longer hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Stops when dropped: its servers are its own.
pub(crate) struct World {
    pub(crate) core: Core,
    pub(crate) store: Arc<Store>,
    pub(crate) directory: TempDir,
    pub(crate) channel: Channel,
    pub(crate) stop: CancellationToken,
    servers: JoinSet<()>,
    _beats: JoinSet<()>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl World {
    pub(crate) async fn start() -> World {
        let directory = tempfile::tempdir().expect("a directory");
        let store = sqlite::open(&directory.path().join("store.sqlite")).await.expect("a store");
        let core = core(&store, &directory).await;
        let socket = directory.path().join("controller.sock");
        let listener = podling_daemon::grpc::bind(&socket).expect("a socket");
        let stop = CancellationToken::new();
        let router = grpc::router(core.clone(), SecretString::from(SERVICE).into(), stop.clone());
        let mut servers = JoinSet::new();
        let serving = podling_daemon::grpc::serve(listener, router, stop.clone());
        servers.spawn(async move { serving.await.expect("it serves until it is stopped") });
        let channel = Route::from(socket).connect().await.expect("a connection");
        let mut writing = JoinSet::new();
        writing.spawn(beats::run(core.clone(), stop.clone()));
        World { core, store, directory, channel, stop, servers, _beats: writing }
    }

    /// Whether all calls end within the time given, once the doors close.
    pub(crate) async fn drain(&mut self, within: Duration) -> bool {
        self.stop.cancel();
        tokio::time::timeout(within, self.servers.join_next()).await.is_ok()
    }

    pub(crate) fn runners(&self) -> RunnersClient<Channel> {
        RunnersClient::new(self.channel.clone())
    }

    pub(crate) fn terminal(&self) -> TerminalClient<Channel> {
        TerminalClient::new(self.channel.clone())
    }

    pub(crate) fn gateways(&self) -> GatewaysClient<Channel> {
        GatewaysClient::new(self.channel.clone())
    }

    /// A session that is Pending, with these secrets.
    pub(crate) async fn create(&self, secrets: &[(&str, &str)]) -> Session {
        let secrets: Secrets = secrets.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let draft = Draft { command: Some("true".into()), env: variables(), ..Draft::default() };
        let (spec, _) = Spec::check(draft, &Policy::default()).expect("a bare command is enough");
        let uid = Uid::new();
        let new = NewSession {
            uid,
            id: uid.into(),
            owner: Principal::local_owner().owner,
            spec,
            sealed: self.core.seal.seal(uid, &SessionKey::random(), &secrets),
            idempotency: None,
            max_per_owner: 1_000,
            max_per_tenant: 1_000,
            max_stored_bytes: 1 << 40,
            max_tenant_stored_bytes: 1 << 40,
            warm: Vec::new(),
        };
        match self.store.create(new).await.expect("the store answers") {
            Created::New(session) => session,
            other => panic!("not created: {other:?}"),
        }
    }

    /// Its runner was launched and has not registered yet.
    pub(crate) async fn launch(&self, session: &Session) -> RunnerId {
        let runner = self.core.seal.runner_id(&session.life().launch_name());
        assert!(self.store.launched(session.life(), runner).await.expect("the store answers"));
        runner
    }

    /// A runner that was launched and registered; its credential.
    pub(crate) async fn register(&self, session: &Session) -> String {
        let runner = self.launch(session).await;
        let request = self.registration(runner, b"certificate");
        self.runners().register(request).await.expect("registered").into_inner().credential
    }

    pub(crate) fn registration(&self, runner: RunnerId, certificate: &'static [u8]) -> RegisterRequest {
        RegisterRequest {
            runner_id: runner.to_string(),
            secret: self.core.seal.bootstrap_secret(runner).expose_secret().to_owned(),
            certificate: certificate.into(),
            address: format!("unix:{}", self.runner_socket().display()),
        }
    }

    pub(crate) fn runner_socket(&self) -> PathBuf {
        self.directory.path().join("runner.sock")
    }

    pub(crate) async fn end(&self, life: Incarnation, end: &End) {
        assert!(self.store.end(life, end).await.expect("the store answers"));
    }

    pub(crate) async fn release(&self, life: Incarnation) {
        assert!(self.store.release(life).await.expect("the store answers"));
    }

    pub(crate) async fn find(&self, uid: Uid) -> Session {
        self.store.find(uid).await.expect("the store answers").expect("it is there")
    }

    pub(crate) async fn key(&self, uid: Uid) -> SessionKey {
        let sealed = self.store.sealed(uid).await.expect("the store answers").expect("it is there");
        self.core.seal.open_key(uid, &sealed).expect("our own")
    }

    /// A session token, changed as a test wants it.
    pub(crate) async fn token(&self, session: &Session, change: impl FnOnce(&mut Claims)) -> String {
        let now = Timestamp::now().as_second();
        let mut claims = Claims {
            iss: ISSUER.into(),
            aud: AUDIENCE.into(),
            sub: "owner".into(),
            sid: session.uid,
            tid: session.owner.tenant.as_str().into(),
            jti: TokenId::new(),
            iat: now,
            exp: now + 300,
            scope: Scope::ReadWrite,
            who: Default::default(),
        };
        change(&mut claims);
        self.core.signer.sign(&claims).await.expect("signed")
    }

    /// A grant for a new viewer.
    pub(crate) async fn grant(&self, uid: Uid) -> String {
        let viewer = Grant {
            session: uid,
            viewer: ViewerId::new(),
            nonce: AttachNonce::random(),
            generation: 0,
            issued_at: Timestamp::now(),
            scope: Scope::ReadWrite,
            who: Default::default(),
        };
        self.key(uid).await.grant_key().sign(&viewer)
    }

    pub(crate) async fn admit(&self, uid: Uid, capability: Capability) -> Result<Streaming<AdmitResponse>, Status> {
        let nonce = AttachNonce::random().to_string();
        let request =
            AdmitRequest { uid: uid.to_string(), capability: Some(capability), nonce, client_address: String::new() };
        let admitted = self.gateways().admit(bearing(SERVICE, request)).await?;
        Ok(admitted.into_inner())
    }
}

async fn core(store: &Arc<Store>, directory: &TempDir) -> Core {
    let blobs = directory.path().join("blobs");
    std::fs::create_dir(&blobs).expect("created");
    let (seal, clock) = (Arc::new(Seal::new(&[7; 32])), Arc::new(StoreClock::from(jiff::Timestamp::now())));
    Core {
        sessions: store.clone(),
        system: store.clone(),
        identity: Arc::new(Identity::new(store.clone(), seal.clone(), clock.clone())),
        principals: store.clone(),
        shares: store.clone(),
        quotas: Arc::new(Quotas::new(store.clone())),
        operator: store.clone(),
        signer: signer().await,
        limiter: Arc::new(MemoryRateLimiter::new()),
        launcher: Arc::new(NoLauncher),
        seal,
        logs: Arc::new(Logs::in_directory(&blobs).expect("it exists")),
        bundles: Bundles::in_directory(&blobs, BundleArgs::default(), Duration::from_secs(300)),
        clock,
        orders: Arc::new(Orders::default()),
        seats: Seats::new(3),
        beats: Arc::default(),
        audit: Arc::new(Audit::new(store.clone())),
        settings: Arc::new(settings()),
    }
}

fn quota() -> Quota {
    let Policy { max_deadline, max_idle, max_limits, .. } = Policy::default();
    Quota {
        sessions: 1_000,
        tenant_sessions: 1_000,
        creates_per_minute: NonZeroU32::new(5).expect("not zero"),
        viewers: 3,
        stored_bytes: 1 << 40,
        tenant_stored_bytes: 1 << 40,
        max_deadline,
        max_idle,
        max_limits,
    }
}

fn settings() -> Settings {
    Settings {
        issuer: ISSUER.into(),
        public_url: "http://127.0.0.1:8080".parse().expect("a URL"),
        policy: Policy::default(),
        token_life: Duration::from_secs(300),
        keep_ended: Duration::from_secs(3_600),
        quota: quota(),
        warm_runners: 0,
        grace: Duration::from_secs(5),
        code_hosts: CodeHosts::default(),
        local_owner: true,
        allowed_origins: Vec::new(),
        trusted_hops: 1,
        alone: true,
    }
}

/// Making an RSA key takes longer than most tests: all share one.
async fn signer() -> Arc<dyn Signer> {
    static KEYS: OnceCell<(Arc<KeyRing>, TempDir)> = OnceCell::const_new();
    let make = || async {
        let directory = tempfile::tempdir().expect("a directory");
        let schedule = Schedule { lead: Duration::from_secs(300), token_life: Duration::from_secs(300) };
        (Arc::new(KeyRing::open(directory.path().join("keys"), schedule).await.expect("a key")), directory)
    };
    KEYS.get_or_init(make).await.0.clone()
}

fn variables() -> BTreeMap<String, String> {
    BTreeMap::from([("GREETING".to_owned(), "hello".to_owned())])
}

pub(crate) fn bearing<T>(credential: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let header = format!("Bearer {credential}").parse().expect("ASCII");
    request.metadata_mut().insert("authorization", header);
    request
}

pub(crate) fn stopped() -> End {
    End::because(EndReason::Stopped)
}

pub(crate) fn code<T>(outcome: Result<T, Status>) -> Code {
    outcome.err().map_or(Code::Ok, |status| status.code())
}

/// The next message of a stream; none when it ended.
pub(crate) async fn next<T>(stream: &mut Streaming<T>) -> Result<Option<T>, Status> {
    tokio::time::timeout(PATIENCE, stream.message()).await.expect("the stream hangs")
}

pub(crate) fn millis_since_epoch() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    since.as_millis().try_into().expect("not that late")
}

/// Sessions here are launched by the tests themselves.
struct NoLauncher;

#[async_trait]
impl Launcher for NoLauncher {
    async fn launch(&self, _: &Launch) -> Result<(), LaunchError> {
        Ok(())
    }

    async fn stop(&self, _: &LaunchName, _: Duration) -> Result<(), LaunchError> {
        Ok(())
    }

    async fn remove(&self, _: &LaunchName) -> Result<bool, LaunchError> {
        Ok(true)
    }

    async fn list(&self) -> Result<Vec<Launched>, LaunchError> {
        Ok(Vec::new())
    }

    async fn was_assigned(&self, _: &LaunchName) -> Result<bool, LaunchError> {
        Ok(true)
    }

    async fn changed(&self) {
        std::future::pending().await
    }
}
