//! What is done to a cluster.

use std::time::Duration;

use anyhow::ensure;
use rustix::process::Signal;
use tokio::time::{Instant, sleep};

use super::cluster::{Cluster, REPLICAS};
use crate::proxy::{Links, Proxy};

/// How long what is stopped stays stopped.
const STOPPED: Duration = Duration::from_secs(10);
/// Longer than a runner waits for a controller that refuses, shorter than a session may be silent.
const FROZEN: Duration = Duration::from_secs(15);
/// How long a link is bad.
const BAD_LINK: Duration = Duration::from_secs(5);
const SLOW: Links = Links::Slow { bytes_per_second: 20_000.0 };
/// How soon the API must say that its database is away.
const REFUSAL: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Controller,
    Gateway,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dependency {
    Postgres,
    Redis,
}

/// Links that can be made bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    Viewers,
    Api,
    Control,
    Postgres,
    Redis,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    Kill(Role),
    Terminate(Role),
    Freeze(Role),
    /// Every process of every service, one after the other.
    RollingRestart,
    Restart(Dependency),
    Stop(Dependency),
    RedisLosesItsData,
    Cut(Link),
    Slow(Link),
    Silent(Link),
    FullDisk,
    /// Of one controller, by five minutes.
    ClockAhead,
}

use Fault::{
    ClockAhead, Cut, Freeze, FullDisk, Kill, RedisLosesItsData, Restart, RollingRestart, Silent, Slow, Stop, Terminate,
};

impl Fault {
    pub const ALL: [Fault; 26] = [
        Kill(Role::Controller),
        Kill(Role::Gateway),
        Terminate(Role::Controller),
        Terminate(Role::Gateway),
        Freeze(Role::Controller),
        Freeze(Role::Gateway),
        RollingRestart,
        Restart(Dependency::Postgres),
        Stop(Dependency::Postgres),
        Restart(Dependency::Redis),
        Stop(Dependency::Redis),
        RedisLosesItsData,
        Cut(Link::Viewers),
        Cut(Link::Api),
        Cut(Link::Control),
        Cut(Link::Postgres),
        Cut(Link::Redis),
        Slow(Link::Viewers),
        Slow(Link::Control),
        Slow(Link::Postgres),
        Silent(Link::Viewers),
        Silent(Link::Control),
        Silent(Link::Postgres),
        Silent(Link::Redis),
        FullDisk,
        ClockAhead,
    ];

    /// Those of every CI run.
    pub const SHORT: [Fault; 7] = [
        Kill(Role::Controller),
        Kill(Role::Gateway),
        Terminate(Role::Gateway),
        Restart(Dependency::Postgres),
        RedisLosesItsData,
        Cut(Link::Viewers),
        ClockAhead,
    ];

    /// A name for the command line.
    pub fn name(self) -> String {
        let part = |part: &dyn std::fmt::Debug| format!("{part:?}").to_lowercase();
        match self {
            Kill(role) => format!("kill-{}", part(&role)),
            Terminate(role) => format!("terminate-{}", part(&role)),
            Freeze(role) => format!("freeze-{}", part(&role)),
            RollingRestart => "rolling-restart".to_owned(),
            Restart(dependency) => format!("restart-{}", part(&dependency)),
            Stop(dependency) => format!("stop-{}", part(&dependency)),
            RedisLosesItsData => "redis-loses-its-data".to_owned(),
            Cut(link) => format!("cut-{}", part(&link)),
            Slow(link) => format!("slow-{}", part(&link)),
            Silent(link) => format!("silent-{}", part(&link)),
            FullDisk => "full-disk".to_owned(),
            ClockAhead => "clock-ahead".to_owned(),
        }
    }

    /// What a reader of the report is told.
    pub fn title(self) -> String {
        let role = |role| if role == Role::Controller { "a controller" } else { "a gateway" };
        let link = |link| match link {
            Link::Viewers => "between viewers and gateways",
            Link::Api => "from scripts to controllers",
            Link::Control => "from runners and gateways to controllers",
            Link::Postgres => "to Postgres",
            Link::Redis => "to Redis",
        };
        match self {
            Kill(of) => format!("kill -9 of {}", role(of)),
            Terminate(of) => format!("SIGTERM to {}", role(of)),
            Freeze(of) => format!("{} stands still for {} s", role(of), FROZEN.as_secs()),
            RollingRestart => "every service restarted, one after the other".to_owned(),
            Restart(dependency) => format!("{dependency:?} restarted"),
            Stop(dependency) => format!("{dependency:?} away for {} s", STOPPED.as_secs()),
            RedisLosesItsData => "Redis loses its data".to_owned(),
            Cut(of) => format!("every connection {} cut", link(of)),
            Slow(of) => format!("20 kB/s {} for {} s", link(of), BAD_LINK.as_secs()),
            Silent(of) => format!("half-open connections {} for {} s", link(of), BAD_LINK.as_secs()),
            FullDisk => format!("the disk of the data directory full for {} s", BAD_LINK.as_secs()),
            ClockAhead => "a controller whose clock is 5 minutes ahead".to_owned(),
        }
    }

    /// Whether sessions that are created meanwhile may end for it, as long as they tell why.
    pub fn ends_new_sessions(self) -> bool {
        self == FullDisk
    }

    /// Does it, and undoes it.
    ///
    /// # Errors
    /// When it cannot be done here, or something that must be true meanwhile is not.
    pub async fn happen(self, cluster: &mut Cluster) -> anyhow::Result<()> {
        match self {
            Kill(role) => cluster.restart(role, 0, Signal::KILL).await,
            Terminate(role) => cluster.restart(role, 0, Signal::TERM).await,
            Freeze(role) => freeze(cluster, role).await,
            RollingRestart => roll(cluster).await,
            Restart(dependency) => {
                cluster.stop(dependency);
                cluster.resume(dependency);
                Ok(())
            }
            Stop(dependency) => stop(cluster, dependency).await,
            RedisLosesItsData => {
                cluster.forget_tokens();
                Ok(())
            }
            Cut(link) => {
                let proxy = cluster.link(link);
                ensure!(proxy.cut() > 0, "no connection was there to be cut");
                Ok(())
            }
            Slow(link) => bad(cluster.link(link), SLOW).await,
            Silent(link) => bad(cluster.link(link), Links::Silent).await,
            FullDisk => {
                let ballast = cluster.fill_disk()?;
                sleep(BAD_LINK).await;
                std::fs::remove_file(ballast)?;
                Ok(())
            }
            ClockAhead => cluster.shift_clock(0, Duration::from_secs(300)).await,
        }
    }
}

async fn freeze(cluster: &mut Cluster, role: Role) -> anyhow::Result<()> {
    cluster.signal(role, 0, Signal::STOP)?;
    sleep(FROZEN).await;
    cluster.signal(role, 0, Signal::CONT)
}

async fn roll(cluster: &mut Cluster) -> anyhow::Result<()> {
    for role in [Role::Controller, Role::Gateway] {
        for place in 0..REPLICAS {
            cluster.restart(role, place, Signal::TERM).await?;
        }
    }
    Ok(())
}

async fn stop(cluster: &mut Cluster, dependency: Dependency) -> anyhow::Result<()> {
    let began = Instant::now();
    cluster.stop(dependency);
    if dependency == Dependency::Postgres {
        let answered = cluster.api().refusal().await?;
        ensure!(answered <= REFUSAL, "the API took {answered:?} to say that its database is away");
    }
    sleep(STOPPED.saturating_sub(began.elapsed())).await;
    cluster.resume(dependency);
    Ok(())
}

async fn bad(proxy: &Proxy, links: Links) -> anyhow::Result<()> {
    proxy.set(links);
    sleep(BAD_LINK).await;
    proxy.set(Links::Up);
    if links == Links::Silent {
        proxy.cut(); // As a router does that has lost its state: what comes then is reset.
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_fault_has_a_name_of_its_own() {
        let names: BTreeSet<_> = Fault::ALL.iter().map(|fault| fault.name()).collect();
        assert_eq!(names.len(), Fault::ALL.len());
        assert!(names.contains("kill-gateway") && names.contains("redis-loses-its-data"));
        assert!(Fault::SHORT.iter().all(|fault| Fault::ALL.contains(fault)));
    }
}
