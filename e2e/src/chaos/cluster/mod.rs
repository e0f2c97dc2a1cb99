//! Two controllers and two gateways as processes of their own, a Postgres and a Redis, and a proxy on each link.

mod files;
mod service;

use std::{
    fs::File,
    io::Write,
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, ensure};
use podling_servers::{Postgres, Redis, free_port};
use rustix::process::Signal;
use tempfile::TempDir;

use self::{files::Files, service::Service};
use super::{
    api::Api,
    fault::{Dependency, Link, Role},
};
use crate::{process, proxy::Proxy};

/// How many of each service there are.
pub const REPLICAS: usize = 2;
/// Logs and sockets of some hundred sessions fit, and a disk is soon full.
const DISK: &str = "size=256m,mode=700";
/// Debian's libfaketime package puts it there.
const FAKETIME: &str = "faketime/libfaketimeMT.so.1";

pub struct Cluster {
    services: Vec<Service>,
    postgres: Postgres,
    redis: Redis,
    postgres_link: Proxy,
    redis_link: Proxy,
    control_link: Proxy,
    viewers_link: Proxy,
    api_link: Proxy,
    api: Api,
    data_dir: PathBuf,
    home: TempDir,
    is_mounted: bool,
    /// Sessions that were asked for so far, each by a key of its own.
    created: u64,
}

impl Cluster {
    /// Starts all of it.
    ///
    /// # Errors
    /// When a part does not come up; with the end of its log.
    pub async fn start() -> anyhow::Result<Cluster> {
        let home = tempfile::Builder::new().prefix("podling-chaos-").tempdir()?;
        let data_dir = home.path().join("data");
        std::fs::create_dir(&data_dir)?;
        std::fs::set_permissions(&data_dir, PermissionsExt::from_mode(0o700))?;
        let is_mounted = mount(&data_dir);
        let (postgres, redis) = (Postgres::start(), Redis::start());
        let postgres_link = Proxy::start(vec![format!("127.0.0.1:{}", postgres.port())]).await;
        let redis_link = Proxy::start(vec![format!("127.0.0.1:{}", redis.port())]).await;
        let ports: Vec<u16> = (0..3 * REPLICAS).map(|_| free_port()).collect();
        let (apis, rest) = ports.split_at(REPLICAS);
        let (controls, gateways) = rest.split_at(REPLICAS);
        let control_link = Proxy::start(controls.iter().copied().map(local).collect()).await;
        let api_link = Proxy::start(apis.iter().copied().map(local).collect()).await;
        let viewers_link = Proxy::start(gateways.iter().copied().map(local).collect()).await;
        let files = Files::write(home.path())?;
        let database = through(&postgres.url("postgres"), postgres.port(), &postgres_link);
        let spent = through(&redis.url(), redis.port(), &redis_link);
        let control = format!("https://127.0.0.1:{}", control_link.address.port());
        let mut services = Vec::new();
        for place in 0..REPLICAS {
            let mut arguments = files.controller_arguments(&data_dir, &control);
            arguments.extend(["--listen".into(), local(apis[place]), "--control-listen".into()]);
            arguments.extend([local(controls[place]), "--public-url".into(), viewers_url(&viewers_link)]);
            // Where they may hold a password, URLs are no arguments.
            let urls = [("PODLING_POSTGRES", &database), ("PODLING_REDIS", &spent)];
            services.push(Service::new(home.path(), ("controller", place), apis[place], arguments, &urls));
        }
        for (place, port) in gateways.iter().enumerate() {
            let mut arguments = files.gateway_arguments(&control);
            arguments.extend(["--listen".into(), local(*port)]);
            let urls = [("PODLING_REDIS", &spent)];
            services.push(Service::new(home.path(), ("gateway", place), *port, arguments, &urls));
        }
        for service in &mut services {
            service.start().await?;
        }
        let key = std::fs::read_to_string(data_dir.join("operator.key")).context("there is no operator's key")?;
        let api = Api::new(format!("http://{}", api_link.address), key.trim().to_owned())?;
        Ok(Cluster {
            services,
            postgres,
            redis,
            postgres_link,
            redis_link,
            control_link,
            viewers_link,
            api_link,
            api,
            data_dir,
            home,
            is_mounted,
            created: 0,
        })
    }

    pub fn api(&self) -> &Api {
        &self.api
    }

    /// Where viewers attach.
    pub fn viewers(&self) -> String {
        viewers_url(&self.viewers_link)
    }

    /// The database itself, past the proxy.
    pub fn database(&self) -> String {
        self.postgres.url("postgres")
    }

    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// So many sessions more were asked for.
    pub fn note_created(&mut self, sessions: usize) {
        self.created += sessions as u64;
    }

    pub fn created(&self) -> u64 {
        self.created
    }

    pub fn link(&self, link: Link) -> &Proxy {
        match link {
            Link::Viewers => &self.viewers_link,
            Link::Api => &self.api_link,
            Link::Control => &self.control_link,
            Link::Postgres => &self.postgres_link,
            Link::Redis => &self.redis_link,
        }
    }

    pub fn stop(&mut self, dependency: Dependency) {
        match dependency {
            Dependency::Postgres => self.postgres.stop(),
            Dependency::Redis => self.redis.stop(),
        }
    }

    pub fn resume(&mut self, dependency: Dependency) {
        match dependency {
            Dependency::Postgres => self.postgres.restart(),
            Dependency::Redis => self.redis.restart(),
        }
    }

    /// As if Redis had failed over to a copy that knows nothing.
    pub fn forget_tokens(&mut self) {
        self.redis.kill();
        self.redis.restart();
    }

    /// Where one process listens: a controller to callers of the API, a gateway to viewers.
    pub fn address(&self, role: Role, place: usize) -> String {
        local(self.services[number(role, place)].port)
    }

    /// Redis itself, past the proxy.
    pub fn redis(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.redis.port()).into()
    }

    fn service(&mut self, role: Role, place: usize) -> &mut Service {
        &mut self.services[number(role, place)]
    }

    pub fn signal(&mut self, role: Role, place: usize, signal: Signal) -> anyhow::Result<()> {
        process::signal(self.service(role, place).pid()?, signal);
        Ok(())
    }

    /// Ends one process by a signal, and starts it again when it has ended.
    ///
    /// # Errors
    /// When it does not end, or does not come up.
    pub async fn restart(&mut self, role: Role, place: usize, signal: Signal) -> anyhow::Result<()> {
        let service = self.service(role, place);
        service.end(signal).await?;
        service.start().await
    }

    /// kill -9 of one process, which is gone on return.
    ///
    /// # Errors
    /// When it does not run.
    pub async fn kill(&mut self, role: Role, place: usize) -> anyhow::Result<()> {
        self.service(role, place).end(Signal::KILL).await
    }

    /// Starts a process again that was killed.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn revive(&mut self, role: Role, place: usize) -> anyhow::Result<()> {
        self.service(role, place).start().await
    }

    /// Restarts a controller in a clock that is ahead. It stays so until it is restarted once more.
    ///
    /// # Errors
    /// As [`Cluster::restart`], and where the library that shifts clocks is not installed.
    pub async fn shift_clock(&mut self, place: usize, ahead: Duration) -> anyhow::Result<()> {
        let library = faketime()?;
        let service = self.service(Role::Controller, place);
        service.clock = vec![
            ("LD_PRELOAD", library),
            ("FAKETIME", format!("+{}s", ahead.as_secs())),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ];
        self.restart(Role::Controller, place, Signal::TERM).await
    }

    /// All clocks are right again.
    ///
    /// # Errors
    /// As [`Cluster::restart`].
    pub async fn set_clocks(&mut self) -> anyhow::Result<()> {
        for place in 0..REPLICAS {
            if !std::mem::take(&mut self.service(Role::Controller, place).clock).is_empty() {
                self.restart(Role::Controller, place, Signal::TERM).await?;
            }
        }
        Ok(())
    }

    /// Fills the disk of the data directory; the file to remove then.
    ///
    /// # Errors
    /// When it has no disk of its own, which needs root.
    pub fn fill_disk(&self) -> anyhow::Result<PathBuf> {
        ensure!(self.is_mounted, "the data directory has no disk of its own: that needs root");
        let path = self.home.path().join("data/ballast");
        let mut file = File::create(&path)?;
        let block = vec![0; 1 << 20];
        loop {
            match file.write_all(&block) {
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::StorageFull => return Ok(path),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Each service's name and process.
    ///
    /// # Errors
    /// When one does not run.
    pub fn processes(&self) -> anyhow::Result<Vec<(String, i32)>> {
        self.services.iter().map(|service| Ok((service.name.clone(), service.pid()?))).collect()
    }

    /// The end of each service's log.
    pub fn logs(&self) -> String {
        self.services.iter().map(Service::end_of_log).collect()
    }

    /// Ends every service as an operator does.
    ///
    /// # Errors
    /// When one does not end by itself in time, or not well.
    pub async fn end(mut self) -> anyhow::Result<()> {
        for service in self.services.iter_mut().rev() {
            service.end(Signal::TERM).await?;
        }
        Ok(())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.services.clear(); // Their children are killed with them.
        if self.is_mounted {
            // Lazily: a runner that is just ending may still hold it.
            let _ = Command::new("umount").arg("--lazy").arg(&self.data_dir).status();
        }
    }
}

fn number(role: Role, place: usize) -> usize {
    let first = if role == Role::Controller { 0 } else { REPLICAS };
    first + place
}

fn local(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

/// A server's URL, by way of a proxy.
fn through(url: &str, port: u16, proxy: &Proxy) -> String {
    url.replace(&format!(":{port}"), &format!(":{}", proxy.address.port()))
}

fn viewers_url(proxy: &Proxy) -> String {
    format!("http://{}", proxy.address)
}

/// Gives the directory a small disk of its own, which only root can; whether it did.
fn mount(directory: &Path) -> bool {
    let mut mount = Command::new("mount");
    mount.args(["-t", "tmpfs", "-o", DISK, "podling-chaos"]).arg(directory).stderr(Stdio::null());
    rustix::process::geteuid().is_root() && mount.status().is_ok_and(|status| status.success())
}

fn faketime() -> anyhow::Result<String> {
    let folders = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"];
    let found = folders.iter().map(|folder| Path::new(folder).join(FAKETIME)).find(|path| path.is_file());
    Ok(found.context("libfaketime is not installed")?.display().to_string())
}
