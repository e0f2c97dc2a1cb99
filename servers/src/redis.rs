//! A Redis of a test's own.

use std::{ffi::OsStr, path::Path};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::{
    certificates,
    guarded::{self, Guarded},
    port::free_port,
    tree,
};

const READY: &str = "Ready to accept connections";
/// Starts, in case that others take the free ports meanwhile.
const ATTEMPTS: usize = 5;

/// Redis 7 without persistence: a restart or a kill loses all data.
pub struct Redis {
    folder: TempDir,
    port: u16,
    tls: Option<Tls>,
    running: Option<Guarded>,
}

struct Tls {
    ca: String,
    password: String,
}

impl Redis {
    /// Plain, without a password.
    pub fn start() -> Redis {
        Redis::start_as(None)
    }

    /// TLS alone, by a certificate for `localhost` and 127.0.0.1, and a password.
    pub fn start_with_tls_and_password() -> Redis {
        let made = certificates::certificates();
        let redis = Redis::start_as(Some(&made));
        assert!(redis.tls.is_some());
        redis
    }

    fn start_as(certificates: Option<&certificates::Certificates>) -> Redis {
        let folder = guarded::folder("redis");
        let path = folder.path().to_owned();
        let tls = certificates.map(|made| {
            let files = [("ca.pem", &made.ca), ("server.pem", &made.certificate), ("server.key", &made.key)];
            files.iter().for_each(|(name, pem)| guarded::write(&path.join(name), pem));
            Tls { ca: made.ca.clone(), password: password() }
        });
        let mut redis = Redis { folder, port: 0, tls, running: None };
        let mut failures = Vec::new();
        for _ in 0..ATTEMPTS {
            redis.port = free_port();
            guarded::write(&path.join("redis.conf"), &redis.configuration());
            match run(&path) {
                Ok(server) => {
                    redis.running = Some(server);
                    return redis;
                }
                Err(said) => failures.push(said),
            }
        }
        panic!("redis-server does not start: {failures:#?}");
    }

    /// In a file, for a password must not be an argument.
    fn configuration(&self) -> String {
        let (folder, port) = (self.folder.path().display(), self.port);
        let mut lines = format!("bind 127.0.0.1\nsave \"\"\nappendonly no\ndaemonize no\ndir {folder}\n");
        match &self.tls {
            None => lines.push_str(&format!("port {port}\n")),
            Some(Tls { password, .. }) => lines.push_str(&format!(
                "port 0\ntls-port {port}\ntls-cert-file {folder}/server.pem\ntls-key-file {folder}/server.key\n\
                tls-ca-cert-file {folder}/ca.pem\ntls-auth-clients no\nrequirepass {password}\n"
            )),
        }
        lines
    }

    /// `redis://127.0.0.1:PORT`, or `rediss://:PASSWORD@localhost:PORT`.
    pub fn url(&self) -> String {
        match &self.tls {
            None => format!("redis://127.0.0.1:{}", self.port),
            Some(tls) => format!("rediss://:{}@localhost:{}", tls.password, self.port),
        }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// None without TLS.
    pub fn password(&self) -> Option<&str> {
        self.tls.as_ref().map(|tls| tls.password.as_str())
    }

    /// The certificate authority. Panics without TLS.
    pub fn ca_pem(&self) -> &str {
        &self.tls.as_ref().expect("started with TLS").ca
    }

    /// Orderly, and gone on return. Stopping again changes nothing.
    pub fn stop(&mut self) {
        self.end(Signal::TERM);
    }

    /// SIGKILL, and gone on return.
    pub fn kill(&mut self) {
        self.end(Signal::KILL);
    }

    /// Runs again, empty, on the same port; ready on return.
    pub fn restart(&mut self) {
        self.stop();
        self.running = Some(run(self.folder.path()).expect("it ran before"));
    }

    /// SIGSTOP: connections stay open and nobody answers.
    pub fn pause(&self) {
        tree::signal_all(self.running.as_ref().expect("it runs").pid, Signal::STOP);
    }

    pub fn resume(&self) {
        tree::signal_all(self.running.as_ref().expect("it runs").pid, Signal::CONT);
    }

    fn end(&mut self, signal: Signal) {
        if let Some(mut server) = self.running.take() {
            server.end(signal);
        }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}

fn run(folder: &Path) -> Result<Guarded, String> {
    let mut words = guarded::unprivileged(OsStr::new("redis-server"));
    words.push(folder.join("redis.conf").into_os_string());
    Guarded::start(folder, "KILL", &words, READY)
}

fn password() -> String {
    let name = tempfile::Builder::new().prefix("secret").rand_bytes(24).tempfile().expect("a temporary file");
    name.path().file_name().expect("a file has a name").to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::TcpStream,
        time::Duration,
    };

    use super::*;

    fn ping(port: u16) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_millis(300)))?;
        stream.write_all(b"PING\r\n")?;
        let mut answer = [0; 7];
        stream.read_exact(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    #[test]
    fn a_redis_answers_stops_and_comes_back_on_its_port() {
        let mut redis = Redis::start();
        let (port, folder) = (redis.port(), redis.folder.path().to_owned());
        assert_eq!(ping(port).expect("it answers"), "+PONG\r\n");
        redis.pause();
        assert!(ping(port).is_err());
        redis.resume();
        assert!(ping(port).is_ok());
        redis.kill();
        assert!(ping(port).is_err());
        redis.restart();
        assert!(ping(port).is_ok());
        drop(redis);
        assert!(ping(port).is_err() && !folder.exists());
    }

    #[test]
    fn a_redis_with_tls_answers_no_plain_client() {
        let redis = Redis::start_with_tls_and_password();
        assert!(redis.url().starts_with("rediss://:secret") && redis.ca_pem().starts_with("-----BEGIN CERTIFICATE"));
        assert!(ping(redis.port()).is_err());
    }
}
