//! The contract in Postgres, and what is Postgres' own.

mod migrating;
mod outage;
mod racing;
mod watching;

use std::{sync::Arc, time::Duration};

use podling_controller::store::{
    Clock, Store,
    postgres::{self, Settings},
};
use podling_servers::Postgres as Server;
use tokio::sync::OnceCell;

use super::world::*;

/// A database of a test's own on the server that all tests share.
struct Postgres {
    store: Arc<Store>,
    clock: Clock,
    database: String,
}

impl World for Postgres {
    type Store = Store;

    fn store(&self) -> &Arc<Store> {
        &self.store
    }

    fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }
}

impl Postgres {
    /// Another controller on the same database.
    async fn another(&self) -> Postgres {
        open(self.database.clone()).await
    }
}

fn settings(server: &Server, database: &str) -> Settings {
    Settings { url: server.url(database).into(), ca: None, migrate: true, connections: 8 }
}

async fn open(database: String) -> Postgres {
    let settings = Settings { migrate: false, ..settings(Server::shared(), &database) };
    open_at(&settings, Clock::default(), database).await
}

async fn open_at(settings: &Settings, clock: Clock, database: String) -> Postgres {
    let store = postgres::open_with_clock(settings, clock.clone()).await.expect("it opens");
    Postgres { store, clock, database }
}

/// A migrated database, to be copied.
async fn template() -> &'static str {
    static TEMPLATE: OnceCell<String> = OnceCell::const_new();
    let make = async || {
        let database = Server::shared().database().await;
        postgres::migrate::up(&settings(Server::shared(), &database)).await.expect("it migrates");
        database
    };
    TEMPLATE.get_or_init(make).await
}

async fn fresh() -> Postgres {
    open(Server::shared().copy_of(template().await).await).await
}

super::contract!(fresh);

#[tokio::test]
async fn no_entry_of_the_audit_can_be_changed() {
    let world = fresh().await;
    let change = "DO $$ BEGIN UPDATE audit SET detail = 'x'; RAISE 'it was changed'; EXCEPTION WHEN raise_exception THEN \
        IF SQLERRM NOT LIKE '%append-only%' THEN RAISE; END IF; END $$";
    Server::shared().execute(&world.database, change).await;
}
