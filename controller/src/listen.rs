//! Where runners and gateways reach this controller: a socket of its own in the data directory, and over TCP with TLS.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context;
use clap::Args;
use podling_daemon::{
    grpc,
    tls::{Identity, Pem},
    watched::Watched,
};
use podling_proto::channel::Address;
use tokio::{
    net::{TcpListener, UnixListener},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tonic::transport::server::Router;

use crate::data_dir::DataDir;

#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Control")]
pub struct ControlArgs {
    /// Where to serve runners and gateways over TCP, with TLS. Default: only on a socket in the data directory
    #[arg(long, env = "PODLING_CONTROL_LISTEN", value_name = "ADDRESS:PORT", requires = "tls_cert")]
    pub control_listen: Option<SocketAddr>,

    /// The controller's certificate, with its chain, in PEM. Read again when it changes
    #[arg(long, env = "PODLING_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,

    /// The key of the certificate, in PEM, which nobody else may read
    #[arg(long, env = "PODLING_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,

    /// Where runners reach controllers, as `https://host:port`: this one, several, or a balancer. May be repeated.
    /// Default: the sockets in the data directory
    #[arg(long, env = "PODLING_CONTROL_ADVERTISE", value_name = "URL", value_delimiter = ',', requires = "tls_ca")]
    pub control_advertise: Vec<Address>,

    /// The authority by which runners know controllers at https, in PEM
    #[arg(long, env = "PODLING_TLS_CA", value_name = "FILE")]
    pub tls_ca: Option<PathBuf>,

    /// The address of this machine on which runners serve gateways over TCP, with TLS. Default: sockets in the data
    /// directory, for gateways of this machine
    #[arg(long, env = "PODLING_RUNNER_LISTEN", value_name = "ADDRESS")]
    pub runner_listen: Option<IpAddr>,
}

impl ControlArgs {
    /// What runners of this machine are told: the socket of the controller that starts them, and then any other's.
    pub(crate) fn told_to_runners(&self, data: &DataDir, socket: &Path) -> Vec<Address> {
        if !self.control_advertise.is_empty() {
            return self.control_advertise.clone();
        }
        vec![Address::Unix(socket.to_owned()), Address::UnixIn(data.control_sockets())]
    }
}

/// Bound, and not served yet.
pub(crate) struct Listeners {
    pub(crate) socket: PathBuf,
    unix: UnixListener,
    tls: Option<Tls>,
}

struct Tls {
    listener: TcpListener,
    identity: Identity,
    files: Arc<Watched<Pem>>,
}

impl Listeners {
    /// Clears sockets of controllers that are dead, so the caller has the turn: a socket that is being bound refuses like
    /// one of the dead.
    pub(crate) async fn bind(data: &DataDir, args: &ControlArgs) -> anyhow::Result<Listeners> {
        let directory = data.control_sockets();
        clear_dead(&directory).with_context(|| format!("{} cannot be used", directory.display()))?;
        let socket = directory.join(format!("{:016x}.sock", rand::random::<u64>()));
        let unix = grpc::bind(&socket).context("the control socket cannot be bound")?;
        let tls = match (args.control_listen, &args.tls_cert, &args.tls_key) {
            (Some(listen), Some(certificate), Some(key)) => Some(Tls::bind(listen, certificate, key).await?),
            _ => None,
        };
        Ok(Listeners { socket, unix, tls })
    }

    /// Serves until `stop`.
    pub(crate) fn serve(self, router: Router, stop: &CancellationToken, tasks: &mut JoinSet<anyhow::Result<()>>) {
        if let Some(Tls { listener, identity, files }) = self.tls {
            let serve = grpc::serve_tls(listener, identity, router.clone(), stop.clone());
            tasks.spawn(async move { serve.await.context("serving over TLS failed") });
            let watch = files.run(stop.clone());
            tasks.spawn(async move {
                watch.await;
                Ok(())
            });
        }
        let serve = grpc::serve(self.unix, router, stop.clone());
        tasks.spawn(async move { serve.await.context("the control socket failed") });
    }
}

impl Tls {
    async fn bind(listen: SocketAddr, certificate: &Path, key: &Path) -> anyhow::Result<Tls> {
        let (identity, files) =
            Identity::in_files(certificate, key).context("the certificate of the controller cannot be used")?;
        let listener = TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
        Ok(Tls { listener, identity, files })
    }
}

fn clear_dead(directory: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if UnixStream::connect(&path).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused) {
            match std::fs::remove_file(&path) {
                // One that was closing has removed its own meanwhile.
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
    }
    Ok(())
}
