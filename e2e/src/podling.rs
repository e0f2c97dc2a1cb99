//! One `podling up` of a test's own: a free port, a data directory in a temporary folder, stopped by its pid.

use std::{
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use anyhow::Context;
use memchr::memmem;
use reqwest::{Method, StatusCode};
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep, timeout},
};

use crate::{
    form::{Form, Shared},
    process,
    store::{Database, Store},
    wait::until,
};

/// A debug build that shares two processors with a browser is slow to start.
pub(crate) const START: Duration = Duration::from_secs(30);
const STOP: Duration = Duration::from_secs(30);
/// How long a create may be put off.
const CREATE: Duration = Duration::from_secs(60);

/// The binary beside this test's own.
pub fn binary() -> PathBuf {
    built("podling")
}

/// A program of this workspace, of the same build.
pub fn built(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a running program has a path");
    let folder = test.ancestors().find(|folder| folder.join(name).is_file());
    folder.expect("`cargo build --workspace --bins` puts programs above the tests").join(name)
}

pub struct Podling {
    child: Option<Child>,
    home: TempDir,
    arguments: Vec<String>,
    listen: String,
    /// Another user than the test's own; needs root.
    user: Option<u32>,
    /// A session of its own, without whatever terminal the tests were started from.
    without_terminal: bool,
    /// What its services share, when they are several.
    shared: Option<Shared>,
    pub store: Store,
    pub url: String,
    pub http: reqwest::Client,
}

/// The answer of one request: its status and its JSON, null when it has none.
pub type Answer = (StatusCode, Value);

impl Podling {
    pub async fn start() -> Podling {
        Podling::start_with(&[]).await
    }

    pub async fn start_with(arguments: &[&str]) -> Podling {
        Podling::start_in(Form::of_this_run(), arguments).await
    }

    /// In a form that is not for the run to choose.
    pub async fn start_in(form: Form, arguments: &[&str]) -> Podling {
        let mut podling = Podling::prepare(form, arguments).await;
        podling.restart().await;
        podling
    }

    /// On another address than loopback.
    pub async fn start_at(listen: &str, arguments: &[&str]) -> Podling {
        let mut podling = Podling::prepare(Form::of_this_run(), arguments).await;
        listen.clone_into(&mut podling.listen);
        podling.restart().await;
        podling
    }

    /// As a service manager starts it: SIGHUP is no terminal's end then.
    pub async fn start_without_terminal(arguments: &[&str]) -> Podling {
        let mut podling = Podling::prepare(Form::of_this_run(), arguments).await;
        podling.without_terminal = true;
        podling.restart().await;
        podling
    }

    /// As this user, from a copy of the binary that it may read, in a folder that it owns. The test is root.
    pub async fn start_as(user: u32, arguments: &[&str]) -> Podling {
        let mut podling = Podling::prepare(Form::of_this_run(), arguments).await;
        podling.user = Some(user);
        std::fs::copy(binary(), podling.home.path().join("podling")).expect("room for a copy");
        std::os::unix::fs::chown(podling.home.path(), Some(user), Some(user)).expect("the test is root");
        podling.restart().await;
        podling
    }

    async fn prepare(form: Form, arguments: &[&str]) -> Podling {
        let home = tempfile::Builder::new().prefix("podling-e2e-").tempdir().expect("a temporary folder");
        let shared = match form {
            Form::Embedded => None,
            Form::Replicated => Some(Shared::start().await),
        };
        let store = match &shared {
            None => Store::File(home.path().join("data/podling.db")),
            Some(shared) => Store::Postgres(Database::connect(shared.database()).await.expect("it was just made")),
        };
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(60)).build();
        Podling {
            child: None,
            home,
            arguments: arguments.iter().map(|word| (*word).to_owned()).collect(),
            listen: "127.0.0.1:0".to_owned(),
            user: None,
            without_terminal: false,
            shared,
            store,
            url: String::new(),
            http: http.expect("a client without TLS files always builds"),
        }
    }

    /// Starts it again, on the port that it had.
    pub async fn restart(&mut self) {
        self.spawn().await.expect("podling up starts");
    }

    async fn spawn(&mut self) -> anyhow::Result<()> {
        let listen = self.url.strip_prefix("http://").unwrap_or(&self.listen).to_owned();
        let log = std::fs::OpenOptions::new().append(true).create(true).open(self.log_file())?;
        let said = std::fs::File::create(self.home.path().join("podling.out"))?;
        let mut command = match self.user {
            Some(user) => {
                let mut command = Command::new(self.home.path().join("podling"));
                command.uid(user).gid(user).env("HOME", self.home.path()).current_dir(self.home.path());
                command
            }
            // It becomes the program, so the pid stays.
            None if self.without_terminal => {
                let mut command = Command::new("setsid");
                command.arg(binary());
                command
            }
            None => Command::new(binary()),
        };
        if let Some(shared) = &self.shared {
            shared.tell(&mut command);
        }
        let mut child = command
            .args(["up", "--listen", &listen])
            .arg("--data-dir")
            .arg(self.data_dir())
            .args(&self.arguments)
            .env("PODLING_CREATES_PER_MINUTE", "100000") // An argument goes before it.
            .stdin(Stdio::null())
            .stdout(said)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .context("cannot start podling")?;
        self.url = until("podling ready", START, async || {
            if let Some(status) = child.try_wait().map_err(|error| error.to_string())? {
                panic!("podling ended before it was ready: {status} {}", self.log());
            }
            let said = self.said();
            let (_, rest) = said.split_once("listens on ").ok_or(said.clone())?;
            let (bound, _) = rest.split_once(" and is ready").ok_or(said.clone())?;
            Ok::<_, String>(format!("http://{bound}"))
        })
        .await;
        self.child = Some(child);
        Ok(())
    }

    pub fn data_dir(&self) -> PathBuf {
        self.home.path().join("data")
    }

    pub fn home(&self) -> &Path {
        self.home.path()
    }

    pub fn log_file(&self) -> PathBuf {
        self.home.path().join("podling.log")
    }

    /// The first API key, an operator's.
    pub fn operator_key(&self) -> String {
        let key = std::fs::read_to_string(self.data_dir().join("operator.key")).expect("the first start wrote it");
        key.trim().to_owned()
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    /// What it has written to standard output since it was started last.
    pub fn said(&self) -> String {
        std::fs::read_to_string(self.home.path().join("podling.out")).unwrap_or_default()
    }

    pub fn pid(&self) -> i32 {
        let pid = self.child.as_ref().and_then(Child::id).expect("podling runs");
        pid.try_into().expect("a pid is positive")
    }

    /// kill -9, and the wait for its death.
    pub async fn kill(&mut self) {
        self.end(Signal::KILL).await;
    }

    /// SIGTERM, and how it ended.
    pub async fn terminate(&mut self) -> ExitStatus {
        self.end(Signal::TERM).await
    }

    async fn end(&mut self, signal: Signal) -> ExitStatus {
        process::signal(self.pid(), signal);
        self.ended().await
    }

    /// How it ended; it was told to.
    pub async fn ended(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("podling runs");
        timeout(STOP, child.wait()).await.expect("podling ends in time").expect("a child can be waited for")
    }

    pub async fn request(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let request = self.http.request(method, format!("{}{path}", self.url));
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        let response = request.send().await.expect("podling answers");
        let status = response.status();
        let text = response.text().await.expect("podling answers whole");
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// An answer whose body is still to come.
    pub async fn stream(&self, path: &str) -> reqwest::Response {
        self.http.get(format!("{}{path}", self.url)).send().await.expect("podling answers")
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.request(Method::GET, path, None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.request(Method::POST, path, Some(body)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.request(Method::DELETE, path, None).await
    }

    /// Creates a session; panics unless that succeeds.
    pub async fn create(&self, body: Value) -> Session {
        let (status, answer) = self.post("/api/sessions", body).await;
        assert_eq!(status, StatusCode::CREATED, "{answer}");
        Session::from(answer)
    }

    /// Creates a session as a script does that is told to come again: with a key, until it is answered otherwise.
    pub async fn create_patiently(&self, key: &str, body: &Value) -> Session {
        let deadline = Instant::now() + CREATE;
        loop {
            let request = self.http.post(format!("{}/api/sessions", self.url)).header("idempotency-key", key);
            let response = request.json(body).send().await.expect("podling answers");
            let status = response.status();
            let answer: Value = response.json().await.expect("podling answers in JSON");
            if status.is_success() {
                return Session::from(answer);
            }
            assert!(status == StatusCode::SERVICE_UNAVAILABLE && Instant::now() < deadline, "{status} {answer}");
            sleep(Duration::from_secs(answer["retryAfter"].as_u64().expect("a 503 says when to come again"))).await;
        }
    }

    /// Creates a session that runs a command.
    pub async fn run(&self, command: &str) -> Session {
        self.create(json!({ "command": command })).await
    }

    pub async fn session(&self, uid: &str) -> Value {
        let (status, answer) = self.get(&format!("/api/sessions/{uid}")).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        answer
    }

    /// A fresh one-time token.
    pub async fn token(&self, uid: &str) -> String {
        let (status, answer) = self.post(&format!("/api/sessions/{uid}/token"), json!({})).await;
        assert!(status.is_success(), "{status} {answer}");
        text(&answer, "token")
    }

    /// Waits until the session is in this phase; its JSON then.
    pub async fn reaches(&self, uid: &str, phase: &str) -> Value {
        self.reaches_within(uid, phase, Duration::from_secs(30)).await
    }

    pub async fn reaches_within(&self, uid: &str, phase: &str, within: Duration) -> Value {
        until(&format!("session {uid} {phase}"), within, async || {
            let session = self.session(uid).await;
            if session["phase"] == phase { Ok(session) } else { Err(session) }
        })
        .await
    }

    /// The whole terminal log.
    pub async fn output(&self, uid: &str) -> String {
        let url = format!("{}/api/sessions/{uid}/log", self.url);
        let response = self.http.get(url).send().await.expect("podling answers");
        assert_eq!(response.status(), StatusCode::OK);
        String::from_utf8_lossy(&response.bytes().await.expect("the whole log")).into_owned()
    }

    /// Waits until `text` is in a file of the terminal log, which it is some 20 ms after viewers see it. The file's path.
    pub async fn stores(&self, uid: &str, text: &str) -> PathBuf {
        let blobs = self.data_dir().join("blobs");
        until(&format!("session {uid} stores {text:?}"), Duration::from_secs(30), async || {
            let mut files = files_below(&blobs);
            files.retain(|file| file.iter().any(|part| part == uid));
            let found = files.iter().position(|file| {
                std::fs::read(file).is_ok_and(|bytes| memmem::find(&bytes, text.as_bytes()).is_some())
            });
            found.map(|found| files.swap_remove(found)).ok_or(files)
        })
        .await
    }

    /// Waits until the terminal log contains `text`.
    pub async fn prints(&self, uid: &str, text: &str) {
        until(&format!("session {uid} prints {text:?}"), Duration::from_secs(30), async || {
            let output = self.output(uid).await;
            if output.contains(text) { Ok(()) } else { Err(output.len()) }
        })
        .await;
    }
}

/// The answer of a create.
#[derive(Clone, Debug)]
pub struct Session {
    pub uid: String,
    pub token: String,
    pub terminal_url: String,
    pub json: Value,
}

impl From<Value> for Session {
    fn from(json: Value) -> Session {
        Session { uid: text(&json, "uid"), token: text(&json, "token"), terminal_url: text(&json, "terminalUrl"), json }
    }
}

fn text(json: &Value, field: &str) -> String {
    json[field].as_str().unwrap_or_else(|| panic!("{field} is missing in {json}")).to_owned()
}

/// A test that fails says what Podling had to say.
impl Drop for Podling {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<_> = log.lines().collect();
            eprintln!("the end of podling's log:\n{}", lines[lines.len().saturating_sub(40)..].join("\n"));
        }
    }
}

/// Every file below a folder.
pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => found.extend(files_below(&entry.path())),
            _ => found.push(entry.path()),
        }
    }
    found
}
