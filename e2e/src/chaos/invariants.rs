//! What must be true whatever failed.

use std::{collections::BTreeMap, path::Path, time::Duration};

use tokio::time::{Instant, sleep};

use super::{follower::Story, lines::EXIT_CODE};
use crate::store::Database;

/// How long a session that has ended may be held.
const HELD: Duration = Duration::from_secs(60);
const BETWEEN: Duration = Duration::from_millis(200);

/// What is wrong with what a viewer saw; it asked the command to end.
pub fn of_viewer(uid: &str, story: &Story) -> Vec<String> {
    let mut wrong: Vec<String> = story.lines.fault().into_iter().collect();
    wrong.extend(story.locked_out.as_ref().map(|why| format!("it was locked out: {why}")));
    let code = story.exit.as_ref().and_then(|exit| exit["exit_code"].as_i64());
    if !story.lines.ended || code != Some(EXIT_CODE) {
        wrong.push(format!("it saw {} lines and this end: {:?}", story.lines.count, story.exit));
    }
    wrong.into_iter().map(|what| format!("viewer of {uid}: {what}")).collect()
}

/// The store, as no API shows it.
pub struct Store {
    database: Database,
}

impl Store {
    /// # Errors
    /// When the database cannot be reached.
    pub async fn open(url: &str) -> anyhow::Result<Store> {
        Ok(Store { database: Database::connect(url).await? })
    }

    /// What is wrong with the sessions when all should have ended: waits as long as they may be held.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn settled(&self) -> anyhow::Result<Vec<String>> {
        let deadline = Instant::now() + HELD;
        let held = "SELECT uid::text, phase FROM sessions WHERE release = 'held' ORDER BY uid";
        loop {
            let rows = self.database.client.query(held, &[]).await?;
            if rows.is_empty() {
                break;
            }
            if Instant::now() >= deadline {
                let tell = |row: &tokio_postgres::Row| {
                    let (uid, phase): (String, String) = (row.get(0), row.get(1));
                    format!("session {uid} is {phase} and held after {HELD:?}")
                };
                return Ok(rows.iter().map(tell).collect());
            }
            sleep(BETWEEN).await;
        }
        self.histories().await
    }

    /// What is wrong with the number of sessions: each key made one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn holds(&self, created: u64) -> anyhow::Result<Option<String>> {
        let row = self.database.client.query_one("SELECT count(*) FROM sessions", &[]).await?;
        let held: i64 = row.get(0);
        Ok((u64::try_from(held) != Ok(created)).then(|| format!("{created} keys made {held} sessions")))
    }

    /// Each session's events tell of one life: created first, ended once and released once, nothing beside it.
    async fn histories(&self) -> anyhow::Result<Vec<String>> {
        let mut wrong = Vec::new();
        let unended = "SELECT uid::text FROM sessions WHERE phase <> 'ended' OR end_reason IS NULL";
        for row in self.database.client.query(unended, &[]).await? {
            wrong.push(format!("session {} has no end", row.get::<_, String>(0)));
        }
        let events = "SELECT uid::text, sequence, kind FROM events ORDER BY uid, sequence";
        let mut lives: BTreeMap<String, Vec<(i64, String)>> = BTreeMap::new();
        for row in self.database.client.query(events, &[]).await? {
            lives.entry(row.get(0)).or_default().push((row.get(1), row.get(2)));
        }
        for (uid, events) in &lives {
            wrong.extend(disorder(events).map(|what| format!("session {uid}: {what}: {events:?}")));
        }
        Ok(wrong)
    }
}

/// What is out of order in the events of one session.
fn disorder(events: &[(i64, String)]) -> Option<&'static str> {
    let times = |kind: &str| events.iter().filter(|(_, other)| other == kind).count();
    let place = |kind: &str| events.iter().position(|(_, other)| other == kind);
    if !(1..).zip(events).all(|(wanted, (sequence, _))| *sequence == wanted) {
        return Some("an event is missing");
    }
    if place("session.created") != Some(0) {
        return Some("it was not created first");
    }
    for kind in ["session.created", "session.running", "session.ended", "session.released"] {
        if times(kind) > 1 {
            return Some("it was twice in one phase");
        }
    }
    if place("session.ended").is_none() {
        return Some("it has no end");
    }
    (place("session.running") > place("session.ended")).then_some("it ran after its end")
}

/// Runners that are left below a data directory although every session is released. Those of the pool may be.
pub fn left_runners(data_dir: &Path) -> Vec<String> {
    let folders = std::fs::read_dir(data_dir.join("runners")).into_iter().flatten().flatten();
    let names = folders.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| !name.starts_with("warm-")).map(|name| format!("runner {name} is left")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_in_disorder_is_told() {
        let check = |kinds: &[&str], expected: Option<&str>| {
            let events: Vec<_> = (1..).zip(kinds.iter().map(|kind| format!("session.{kind}"))).collect();
            assert_eq!(disorder(&events), expected, "{kinds:?}");
        };
        check(&["created", "starting", "running", "ended", "released"], None);
        check(&["created", "ended", "released"], None);
        check(&["created", "running", "running", "ended"], Some("it was twice in one phase"));
        check(&["created", "ended", "running"], Some("it ran after its end"));
        check(&["created", "running"], Some("it has no end"));
        check(&["running", "ended"], Some("it was not created first"));
        assert_eq!(disorder(&[(2, "session.created".to_owned())]), Some("an event is missing"));
    }
}
