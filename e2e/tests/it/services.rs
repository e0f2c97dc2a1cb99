//! The three services as processes of their own, over TCP with TLS and nothing else.

use std::{net::SocketAddr, path::Path, process::Stdio, time::Duration};

use podling_e2e::{
    podling::{Session, binary},
    process::{signal, with_argument},
    viewer::Viewer,
    wait::until,
};
use podling_servers::free_port;
use podling_session::id::AttachNonce;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use reqwest::StatusCode;
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::timeout,
};

const PATIENCE: Duration = Duration::from_secs(60);

/// A service that says where it listens.
struct Service {
    child: Child,
    url: String,
}

impl Service {
    async fn start(folder: &Path, arguments: &[&str]) -> Service {
        let log = std::fs::OpenOptions::new().append(true).create(true).open(folder.join("log")).expect("a log");
        let mut command = Command::new(binary());
        command.args(arguments).args(["--listen", "127.0.0.1:0", "--service-key-file"]).arg(folder.join("service.key"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).kill_on_drop(true);
        let mut child = command.spawn().expect("it can be started");
        let mut line = String::new();
        let mut said = BufReader::new(child.stdout.take().expect("a pipe"));
        timeout(PATIENCE, said.read_line(&mut line)).await.expect("in time").expect("readable");
        let log = || std::fs::read_to_string(folder.join("log")).unwrap_or_default();
        let (_, bound) = line.trim().rsplit_once(" listens on ").unwrap_or_else(|| panic!("{arguments:?}: {}", log()));
        Service { child, url: format!("http://{bound}") }
    }

    async fn get(&self, path: &str) -> (StatusCode, String) {
        let response = client().get(format!("{}{path}", self.url)).send().await.expect("it answers");
        (response.status(), response.text().await.expect("whole"))
    }

    async fn terminate(mut self) -> bool {
        signal(self.child.id().expect("it runs").cast_signed(), Signal::TERM);
        timeout(PATIENCE, self.child.wait()).await.expect("it ends in time").expect("it was started").success()
    }
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().expect("a client without TLS files always builds")
}

/// An authority, a certificate of its for 127.0.0.1, and a service key.
fn prepare(folder: &Path) {
    let secret = |name: &str, text: &str| {
        use std::os::unix::fs::PermissionsExt;
        std::fs::write(folder.join(name), text).expect("a file");
        std::fs::set_permissions(folder.join(name), PermissionsExt::from_mode(0o600)).expect("ours");
    };
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a certificate");
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(["127.0.0.1".to_owned()]).expect("a name");
    let certificate = params.signed_by(&key, &authority).expect("a certificate");
    std::fs::write(folder.join("ca.pem"), authority.pem()).expect("a file");
    std::fs::write(folder.join("tls.crt"), certificate.pem()).expect("a file");
    secret("tls.key", &key.serialize_pem());
    secret("service.key", "0123456789abcdef0123456789abcdef\n");
}

fn port() -> SocketAddr {
    ([127, 0, 0, 1], free_port()).into()
}

struct Services {
    folder: TempDir,
    controller: Service,
    gateway: Service,
}

impl Services {
    async fn start() -> Services {
        let folder = tempfile::Builder::new().prefix("podling-e2e-").tempdir().expect("a folder");
        prepare(folder.path());
        let file = |name: &str| folder.path().join(name).display().to_string();
        let control = port();
        let (advertised, listen) = (format!("https://{control}"), control.to_string());
        let (data, ca, crt, key) = (file("data"), file("ca.pem"), file("tls.crt"), file("tls.key"));
        let control = ["--control-listen", &listen, "--control-advertise", &advertised, "--runner-listen", "127.0.0.1"];
        let files = ["--data-dir", &data, "--tls-ca", &ca, "--tls-cert", &crt, "--tls-key", &key];
        let controller = Service::start(folder.path(), &[&["controller"], &control[..], &files].concat()).await;
        let words = ["gateway", "--controller", &advertised, "--controller-ca", &ca, "--drain-spread", "200ms"];
        let gateway = Service::start(folder.path(), &words).await;
        Services { folder, controller, gateway }
    }

    async fn create(&self, command: &str) -> Session {
        let request = client().post(format!("{}/api/sessions", self.controller.url));
        let answer = request.json(&json!({ "command": command })).send().await.expect("it answers");
        assert_eq!(answer.status(), StatusCode::CREATED);
        Session::from(answer.json::<Value>().await.expect("JSON"))
    }

    async fn attach(&self, session: &Session) -> Viewer {
        Viewer::attach(&self.gateway.url, &session.uid, &session.token, AttachNonce::random()).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_over_tls_from_gateway_to_controller_to_runner_is_what_it_is_over_sockets() {
    let services = Services::start().await;
    let session = services.create("echo ready; read -r line; echo \"got $line\"; exit 3").await;
    let mut viewer = services.attach(&session).await;
    viewer.sees("ready").await;
    let runner = with_argument(&services.folder.path().display().to_string());
    let on_tcp =
        |command_line: &str| command_line.contains("--listen 127.0.0.1:0 ") && command_line.contains("https://");
    assert!(runner.iter().any(|process| process.command_line.contains(" runner ") && on_tcp(&process.command_line)));
    viewer.type_in("it\r").await;
    viewer.sees("got it").await;
    assert_eq!(viewer.to_end().await.code, 1000);
    assert_eq!(viewer.exit.expect("the last frame")["exit_code"], 3);
    // Later the controller serves the log, over the same connection.
    until("the session is released", PATIENCE, async || {
        let (_, answer) = services.controller.get(&format!("/api/sessions/{}", session.uid)).await;
        if answer.contains("\"ended\"") { Ok(()) } else { Err(answer) }
    })
    .await;
    let request = client().post(format!("{}/api/sessions/{}/token", services.controller.url, session.uid));
    let answer: Value = request.json(&json!({})).send().await.expect("it answers").json().await.expect("JSON");
    let token = answer["token"].as_str().expect("a token");
    let mut late = Viewer::attach(&services.gateway.url, &session.uid, token, AttachNonce::random()).await;
    late.sees("got it").await;
    let Services { folder: _folder, controller, gateway } = services;
    assert!(gateway.terminate().await);
    assert!(controller.terminate().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_tells_the_truth_about_what_it_depends_on_and_is_sent_traffic_all_the_same() {
    let services = Services::start().await;
    let Services { folder: _folder, controller, gateway } = services;
    for path in ["/healthz", "/readyz", "/servez"] {
        assert_eq!(gateway.get(path).await.0, StatusCode::OK, "{path}");
        assert_eq!(controller.get(path).await.0, StatusCode::OK, "{path}");
    }
    assert!(controller.terminate().await);
    let (status, told) = gateway.get("/readyz").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(told.contains("controller: down") && told.contains("replay guard: up"), "{told}");
    assert_eq!((gateway.get("/healthz").await.0, gateway.get("/servez").await.0), (StatusCode::OK, StatusCode::OK));
    assert!(gateway.terminate().await);
}
