//! The runners of a Podling: as its store knows them, and what the machine has of them.

use std::time::Duration;

use crate::{
    podling::{Podling, START},
    process,
    wait::until,
};

impl Podling {
    /// Waits until nothing is left of a session: no runner's folder, process or cgroup. Runners of the pool that nobody
    /// has claimed, and those of other sessions, stay.
    pub async fn released(&self, uid: &str, within: Duration) {
        let known = self.names_of(uid).await.unwrap_or_default(); // The row may be pruned before all is gone.
        until(&format!("session {uid} released"), within, async || {
            let mut left = Vec::new();
            for launch in self.launches() {
                if self.serves(&launch).await? == Serves::Unknown {
                    left.push(format!("runner {launch}, which is in no row"));
                }
            }
            for launch in known.iter().cloned().chain(self.names_of(uid).await?) {
                left.extend(self.launches().contains(&launch).then(|| format!("the folder of {launch}")));
                left.extend(process::with_argument(&launch).into_iter().map(|process| format!("{process:?}")));
                left.extend(process::cgroups_named(&launch));
            }
            if left.is_empty() { Ok(()) } else { Err(left.join(", ")) }
        })
        .await;
    }

    /// The name of the launch that serves a session, as the store has it.
    pub async fn launch(&self, uid: &str) -> String {
        until(&format!("session {uid} launched"), START, async || {
            self.claimed(uid).await?.ok_or_else(|| "it has no runner".to_owned())
        })
        .await
    }

    /// All names under which a session's runner may be known: that of the launch it would have, and of the one it has.
    async fn names_of(&self, uid: &str) -> Result<Vec<String>, String> {
        Ok([uid.replace('-', "")].into_iter().chain(self.claimed(uid).await?).collect())
    }

    /// The launch that serves a session now.
    async fn claimed(&self, uid: &str) -> Result<Option<String>, String> {
        let row = self.store.text("SELECT launch FROM runners WHERE CAST(uid AS text) = $1", uid).await?;
        Ok(row.flatten())
    }

    /// The launches that have a folder.
    pub fn launches(&self) -> Vec<String> {
        let folders = std::fs::read_dir(self.data_dir().join("runners")).into_iter().flatten().flatten();
        folders.filter_map(|entry| entry.file_name().into_string().ok()).collect()
    }

    /// Whom a launch serves, as the store has it.
    ///
    /// # Errors
    /// What the store says.
    pub async fn serves(&self, launch: &str) -> Result<Serves, String> {
        let row = self.store.text("SELECT CAST(uid AS text) FROM runners WHERE launch = $1", launch).await?;
        Ok(match row {
            None if !launch.starts_with("warm-") => Serves::Session(launch.to_owned()),
            None => Serves::Unknown,
            Some(None) => Serves::Nobody,
            Some(Some(uid)) => Serves::Session(uid),
        })
    }

    /// Whether a runner that waits can be claimed: it has registered, and a controller has its control stream, which
    /// comes a moment later and is told in its log alone.
    ///
    /// # Errors
    /// What the store says.
    pub async fn is_claimable(&self, launch: &str) -> Result<bool, String> {
        let sql = "SELECT id FROM runners WHERE launch = $1 AND credential_used AND uid IS NULL";
        let runner = self.store.text(sql, launch).await?.flatten();
        Ok(runner.is_some_and(|runner| self.log().contains(&format!("warm runner {runner} is connected"))))
    }
}

/// Whom a launch serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Serves {
    /// A session, by its uid; by its launch's name where the store has no row of the runner yet.
    Session(String),
    /// It waits to be claimed.
    Nobody,
    /// The store does not know it.
    Unknown,
}
