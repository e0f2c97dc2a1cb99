//! `podling migrate`: what an operator does by hand.

use std::process::{Command, Output};

use podling_e2e::podling::binary;
use podling_servers::Postgres;

fn migrate(action: &str, url: &str) -> Output {
    Command::new(binary()).args(["migrate", action]).env("PODLING_POSTGRES", url).output().expect("podling runs")
}

fn said(action: &str, url: &str) -> String {
    let output = migrate(action, url);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

#[tokio::test]
async fn an_operator_takes_a_schema_up_and_down_and_asks_for_its_state() {
    let postgres = Postgres::start();
    let url = postgres.url(&postgres.database().await);
    assert!(said("status", &url).starts_with("missing V1__sessions"));
    assert!(said("up", &url).contains("V1__sessions"));
    assert_eq!(said("up", &url), "nothing to apply\n");
    assert!(said("status", &url).lines().all(|line| line.starts_with("applied V")));
    while said("down", &url) != "nothing to undo\n" {}
    assert!(said("status", &url).lines().all(|line| line.starts_with("missing V")));
}

#[test]
fn a_database_that_is_not_there_is_told_without_its_password() {
    let output = migrate("up", "postgres://somebody:hunter2@127.0.0.1:1/podling");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.starts_with("error: "), "{said}");
    assert!(!said.contains("hunter2"));
    let help = Command::new(binary()).args(["migrate", "up", "--help"]).env("PODLING_POSTGRES", "hunter2").output();
    let help = String::from_utf8(help.expect("podling runs").stdout).expect("text");
    assert!(help.contains("[env: PODLING_POSTGRES]") && !help.contains("hunter2"), "{help}");
}
