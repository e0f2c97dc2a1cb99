//! `podling migrate`: the schema of a Postgres, by hand.

use std::io::{Write, stdout};

use clap::Subcommand;
use podling_controller::store::postgres::{args::DatabaseArgs, migrate};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Apply what is missing; controllers of the version before go on with it
    Up(DatabaseArgs),
    /// List the steps, and whether each is applied
    Status(DatabaseArgs),
    /// Undo the newest step; what it kept is lost
    Down(DatabaseArgs),
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let said = match args.action {
        Action::Up(database) => {
            let applied = migrate::up(&database.settings()).await?;
            if applied.is_empty() { vec!["nothing to apply".to_owned()] } else { applied }
        }
        Action::Status(database) => {
            let steps = migrate::status(&database.settings()).await?;
            steps
                .iter()
                .map(|step| format!("{} {}", if step.applied { "applied" } else { "missing" }, step.name))
                .collect()
        }
        Action::Down(database) => {
            let undone = migrate::down(&database.settings()).await?;
            vec![undone.map_or_else(|| "nothing to undo".to_owned(), |name| format!("undone {name}"))]
        }
    };
    said.iter().try_for_each(|line| writeln!(stdout(), "{line}"))?;
    Ok(())
}
