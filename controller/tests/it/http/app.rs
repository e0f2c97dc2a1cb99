//! One controller at a port of its own, with its real store and keys, and a client that has a key.

use std::{
    num::NonZeroU32,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    time::Duration,
};

use async_trait::async_trait;
use hyper_util::service::TowerToHyperService;
use metrics_exporter_prometheus::PrometheusHandle;
use podling_controller::{
    audit::Audit,
    bundles::{BundleArgs, Bundles},
    clock::StoreClock,
    core::{Core, Settings},
    grpc::{orders::Orders, seats::Seats},
    http::{Door, router},
    identity::{Identity, bootstrap_key},
    keys,
    limit::MemoryRateLimiter,
    logs::Logs,
    quotas::Quotas,
    seal::Seal,
    sign::{KeyRing, schedule::Schedule},
    store::{Store, sqlite},
};
use podling_daemon::{health::Serving, telemetry::record_metrics};
use podling_session::{
    code_hosts::CodeHosts,
    id::LaunchName,
    launch::{Launch, LaunchError, Launched, Launcher},
    principal::Role,
    quota::Quota,
    scopes::Scopes,
    spec::Policy,
};
use reqwest::{Client, Method, RequestBuilder, Response};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::OnceCell, task::JoinSet};
use tokio_util::sync::{CancellationToken, DropGuard};

pub(crate) struct App {
    pub(crate) base: String,
    pub(crate) core: Core,
    pub(crate) store: Arc<Store>,
    pub(crate) serving: Serving,
    pub(crate) key: String,
    directory: TempDir,
    client: Client,
    _stop: DropGuard,
    _servers: JoinSet<()>,
}

/// A status and a JSON body, or null where the body is none.
pub(crate) type Answer = (u16, Value);

impl App {
    pub(crate) async fn start() -> App {
        App::start_with(|_| ()).await
    }

    /// With other settings than usual, or other parts.
    pub(crate) async fn start_with(change: impl FnOnce(&mut Core)) -> App {
        let directory = tempfile::tempdir().expect("a directory");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let bound = listener.local_addr().expect("a bound socket");
        let base = format!("http://{bound}");
        let store = sqlite::open(&directory.path().join("store.db")).await.expect("a new store");
        let mut core = core(&directory, store.clone(), &base).await;
        change(&mut core);

        let key_file = directory.path().join("key");
        assert!(bootstrap_key(core.principals.as_ref(), &core.seal, &key_file).await.expect("a first key"));
        let key = read(&key_file);
        let (stop, serving, mut servers) = (CancellationToken::new(), Serving::default(), JoinSet::new());
        serving.started();
        let cut = stop.child_token();
        let door = Door { core: core.clone(), serving: serving.clone(), cut, metrics: recorder(), bound };
        let service = TowerToHyperService::new(router(door));
        servers.spawn(podling_daemon::http::serve(listener, service, stop.clone()));
        let (client, _stop) = (Client::new(), stop.drop_guard());
        App { base, core, store, serving, key, directory, client, _stop, _servers: servers }
    }

    /// A key of somebody of the tenant, with all scopes of its role where none are given.
    pub(crate) async fn key_of(&self, tenant: &str, role: Role, scopes: Option<Scopes>) -> String {
        let tenant = tenant.parse().expect("a tenant");
        let wanted = keys::Wanted { tenant, subject: None, role, scopes, name: "test".into(), life: None };
        let made = keys::create(&self.core, wanted).await.expect("a key");
        made.secret.expose_secret().to_owned()
    }

    /// A request without a key.
    pub(crate) fn bare(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base)).timeout(Duration::from_secs(20))
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.bare(method, path).bearer_auth(&self.key)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        answer(self.request(Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        answer(self.request(Method::POST, path).json(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        answer(self.request(Method::DELETE, path)).await
    }

    /// A session that is created, as the API tells it.
    pub(crate) async fn create(&self, body: &Value) -> Value {
        let (status, session) = self.post("/api/sessions", body).await;
        assert_eq!(status, 201, "{session}");
        session
    }

    pub(crate) async fn count(&self) -> u64 {
        let (status, page) = self.get("/api/sessions").await;
        assert_eq!(status, 200, "{page}");
        page["count"].as_u64().expect("a number")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

pub(crate) fn command() -> Value {
    json!({ "command": "true" })
}

pub(crate) async fn send(request: RequestBuilder) -> Response {
    request.send().await.expect("an answer")
}

pub(crate) async fn answer(request: RequestBuilder) -> Answer {
    let response = send(request).await;
    let status = response.status().as_u16();
    let bytes = response.bytes().await.expect("a whole body");
    (status, serde_json::from_slice(&bytes).unwrap_or_default())
}

pub(crate) fn header(response: &Response, name: &str) -> Option<String> {
    response.headers().get(name).map(|value| value.to_str().expect("a readable header").to_owned())
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).expect("the key file").trim().to_owned()
}

async fn core(directory: &TempDir, store: Arc<Store>, base: &str) -> Core {
    let blobs = directory.path().join("blobs");
    std::fs::create_dir(&blobs).expect("a directory");
    let (seal, clock) = (Arc::new(Seal::new(&[7; 32])), Arc::new(StoreClock::from(jiff::Timestamp::now())));
    Core {
        sessions: store.clone(),
        system: store.clone(),
        identity: Arc::new(Identity::new(store.clone(), seal.clone(), clock.clone())),
        principals: store.clone(),
        shares: store.clone(),
        quotas: Arc::new(Quotas::new(store.clone())),
        operator: store.clone(),
        signer: keys().await,
        limiter: Arc::new(MemoryRateLimiter::new()),
        launcher: Arc::new(NoLauncher),
        seal,
        logs: Arc::new(Logs::in_directory(&blobs).expect("it exists")),
        bundles: Bundles::in_directory(&blobs, BundleArgs::default(), Duration::from_secs(300)),
        clock,
        orders: Arc::new(Orders::default()),
        seats: Seats::new(10),
        beats: Arc::default(),
        audit: Arc::new(Audit::new(store.clone())),
        settings: Arc::new(settings(base)),
    }
}

pub(crate) fn settings(base: &str) -> Settings {
    Settings {
        issuer: "podling".into(),
        public_url: base.parse().expect("a URL"),
        policy: Policy::default(),
        token_life: Duration::from_secs(300),
        keep_ended: Duration::from_secs(3_600),
        quota: quota(),
        warm_runners: 0,
        grace: Duration::from_secs(1),
        code_hosts: CodeHosts::default(),
        local_owner: false,
        allowed_origins: vec![],
        trusted_hops: 1,
        alone: true,
    }
}

pub(crate) fn quota() -> Quota {
    let Policy { max_deadline, max_idle, max_limits, .. } = Policy::default();
    Quota {
        sessions: 100,
        tenant_sessions: 100,
        creates_per_minute: number(1_000),
        viewers: 10,
        stored_bytes: 1 << 40,
        tenant_stored_bytes: 1 << 40,
        max_deadline,
        max_idle,
        max_limits,
    }
}

pub(crate) fn number(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).expect("not zero")
}

/// Making a key takes half a second, so one ring serves all tests.
async fn keys() -> Arc<KeyRing> {
    static RING: OnceCell<(Arc<KeyRing>, TempDir)> = OnceCell::const_new();
    let make = || async {
        let directory = tempfile::tempdir().expect("a directory");
        let schedule = Schedule { lead: Duration::from_secs(300), token_life: Duration::from_secs(300) };
        (Arc::new(KeyRing::open(directory.path().join("keys"), schedule).await.expect("a new ring")), directory)
    };
    RING.get_or_init(make).await.0.clone()
}

/// One recorder to a process.
fn recorder() -> PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE.get_or_init(|| record_metrics().expect("the only recorder")).clone()
}

/// No request waits for a launcher; one that asks it anything fails its test.
struct NoLauncher;

#[async_trait]
impl Launcher for NoLauncher {
    async fn launch(&self, _: &Launch) -> Result<(), LaunchError> {
        panic!("a request asked the launcher")
    }

    async fn stop(&self, _: &LaunchName, _: Duration) -> Result<(), LaunchError> {
        panic!("a request asked the launcher")
    }

    async fn remove(&self, _: &LaunchName) -> Result<bool, LaunchError> {
        panic!("a request asked the launcher")
    }

    async fn list(&self) -> Result<Vec<Launched>, LaunchError> {
        panic!("a request asked the launcher")
    }

    async fn was_assigned(&self, _: &LaunchName) -> Result<bool, LaunchError> {
        Ok(true)
    }

    async fn changed(&self) {
        panic!("a request asked the launcher")
    }
}
