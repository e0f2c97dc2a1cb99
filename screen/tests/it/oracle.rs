//! The judge: xterm.js without a browser, in a process of Node.js that lives as long as a test.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, sync_channel},
    thread,
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use podling_session::size::WindowSize;
use serde::Deserialize;
use serde_json::{Value, json};

/// One case takes milliseconds; a busy machine may need seconds to start Node.js.
const ANSWER: Duration = Duration::from_secs(60);

const INSTALL: &str = "run `cargo xtask setup`, or `npm ci --ignore-scripts` in screen/oracle";

pub(crate) struct Oracle {
    child: Child,
    cases: ChildStdin,
    answers: Receiver<String>,
}

/// What two terminals went through, to be judged.
pub(crate) struct Case {
    size: WindowSize,
    steps: Vec<Value>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Verdict {
    /// At which comparison, what, and how it is in A and in B.
    pub(crate) differences: Vec<[String; 4]>,
    pub(crate) answers: Answers,
    /// Rows that keyframes moved into the scrollback.
    pub(crate) grown: i64,
    /// It came to a state of xterm.js that no sequences lead to: see `isOutOfReach` there.
    pub(crate) excluded: bool,
    /// xterm.js's own mistake.
    pub(crate) thrown: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) struct Answers {
    pub(crate) a: String,
}

impl Case {
    pub(crate) fn new(size: WindowSize) -> Case {
        Case { size, steps: Vec::new() }
    }

    /// `to` is A, B or AB, here and below.
    pub(crate) fn write(&mut self, to: &str, bytes: &[u8]) {
        self.steps.push(json!({"to": to, "write": STANDARD.encode(bytes)}));
    }

    pub(crate) fn resize(&mut self, to: &str, size: WindowSize) {
        self.steps.push(json!({"to": to, "resize": [size.cols(), size.rows()]}));
    }

    pub(crate) fn keyframe(&mut self, to: &str, snapshot: &[u8]) {
        self.steps.push(json!({"to": to, "keyframe": STANDARD.encode(snapshot)}));
    }

    pub(crate) fn compare(&mut self, name: &str) {
        self.steps.push(json!({"compare": name}));
    }

    /// Compares what the addon prints as well, which takes longer.
    pub(crate) fn compare_serialized(&mut self, name: &str) {
        self.steps.push(json!({"compare": name, "serialized": true}));
    }
}

impl Verdict {
    /// Every difference, for people to read.
    pub(crate) fn check(&self) -> Result<(), String> {
        if let Some(thrown) = &self.thrown {
            return Err(format!("xterm.js threw: {thrown}"));
        }
        let tell = |[at, what, a, b]: &[String; 4]| format!("{at}, {what}:\n  A {a}\n  B {b}");
        if !self.differences.is_empty() {
            return Err(self.differences.iter().map(tell).collect::<Vec<_>>().join("\n"));
        }
        if self.grown != 0 {
            return Err(format!("keyframes moved {} rows into the scrollback", self.grown));
        }
        Ok(())
    }
}

impl Oracle {
    pub(crate) fn start() -> Oracle {
        let folder = Path::new("oracle");
        assert!(folder.join("node_modules/@xterm/headless").is_dir(), "@xterm/headless is missing: {INSTALL}");
        let mut child = Command::new("node")
            .arg(folder.join("oracle.mjs"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("node does not start ({error}): {INSTALL}"));
        let cases = child.stdin.take().expect("stdin is piped");
        let lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
        let (send, answers) = sync_channel(1);
        // Ends with the process, or with the receiver.
        thread::spawn(move || lines.map_while(Result::ok).all(|line| send.send(line).is_ok()));
        Oracle { child, cases, answers }
    }

    pub(crate) fn judge(&mut self, case: &Case) -> Verdict {
        let line = json!({"cols": case.size.cols(), "rows": case.size.rows(), "steps": case.steps});
        writeln!(self.cases, "{line}").expect("the oracle reads");
        let answer = self.answers.recv_timeout(ANSWER).expect("the oracle answers in time");
        serde_json::from_str(&answer).expect("the oracle's answer has its shape")
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        // It may be in a case that has no end.
        self.child.kill().expect("the oracle is ours");
        self.child.wait().expect("the oracle ends");
    }
}
