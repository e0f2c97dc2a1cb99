//! Sessions under traffic, each with a viewer that comes back by itself.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, ensure};
use rand::random;
use tokio::{
    sync::{Semaphore, watch},
    task::JoinSet,
    time::{Instant, timeout_at},
};

use super::{
    api::Api,
    follower::{Follower, Story},
    lines::COMMAND,
};

/// How long a create may be repeated: longer than any fault lasts.
const CREATE: Duration = Duration::from_secs(60);
/// Creates under way: a machine of two processors starts no more at a time anyway.
const AT_ONCE: usize = 16;
/// How long a viewer may take from the first attach to the end of its session.
const PATIENCE: Duration = Duration::from_secs(300);

/// Sessions by the order in which they were asked for.
pub struct Fleet {
    pub uids: Vec<String>,
    progress: Vec<watch::Receiver<u64>>,
    ask_end: watch::Sender<bool>,
    followers: JoinSet<(String, Story)>,
    /// Creates that had to be repeated.
    pub put_off: usize,
}

impl Fleet {
    /// Creates so many sessions, each under an idempotency key, and attaches to each where viewers are served.
    ///
    /// # Errors
    /// When one cannot be created.
    pub async fn start(api: &Api, viewers: &str, count: usize) -> anyhow::Result<Fleet> {
        let (mut creating, turns) = (JoinSet::new(), Arc::new(Semaphore::new(AT_ONCE)));
        for _ in 0..count {
            let (api, turns, key) = (api.clone(), Arc::clone(&turns), format!("{:032x}", random::<u128>()));
            creating.spawn(async move {
                let _turn = turns.acquire().await?;
                api.create(COMMAND, &key, CREATE).await
            });
        }
        let ask_end = watch::Sender::new(false);
        let (uids, progress, followers) = (Vec::new(), Vec::new(), JoinSet::new());
        let mut fleet = Fleet { uids, progress, ask_end, followers, put_off: 0 };
        while let Some(created) = creating.join_next().await {
            let created = created??;
            let ask_end = fleet.ask_end.subscribe();
            let (follower, lines) = Follower::new(viewers, &created.uid, &created.token, ask_end);
            let uid = created.uid.clone();
            fleet.followers.spawn(async move { (uid, follower.run(PATIENCE).await) });
            fleet.uids.push(created.uid);
            fleet.progress.push(lines);
            fleet.put_off += created.put_off;
        }
        Ok(fleet)
    }

    /// Waits until each viewer has got so many more lines than it has now, and says how long that took.
    ///
    /// # Errors
    /// When one has not within the time.
    pub async fn advances(&mut self, lines: u64, within: Duration) -> anyhow::Result<Duration> {
        let began = Instant::now();
        let goals: Vec<_> = self.progress.iter().map(|progress| *progress.borrow() + lines).collect();
        for ((uid, progress), goal) in self.uids.iter().zip(&mut self.progress).zip(goals) {
            let reached = timeout_at(began + within, progress.wait_for(|lines| *lines >= goal)).await;
            let stands = || format!("the viewer of {uid} stands still at {goal} less some of {lines} lines");
            reached.with_context(stands)?.with_context(|| format!("the viewer of {uid} gave up"))?;
        }
        Ok(began.elapsed())
    }

    /// Types the end into each session; what each viewer has to tell.
    ///
    /// # Errors
    /// When a viewer broke.
    pub async fn end(mut self) -> anyhow::Result<Vec<(String, Story)>> {
        self.ask_end.send_replace(true);
        let mut stories = Vec::new();
        while let Some(story) = self.followers.join_next().await {
            stories.push(story?);
        }
        ensure!(stories.len() == self.uids.len(), "a viewer has nothing to tell");
        Ok(stories)
    }
}
