//! Without a terminal: every byte is known.

use std::{
    io::Write,
    process::{Command, Output, Stdio},
};

const HEADER: &str = "\
╭─────────────────────────────────╮
│ Root Workflow - Stage-wise demo │
╰─────────────────────────────────╯
✔ Prepare Workspace
✔ Generate Glossaries
✔ Consolidate API Docs
";

const TASKS: &str = "\
✔ Fetch Task (demo)
▸ Run Workflows
  ▸ AI-IMPLEMENT
    ✔ Preparing branch
    ✔ Implementing code
    ✔ Running tests
  ▸ AI-CREATE-PRD
    ✔ Assembling PRD
    ✔ Uploading PRD
  ▸ AI-SECURITY-AUDIT
    [mock] No model was asked. Prompt: find the hole
  ✔ AI-SECURITY-AUDIT
✔ Restore Task State
";

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sample-cli"));
    command.args(args).env_clear().env("CLAUDE_PROMPT", "find the hole").env("SAMPLE_STEP_MILLIS", "1");
    command.env("PATH", "/nonexistent"); // There may be a `claude` on this machine's.
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(args: &[&str], input: &str) -> Output {
    let mut child = command(args).spawn().expect("started");
    let mut stdin = child.stdin.take().expect("piped");
    let _ = stdin.write_all(input.as_bytes()); // A program that asks nothing may end before it could read.
    drop(stdin);
    child.wait_with_output().expect("ended")
}

#[track_caller]
fn check(args: &[&str], input: &str, code: i32, expected: &str) {
    let output = run(args, input);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
    assert_eq!(output.status.code(), Some(code));
}

#[test]
fn without_a_terminal_every_line_is_printed_once() {
    check(&["run"], "", 0, &format!("{HEADER}{TASKS}"));
}

#[test]
fn a_question_is_answered_by_the_input_and_by_its_end() {
    for input in ["y\n", "\n", "Yes\n", "?y"] {
        check(&["run", "--ask"], input, 0, &format!("{HEADER}Continue? [Y/n] yes\n{TASKS}"));
    }
    for input in ["n\n", "No\n", ""] {
        check(&["run", "--ask"], input, 1, &format!("{HEADER}Continue? [Y/n] no\nStopped before the workflows.\n"));
    }
}

#[test]
fn a_missing_or_unknown_command_is_a_usage_error() {
    for args in [&[][..], &["walk"], &["run", "--step-millis", "0"]] {
        let output = run(args, "");
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("--help"), "{args:?}");
    }
    assert!(run(&["--help"], "").status.success());
}

#[test]
fn a_reader_that_goes_away_ends_the_run() {
    let mut child = command(&["run"]).spawn().expect("started");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("ended");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("Broken pipe"));
}
