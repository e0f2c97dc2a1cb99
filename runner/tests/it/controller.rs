//! A controller with one session and no store: it assigns, answers, and remembers what it was told.

use std::{path::Path, pin::Pin, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use futures_util::{Stream, StreamExt, stream};
use jiff::Timestamp;
use podling_daemon::{grpc, tls::Identity};
use podling_proto::control::{
    Assign, Beat, BundlePiece, FetchBundleRequest, Heartbeat, LeaseAnswer, LeaseChange, Order, RegisterRequest,
    RegisterResponse, ReportRequest, ReportResponse, Segment, SegmentResponse, Stop, order, report_request,
    runners_server::{Runners, RunnersServer},
};
use tokio::{
    net::TcpListener,
    runtime::{Builder, Runtime},
    sync::watch,
};
use tokio_stream::wrappers::WatchStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming, transport::server::Router};

pub(crate) const SECRET: &str = "the bootstrap secret";
const CREDENTIAL: &str = "a credential";

/// What the controller was told so far.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) registered: watch::Sender<Vec<RegisterRequest>>,
    pub(crate) reports: watch::Sender<Vec<ReportRequest>>,
    pub(crate) segments: watch::Sender<Vec<Segment>>,
    pub(crate) heartbeat: watch::Sender<Option<Heartbeat>>,
}

pub(crate) struct Controller {
    pub(crate) told: Arc<Told>,
    stop: watch::Sender<Option<Stop>>,
    /// Of its own, so that it can die with all of its connections.
    runtime: Option<Runtime>,
}

#[derive(Clone)]
struct Service {
    assign: Assign,
    told: Arc<Told>,
    stop: watch::Sender<Option<Stop>>,
}

impl Controller {
    pub(crate) fn start(socket: &Path, assign: Assign) -> Controller {
        Controller::serve(assign, |router| {
            let listener = grpc::bind(socket).expect("a socket");
            grpc::serve(listener, router, CancellationToken::new())
        })
    }

    /// On TCP, with a certificate of its own in a file for its runner, and the address to find it at.
    pub(crate) fn start_tls(ca: &Path, assign: Assign) -> (Controller, String) {
        let (identity, certificate) = Identity::self_signed("127.0.0.1").expect("a certificate");
        std::fs::write(ca, pem(&certificate)).expect("a file");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("ours");
        let address = format!("https://{}", listener.local_addr().expect("bound"));
        let controller = Controller::serve(assign, |router| {
            let listener = TcpListener::from_std(listener).expect("registered");
            grpc::serve_tls(listener, identity, router, CancellationToken::new())
        });
        (controller, address)
    }

    fn serve<F>(assign: Assign, serving: impl FnOnce(Router) -> F) -> Controller
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let (told, stop) = (Arc::new(Told::default()), watch::Sender::new(None));
        let service = Service { assign, told: Arc::clone(&told), stop: stop.clone() };
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let within = runtime.enter();
        let router = grpc::server(1 << 20, 1 << 20).add_service(RunnersServer::new(service));
        runtime.spawn(serving(router));
        drop(within);
        Controller { told, stop, runtime: Some(runtime) }
    }

    /// Orders the runner to stop.
    pub(crate) fn stop(&self, reason: &str, detail: &str, grace_millis: u64) {
        let stop = Stop { reason: reason.to_owned(), detail: detail.to_owned(), grace_millis };
        self.stop.send_replace(Some(stop));
    }

    /// Dies: connections are cut and new ones refused.
    pub(crate) fn die(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// A runtime must not be dropped where the test awaits.
impl Drop for Controller {
    fn drop(&mut self) {
        self.die();
    }
}

impl Told {
    /// The phases reported so far, by their names.
    pub(crate) fn phases(reports: &[ReportRequest]) -> Vec<String> {
        let name = |report: &ReportRequest| match report.phase.clone().expect("a phase") {
            report_request::Phase::Stage(stage) => stage,
            report_request::Phase::Running(_) => "running".to_owned(),
            report_request::Phase::Ended(ended) => ended.exit.expect("an exit").reason,
        };
        reports.iter().map(name).collect()
    }
}

fn pem(certificate: &[u8]) -> String {
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", STANDARD.encode(certificate))
}

fn signed<T>(request: &Request<T>) -> Result<(), Status> {
    let expected = format!("Bearer {CREDENTIAL}");
    match request.metadata().get("authorization") {
        Some(value) if value == expected.as_str() => Ok(()),
        _ => Err(Status::unauthenticated("no credential")),
    }
}

fn push<T>(list: &watch::Sender<Vec<T>>, item: T) {
    list.send_modify(|list| list.push(item));
}

fn ordered(order: order::Order) -> Result<Order, Status> {
    Ok(Order { order: Some(order) })
}

#[tonic::async_trait]
impl Runners for Service {
    type ControlStream = Pin<Box<dyn Stream<Item = Result<Order, Status>> + Send>>;

    async fn register(&self, request: Request<RegisterRequest>) -> Result<Response<RegisterResponse>, Status> {
        let request = request.into_inner();
        if request.secret != SECRET {
            return Err(Status::unauthenticated("wrong secret"));
        }
        push(&self.told.registered, request);
        Ok(Response::new(RegisterResponse { credential: CREDENTIAL.to_owned() }))
    }

    async fn control(&self, request: Request<Streaming<Heartbeat>>) -> Result<Response<Self::ControlStream>, Status> {
        signed(&request)?;
        let told = Arc::clone(&self.told);
        let beats = request.into_inner().map(move |heartbeat| {
            told.heartbeat.send_replace(Some(heartbeat?));
            ordered(order::Order::Beat(Beat { now_micros: Timestamp::now().as_microsecond() }))
        });
        let stops = WatchStream::new(self.stop.subscribe());
        let stops = stops.filter_map(|stop| async { stop.map(|stop| ordered(order::Order::Stop(stop))) });
        let mut assign = self.assign.clone();
        assign.now_micros = Timestamp::now().as_microsecond();
        let first = stream::iter([ordered(order::Order::Assign(assign))]);
        Ok(Response::new(Box::pin(first.chain(stream::select(beats, stops)))))
    }

    async fn report(&self, request: Request<ReportRequest>) -> Result<Response<ReportResponse>, Status> {
        signed(&request)?;
        push(&self.told.reports, request.into_inner());
        Ok(Response::new(ReportResponse { current: true }))
    }

    async fn report_segment(&self, request: Request<Segment>) -> Result<Response<SegmentResponse>, Status> {
        signed(&request)?;
        push(&self.told.segments, request.into_inner());
        Ok(Response::new(SegmentResponse {}))
    }

    async fn report_lease(&self, request: Request<LeaseChange>) -> Result<Response<LeaseAnswer>, Status> {
        signed(&request)?;
        Ok(Response::new(LeaseAnswer {}))
    }

    type FetchBundleStream = Pin<Box<dyn Stream<Item = Result<BundlePiece, Status>> + Send>>;

    async fn fetch_bundle(
        &self,
        request: Request<FetchBundleRequest>,
    ) -> Result<Response<Self::FetchBundleStream>, Status> {
        signed(&request)?;
        Err(Status::not_found("no session here is made from a bundle"))
    }
}
