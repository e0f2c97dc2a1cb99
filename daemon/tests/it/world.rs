//! Authorities, certificates in files, and servers that say who they are.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
};

use futures_util::Stream;
use podling_daemon::{
    grpc,
    tls::{Identity, Pem},
    watched::Watched,
};
use podling_proto::{
    channel::{CONNECTION_WINDOW, NoRoute, Route, STREAM_WINDOW},
    control::{
        AdmitRequest, AdmitResponse, GatewayOrder, GatewayReport, GetKeysRequest, GetKeysResponse,
        gateways_client::GatewaysClient,
        gateways_server::{Gateways, GatewaysServer},
    },
    tls::Trust,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::{Request, Response, Status, Streaming, transport::Channel};

/// An authority, as an operator has one.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Authority(CertifiedIssuer::self_signed(params, key()).expect("a certificate"))
    }

    pub(crate) fn trust(&self) -> Trust {
        Trust::authority(self.0.pem().as_bytes()).expect("an authority")
    }

    /// A server's certificate and key in files, valid to the end of a year.
    pub(crate) fn certify(&self, directory: &Path, name: &str, until: i32) -> (PathBuf, PathBuf) {
        let mut params = CertificateParams::new([name.to_owned()]).expect("a name");
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(until, 12, 31);
        let key = key();
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        let paths = (directory.join("tls.crt"), directory.join("tls.key"));
        std::fs::write(&paths.0, certificate.pem()).expect("a file");
        write_secret(&paths.1, &key.serialize_pem());
        paths
    }

    /// A certificate in PEM whose key nobody has.
    pub(crate) fn certificate_of_another_key(&self) -> String {
        self.0.pem()
    }
}

fn key() -> KeyPair {
    KeyPair::generate().expect("a key")
}

fn write_secret(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, text).expect("a file");
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o600)).expect("ours");
}

/// A server on a port of its own; ends when it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) stop: CancellationToken,
    pub(crate) serving: JoinSet<()>,
    _stop: DropGuard,
}

impl Server {
    pub(crate) async fn start(name: &'static str, identity: Identity) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let stop = CancellationToken::new();
        let router = grpc::server(STREAM_WINDOW, CONNECTION_WINDOW).add_service(GatewaysServer::new(Named(name)));
        let (serve, mut serving) = (grpc::serve_tls(listener, identity, router, stop.clone()), JoinSet::new());
        serving.spawn(async move { serve.await.expect("it serves until it is stopped") });
        Server { address, _stop: stop.clone().drop_guard(), stop, serving }
    }

    /// With a certificate of an authority's.
    pub(crate) async fn certified(authority: &Authority, name: &str, until: i32) -> (Server, Files) {
        let directory = tempfile::tempdir().expect("a directory");
        let (certificate, key) = authority.certify(directory.path(), name, until);
        let (identity, pem) = Identity::in_files(&certificate, &key).expect("a pair");
        (Server::start("certified", identity).await, Files { directory, pem })
    }

    /// With a certificate of its own; its DER.
    pub(crate) async fn self_signed(name: &'static str) -> (Server, Vec<u8>) {
        let (identity, der) = Identity::self_signed("127.0.0.1").expect("a certificate");
        (Server::start(name, identity).await, der)
    }

    pub(crate) fn route(&self, host: &str, trust: &Trust) -> Result<Route, NoRoute> {
        route(&[format!("https://{host}:{}", self.address.port())], trust)
    }
}

pub(crate) fn route(addresses: &[String], trust: &Trust) -> Result<Route, NoRoute> {
    Route::new(addresses.iter().map(|address| address.parse().expect("an address")).collect(), Some(trust))
}

pub(crate) struct Files {
    pub(crate) directory: TempDir,
    pub(crate) pem: Arc<Watched<Pem>>,
}

/// Who answers.
pub(crate) async fn ask(channel: &Channel) -> Result<String, Status> {
    Ok(GatewaysClient::new(channel.clone()).get_keys(GetKeysRequest {}).await?.into_inner().jwks)
}

/// Who answers on a new connection.
pub(crate) async fn connect(route: &Route) -> Result<String, Box<dyn std::error::Error>> {
    Ok(ask(&route.connect().await?).await?)
}

/// A service that says its name.
struct Named(&'static str);

#[tonic::async_trait]
impl Gateways for Named {
    type AdmitStream = Pin<Box<dyn Stream<Item = Result<AdmitResponse, Status>> + Send>>;
    type WatchStream = Pin<Box<dyn Stream<Item = Result<GatewayOrder, Status>> + Send>>;

    async fn watch(&self, _: Request<Streaming<GatewayReport>>) -> Result<Response<Self::WatchStream>, Status> {
        Ok(Response::new(Box::pin(futures_util::stream::pending())))
    }

    async fn admit(&self, _: Request<AdmitRequest>) -> Result<Response<Self::AdmitStream>, Status> {
        Ok(Response::new(Box::pin(futures_util::stream::pending())))
    }

    async fn get_keys(&self, _: Request<GetKeysRequest>) -> Result<Response<GetKeysResponse>, Status> {
        Ok(Response::new(GetKeysResponse { jwks: self.0.to_owned(), life_millis: 0 }))
    }
}
