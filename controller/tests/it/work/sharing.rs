//! Controllers that have a data directory and a Postgres in common.

use std::time::Duration;

use podling_controller::{adapters::Database, core::Core, run::Controller, sessions, store::postgres::Settings};
use podling_proto::{
    channel::Route,
    control::{Heartbeat, Order, RegisterRequest, Stop, order, runners_client::RunnersClient},
};
use podling_servers::Postgres;
use podling_session::{phase::Phase, principal::Principal, session::Session, spec::Draft};
use secrecy::ExposeSecret;
use tempfile::TempDir;
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, timeout},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Streaming, transport::Channel};

use super::world::{OBEDIENT, PROMISED, id, kill_runners, put_runner, start_on, try_start_on};
use crate::wait::until;

struct Shared {
    data: TempDir,
    database: Database,
}

impl Drop for Shared {
    fn drop(&mut self) {
        kill_runners(self.data.path());
    }
}

impl Shared {
    async fn new() -> Shared {
        let (data, postgres) = (tempfile::tempdir().expect("a directory"), Postgres::shared());
        put_runner(data.path(), OBEDIENT);
        let url = postgres.url(&postgres.database().await).into();
        let database = Database::Postgres(Settings { url, ca: None, migrate: true, connections: 4 });
        Shared { data, database }
    }

    async fn controller(&self) -> Controller {
        start_on(self.data.path(), self.database.clone()).await
    }
}

async fn create(core: &Core) -> Session {
    let draft = Draft { command: Some("true".to_owned()), ..Draft::default() };
    let request = sessions::Request { id: None, draft, idempotency: None };
    sessions::create(core, &Principal::local_owner(), request).await.outcome.expect("a session").session
}

async fn launched(core: &Core, session: &Session) {
    let runner = async || core.system.runner_of(session.life()).await.expect("the store answers");
    until("its launch", PROMISED, runner).await;
}

/// The control stream of a session's runner, open where the route leads.
async fn connect(core: &Core, session: &Session, route: &Route) -> (mpsc::Sender<Heartbeat>, Streaming<Order>) {
    let mut client: RunnersClient<Channel> = RunnersClient::new(route.connect().await.expect("a connection"));
    let runner = core.seal.runner_id(&session.life().launch_name());
    let register = RegisterRequest {
        runner_id: runner.to_string(),
        secret: core.seal.bootstrap_secret(runner).expose_secret().to_owned(),
        certificate: b"certificate".as_slice().into(),
        address: "unix:/nowhere".into(),
    };
    let credential = client.register(register).await.expect("registered").into_inner().credential;
    let (beats, outbound) = mpsc::channel(1);
    let mut request = Request::new(ReceiverStream::new(outbound));
    request.metadata_mut().insert("authorization", format!("Bearer {credential}").parse().expect("ASCII"));
    (beats, client.control(request).await.expect("a stream").into_inner())
}

async fn next(stream: &mut Streaming<Order>) -> order::Order {
    let order = timeout(PROMISED, stream.message()).await.expect("an order in time").expect("the stream stands");
    order.expect("the stream goes on").order.expect("an order")
}

#[tokio::test(flavor = "multi_thread")]
async fn four_controllers_that_start_at_once_on_nothing_have_one_set_of_keys() {
    let shared = Shared::new().await;
    let mut starting = JoinSet::new();
    for _ in 0..4 {
        let (data, database) = (shared.data.path().to_owned(), shared.database.clone());
        starting.spawn(async move { start_on(&data, database).await });
    }
    let controllers = starting.join_all().await;
    let keys = controllers[0].core().signer.keys();
    let (name, mac) =
        (create(controllers[0].core()).await.life().launch_name(), |core: &Core, name| core.seal.runner_id(name));
    for controller in &controllers {
        assert_eq!(controller.core().signer.keys(), keys);
        assert_eq!(mac(controller.core(), &name), mac(controllers[0].core(), &name));
    }
    let key = std::fs::read_to_string(shared.data.path().join("operator.key")).expect("the first key");
    assert!(key.starts_with("podling_"));
    for controller in controllers {
        controller.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_controller_with_another_data_directory_is_refused_and_takes_no_session_for_lost() {
    let shared = Shared::new().await;
    let controller = shared.controller().await;
    let session = create(controller.core()).await;
    launched(controller.core(), &session).await;
    let elsewhere = tempfile::tempdir().expect("a directory");
    put_runner(elsewhere.path(), OBEDIENT);
    let refused = try_start_on(elsewhere.path(), shared.database.clone()).await.err().expect("it is refused");
    let told = format!("{refused:#}");
    assert!(told.contains("another data directory") && told.contains("Start with that directory"), "{told}");
    assert!(!told.contains("secret-of-a-test"), "{told}");
    let found = controller.core().system.find(session.uid).await.expect("the store answers").expect("it is there");
    assert!(found.phase.end().is_none(), "{:?}", found.phase);
    controller.close().await;
    // Nor when nobody is there to be asked; and the one to which it belongs comes back.
    assert!(try_start_on(elsewhere.path(), shared.database.clone()).await.is_err());
    shared.controller().await.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_data_directories_that_start_at_once_on_an_empty_database_one_has_it() {
    let (shared, elsewhere) = (Shared::new().await, Shared::new().await);
    let (one, other) = tokio::join!(
        try_start_on(shared.data.path(), shared.database.clone()),
        try_start_on(elsewhere.data.path(), shared.database.clone()),
    );
    assert_eq!([&one, &other].iter().filter(|started| started.is_ok()).count(), 1);
    for controller in [one, other].into_iter().flatten() {
        controller.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_at_one_controller_is_told_by_the_one_that_has_the_stream() {
    let shared = Shared::new().await;
    let (one, other) = (shared.controller().await, shared.controller().await);
    let session = create(one.core()).await;
    launched(one.core(), &session).await;
    let (_beats, mut stream) = connect(one.core(), &session, &other.control()).await;
    assert!(matches!(next(&mut stream).await, order::Order::Assign(_)));
    let asked = Instant::now();
    sessions::delete(one.core(), &session.owner.clone().into(), &id(&session)).await.expect("deletable");
    let order::Order::Stop(Stop { reason, .. }) = next(&mut stream).await else { panic!("no stop") };
    assert_eq!(reason, "stopped");
    assert!(asked.elapsed() < Duration::from_secs(1), "it took {:?}", asked.elapsed());
    one.close().await;
    other.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_controller_that_leaves_ends_no_session_and_the_runner_goes_to_another() {
    let shared = Shared::new().await;
    let (one, other) = (shared.controller().await, shared.controller().await);
    let session = create(one.core()).await;
    launched(one.core(), &session).await;
    let (_beats, mut stream) = connect(one.core(), &session, &one.control()).await;
    assert!(matches!(next(&mut stream).await, order::Order::Assign(_)));
    one.drain().await;
    one.close().await;
    assert!(
        timeout(PROMISED, stream.message()).await.expect("it ends").is_err(),
        "the stream ends with its controller"
    );
    let now = other.core().system.find(session.uid).await.expect("the store answers").expect("it is there");
    assert!(matches!(now.phase, Phase::Starting { .. }), "{now:?}");
    other.close().await;
}
