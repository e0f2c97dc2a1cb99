//! The real Firebase Auth emulator, at a port of its own.

use std::{process::Stdio, time::Duration};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use podling_servers::free_port;

use crate::{wait::until, workspace::e2e};

pub const PROJECT: &str = "demo-podling";
/// It loads some thousand files, beside whatever else the machine does.
const START: Duration = Duration::from_secs(120);

/// Ends with whoever holds it.
pub struct Emulator {
    pub host: String,
    _child: Child,
    _home: TempDir,
}

impl Emulator {
    pub async fn start() -> Emulator {
        let home = tempfile::Builder::new().prefix("podling-firebase-").tempdir().expect("a temporary folder");
        let port = free_port();
        let at = |port: u16| json!({ "host": "127.0.0.1", "port": port });
        let emulators = json!({
            "auth": at(port), "hub": at(free_port()), "logging": at(free_port()), "ui": { "enabled": false },
            "singleProjectMode": true,
        });
        let config = home.path().join("firebase.json");
        std::fs::write(&config, json!({ "emulators": emulators }).to_string()).expect("room for a file");
        let program = e2e().join("firebase/node_modules/firebase-tools/lib/bin/firebase.js");
        assert!(program.is_file(), "`cargo xtask setup` installs firebase-tools");
        let log = std::fs::File::create(home.path().join("emulator.log")).expect("room for a file");
        let child = Command::new("node")
            .arg(program)
            .args(["emulators:start", "--only", "auth", "--project", PROJECT, "--config"])
            .arg(&config)
            .current_dir(home.path())
            .env("HOME", home.path())
            .env("TMPDIR", home.path())
            .env("CI", "1")
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("another handle"))
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .expect("node runs");
        let emulator = Emulator { host: format!("127.0.0.1:{port}"), _child: child, _home: home };
        until("the emulator answers", START, || emulator.is_ready()).await;
        emulator
    }

    async fn is_ready(&self) -> anyhow::Result<()> {
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(2)).build();
        let asked = client.expect("a client without TLS files always builds").get(format!("http://{}/", self.host));
        let answer: Value = asked.send().await?.json().await?;
        anyhow::ensure!(answer["authEmulator"]["ready"] == true, "it says {answer}");
        Ok(())
    }
}
