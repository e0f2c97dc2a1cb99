//! Where operators reach this controller: a port of its own, always with TLS.

use std::{
    io::{self, Write},
    net::{SocketAddr, TcpStream},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use clap::Args;
use podling_daemon::{
    grpc,
    tls::{Identity, Pem},
    watched::Watched,
};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;
use tonic::transport::server::Router;

use crate::data_dir::DataDir;

/// On one machine a connection stands or is refused at once.
const PROBE: Duration = Duration::from_millis(200);

/// Nobody writes a few lines for so long.
const WRITING: Duration = Duration::from_secs(60);

#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Administration")]
pub struct AdminArgs {
    /// Where to serve operators: the gRPC service podling.admin.v1, with TLS. Default: nowhere; for `podling up` a free
    /// port of the loopback, which `podling admin` finds in the data directory
    #[arg(long, env = "PODLING_ADMIN_LISTEN", value_name = "ADDRESS:PORT")]
    pub admin_listen: Option<SocketAddr>,

    /// The certificate of that service, with its chain, in PEM. Read again when it changes. Default: one that is made at
    /// each start, which is enough on the loopback alone
    #[arg(long, env = "PODLING_ADMIN_TLS_CERT", value_name = "FILE", requires = "admin_tls_key")]
    pub admin_tls_cert: Option<PathBuf>,

    /// The key of that certificate, in PEM, which nobody else may read. Default: the key of the one that is made
    #[arg(long, env = "PODLING_ADMIN_TLS_KEY", value_name = "FILE", requires = "admin_tls_cert")]
    pub admin_tls_key: Option<PathBuf>,

    /// The authority of the operators' own certificates, in PEM: who has none of them is not heard, and who has one needs
    /// no key. Default: operators show keys
    #[arg(long, env = "PODLING_ADMIN_CLIENT_CA", value_name = "FILE", requires = "admin_tls_cert")]
    pub admin_client_ca: Option<PathBuf>,
}

/// Bound, and not served yet.
pub(crate) struct AdminListener {
    listener: TcpListener,
    identity: Identity,
    files: Option<Arc<Watched<Pem>>>,
    /// What tells operators of this machine, until the controller ends.
    told: Option<PathBuf>,
}

impl AdminListener {
    /// `None` when operators are not served.
    pub(crate) async fn bind(data: &DataDir, args: &AdminArgs) -> anyhow::Result<Option<AdminListener>> {
        let Some(listen) = args.admin_listen else { return Ok(None) };
        let listener = TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
        let bound = listener.local_addr().context("the listener has no address")?;
        let made = match (&args.admin_tls_cert, &args.admin_tls_key) {
            (Some(certificate), Some(key)) => {
                let (identity, files) = match &args.admin_client_ca {
                    Some(authority) => Identity::for_clients_of(authority, certificate, key),
                    None => Identity::in_files(certificate, key),
                }
                .context("the certificate of the admin service cannot be used")?;
                AdminListener { listener, identity, files: Some(files), told: None }
            }
            _ => {
                ensure!(
                    bound.ip().is_loopback(),
                    "--admin-listen {bound} is no loopback address: it needs --admin-tls-cert"
                );
                let (identity, der) = Identity::self_signed_for(&["localhost", &bound.ip().to_string()])?;
                let told =
                    tell(&data.root().join("admin"), bound, &der).context("operators cannot be told of the port")?;
                AdminListener { listener, identity, files: None, told: Some(told) }
            }
        };
        Ok(Some(made))
    }

    /// Serves until `stop`. The file that tells of the port is for the caller to remove.
    pub(crate) fn serve(
        self,
        router: Router,
        stop: &CancellationToken,
        tasks: &mut JoinSet<anyhow::Result<()>>,
    ) -> Option<PathBuf> {
        let AdminListener { listener, identity, files, told } = self;
        if let Some(files) = files {
            let watch = files.run(stop.clone());
            tasks.spawn(async move {
                watch.await;
                Ok(())
            });
        }
        let serve = grpc::serve_tls(listener, identity, router, stop.clone());
        tasks.spawn(async move { serve.await.context("serving operators failed") });
        told
    }
}

/// A file of this controller's own beside those of others: `{"address": …, "certificate": PEM}`. Those of controllers that
/// died are removed.
fn tell(directory: &Path, bound: SocketAddr, der: &[u8]) -> io::Result<PathBuf> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if is_left(&path)
            && let Err(error) = std::fs::remove_file(&path)
            && error.kind() != io::ErrorKind::NotFound
        // Another controller that starts may be faster.
        {
            return Err(error);
        }
    }
    let lines = STANDARD.encode(der).into_bytes();
    let lines: Vec<_> = lines.chunks(64).map(|line| String::from_utf8_lossy(line)).collect();
    let pem = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"));
    let told = serde_json::json!({ "address": format!("https://{bound}"), "certificate": pem });
    let path = directory.join(format!("{:016x}.json", rand::random::<u64>()));
    let new = path.with_extension("new"); // Whoever reads finds all of it.
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    writeln!(file, "{told}")?;
    std::fs::rename(&new, &path)?;
    Ok(path)
}

/// Whether who wrote it does not serve any more. One that cannot be read is being written, unless it is old.
fn is_left(path: &Path) -> bool {
    let address = || {
        let told: serde_json::Value = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
        told["address"].as_str()?.strip_prefix("https://")?.parse().ok()
    };
    match address() {
        // One that is only slow serves still.
        Some(address) => TcpStream::connect_timeout(&address, PROBE)
            .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused),
        None => {
            path.metadata().and_then(|file| file.modified()).is_ok_and(|at| at.elapsed().is_ok_and(|age| age > WRITING))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controllers_that_start_at_once_clear_what_is_left_and_nothing_of_each_other() {
        let folder = tempfile::tempdir().expect("a folder");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let alive = listener.local_addr().expect("an address");
        std::thread::spawn(move || listener.incoming().for_each(drop));
        for _ in 0..10 {
            for number in 0..20 {
                let dead = folder.path().join(format!("dead-{number}.json"));
                std::fs::write(dead, r#"{"address":"https://127.0.0.1:1"}"#).expect("room");
            }
            std::thread::scope(|scope| {
                let starting = [(); 4].map(|()| scope.spawn(|| tell(folder.path(), alive, b"der").expect("told")));
                let told = starting.map(|controller| controller.join().expect("it ends"));
                assert!(told.iter().all(|path| path.exists()));
            });
        }
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 10 * 4);
    }

    #[test]
    fn a_port_is_told_beside_those_of_the_living_and_in_place_of_those_of_the_dead() {
        let folder = tempfile::tempdir().expect("a folder");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let alive = listener.local_addr().expect("an address");
        let gone = {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
            listener.local_addr().expect("an address")
        };
        let living = tell(folder.path(), alive, b"der").expect("told");
        let dead = tell(folder.path(), gone, b"der").expect("told");
        let next = tell(folder.path(), alive, &[7; 100]).expect("told");
        assert!(living.exists() && next.exists() && !dead.exists());
        let told: serde_json::Value = serde_json::from_slice(&std::fs::read(next).expect("a file")).expect("JSON");
        assert_eq!(told["address"], format!("https://{alive}"));
        assert!(told["certificate"].as_str().is_some_and(|pem| pem.lines().all(|line| line.len() <= 64)));
    }
}
