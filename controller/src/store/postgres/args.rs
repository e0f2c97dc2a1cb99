//! Which Postgres, as an operator says it.

use std::path::PathBuf;

use clap::{ArgAction, Args};
use secrecy::SecretString;

use super::Settings;

/// A hundred are what a Postgres has by default, for all controllers and whoever else asks.
const CONNECTIONS: u16 = 16;

/// The database itself, for whoever works on it.
#[derive(Args, Clone, Debug)]
pub struct DatabaseArgs {
    /// The database: `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, with `?sslmode=disable`, `require` (the authority
    /// of `--postgres-ca` and any name) or `verify-full`. Without a mode: `disable` on loopback, else `verify-full`. A
    /// password belongs in the environment, where other users cannot read it
    #[arg(long = "postgres", env = "PODLING_POSTGRES", value_name = "URL", hide_env_values = true)]
    pub url: SecretString,

    /// The certificates (PEM) of the authorities that the database's own may come from. Default: those of the system
    #[arg(long = "postgres-ca", env = "PODLING_POSTGRES_CA", value_name = "FILE")]
    pub ca: Option<PathBuf>,
}

impl DatabaseArgs {
    /// For a few statements.
    pub fn settings(&self) -> Settings {
        Settings { url: self.url.clone(), ca: self.ca.clone(), migrate: false, connections: 1 }
    }
}

/// Whether a controller keeps its sessions in Postgres, and how.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Postgres")]
pub struct PostgresArgs {
    /// The Postgres (14 or later) that controllers share: `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, with
    /// `?sslmode=disable`, `require` (the authority of `--postgres-ca` and any name) or `verify-full`. Without a mode:
    /// `disable` on loopback, else `verify-full`. A password belongs in the environment, where other users cannot read
    /// it. Default: none, for a controller that is alone and keeps a file
    #[arg(long, env = "PODLING_POSTGRES", value_name = "URL", hide_env_values = true)]
    pub postgres: Option<SecretString>,

    /// The certificates (PEM) of the authorities that the database's own may come from. Default: those of the system
    #[arg(long, env = "PODLING_POSTGRES_CA", value_name = "FILE", requires = "postgres")]
    pub postgres_ca: Option<PathBuf>,

    /// The most connections to hold, besides one that listens
    #[arg(long, env = "PODLING_POSTGRES_CONNECTIONS", value_name = "NUMBER", default_value_t = CONNECTIONS,
        value_parser = clap::value_parser!(u16).range(1..))]
    pub postgres_connections: u16,

    /// Whether to bring the database to the newest schema at the start; else one that lacks a step is refused
    #[arg(long, env = "PODLING_MIGRATE", value_name = "BOOL", default_value_t = true, action = ArgAction::Set)]
    pub migrate: bool,
}

impl PostgresArgs {
    /// None for a controller that keeps a file.
    pub fn settings(&self) -> Option<Settings> {
        Some(Settings {
            url: self.postgres.clone()?,
            ca: self.postgres_ca.clone(),
            migrate: self.migrate,
            connections: self.postgres_connections.into(),
        })
    }
}
