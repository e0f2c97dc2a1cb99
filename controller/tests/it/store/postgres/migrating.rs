//! The schema and its versions.

use podling_controller::store::postgres::{OpenError, Settings, SettingsError, migrate, open};
use podling_servers::Postgres as Server;
use podling_session::store::StoreError;
use secrecy::ExposeSecret;
use tokio::task::JoinSet;

use super::settings;
use crate::store::world::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn four_controllers_start_at_once_on_an_empty_database() {
    let server = Server::shared();
    for _ in 0..3 {
        let settings = settings(server, &server.database().await);
        let mut tasks = JoinSet::new();
        for _ in 0..4 {
            let settings = settings.clone();
            tasks.spawn(async move { open(&settings).await });
        }
        for opened in tasks.join_all().await {
            opened.expect("it comes up").create(new()).await.expect("and works");
        }
        assert!(migrate::status(&settings).await.expect("it answers").iter().all(|step| step.applied));
    }
}

#[tokio::test]
async fn a_database_goes_up_and_down_and_up_again_and_nothing_is_left_below() {
    let server = Server::shared();
    let settings = settings(server, &server.database().await);
    let steps = migrate::status(&settings).await.expect("it answers");
    assert!(!steps.is_empty() && steps.iter().all(|step| !step.applied));
    for _ in 0..2 {
        let applied = migrate::up(&settings).await.expect("it migrates");
        assert_eq!(applied.len(), steps.len());
        assert_eq!(migrate::up(&settings).await.expect("there is nothing to do"), Vec::<String>::new());
        for step in steps.iter().rev() {
            assert_eq!(migrate::down(&settings).await.expect("it is undone").as_ref(), Some(&step.name));
        }
        assert_eq!(migrate::down(&settings).await.expect("there is nothing to undo"), None);
        let only_history = "DO $$ BEGIN IF (SELECT count(*) FROM pg_class WHERE relkind IN ('r', 'S') \
            AND relnamespace = 'public'::regnamespace) <> 1 THEN RAISE 'something is left'; END IF; END $$";
        server.execute(database_of(&settings), only_history).await;
    }
}

fn database_of(settings: &Settings) -> &str {
    settings.url.expose_secret().rsplit('/').next().expect("a URL ends with the database")
}

#[tokio::test]
async fn a_database_that_lacks_a_step_is_refused_by_who_does_not_migrate() {
    let server = Server::shared();
    let settings = Settings { migrate: false, ..settings(server, &server.database().await) };
    let Err(OpenError::Store(StoreError::Corrupt(why))) = open(&settings).await else { panic!("it opened") };
    assert!(why.contains("podling migrate up"), "{why}");
}

#[tokio::test]
async fn an_older_build_runs_on_a_newer_schema() {
    let server = Server::shared();
    let database = server.database().await;
    let settings = settings(server, &database);
    migrate::up(&settings).await.expect("it migrates");
    let later = "INSERT INTO refinery_schema_history SELECT 999, 'later', applied_on, checksum \
        FROM refinery_schema_history WHERE version = 1; ALTER TABLE sessions ADD COLUMN later text";
    server.execute(&database, later).await;
    let opened = open(&settings).await.expect("what was only added to stands in nobody's way");
    opened.create(new()).await.expect("it works");
    assert!(matches!(migrate::down(&settings).await, Err(OpenError::Store(StoreError::Corrupt(_)))));
}

async fn with_mode(mode: &str, ca: Option<&str>) -> Result<(), OpenError> {
    let server = Server::shared();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("ca.pem");
    if let Some(pem) = ca {
        std::fs::write(&file, pem).expect("it writes");
    }
    let url = format!("{}?sslmode={mode}", server.url(&server.database().await));
    let settings = Settings { url: url.into(), ca: ca.map(|_| file), migrate: true, connections: 2 };
    let store = open(&settings).await?;
    store.create(new()).await.map(drop).map_err(Into::into)
}

#[tokio::test]
async fn a_server_shows_a_certificate_of_the_authority_that_is_trusted() {
    let ca = Server::shared().ca_pem();
    with_mode("verify-full", Some(ca)).await.expect("it is trusted");
    with_mode("require", Some(ca)).await.expect("it is trusted");
    with_mode("disable", None).await.expect("it is not asked");
    let no_ca = with_mode("require", None).await;
    assert!(matches!(no_ca, Err(OpenError::Settings(SettingsError::NoCa))));
    let nothing = with_mode("verify-full", Some("")).await;
    assert!(matches!(nothing, Err(OpenError::Settings(SettingsError::Ca { .. }))));
}

#[tokio::test]
async fn the_password_is_in_no_debug_output_and_no_error() {
    let server = Server::shared();
    let settings = settings(server, "nowhere");
    let Err(error) = migrate::status(&settings).await else { panic!("there is no such database") };
    for text in [format!("{settings:?}"), format!("{error:?} {error}")] {
        assert!(!text.contains("secret-of-a-test"), "{text}");
    }
}
