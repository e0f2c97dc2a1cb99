//! What operators do from the command line.

use std::{process::Stdio, time::Duration};

use serde_json::Value;
use tokio::{process::Command, time::timeout};

use crate::podling::{Podling, binary};

const PATIENCE: Duration = Duration::from_secs(60);

/// What a program says that ends well; panics with all it said otherwise.
pub async fn ran(mut command: Command) -> String {
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = timeout(PATIENCE, command.output()).await.expect("in time").expect("it can be started");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

impl Podling {
    /// What `podling admin` answers, a JSON value a line.
    pub async fn admin(&self, words: &[&str]) -> Vec<Value> {
        let mut command = Command::new(binary());
        command.arg("admin").args(words).arg("--json").arg("--data-dir").arg(self.data_dir());
        ran(command).await.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    /// A new API key: of a tenant, with what `podling admin keys create` takes behind it.
    pub async fn key(&self, words: &[&str]) -> String {
        let made = self.admin(&[&["keys", "create"], words].concat()).await;
        made[0]["secret"].as_str().unwrap_or_else(|| panic!("no secret in {made:?}")).to_owned()
    }
}
