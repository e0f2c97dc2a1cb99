//! The program in pipes, with an environment of the test's own.

use std::{
    io::Read,
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

const DEADLINE: Duration = Duration::from_secs(20);

pub(crate) struct Run {
    child: Child,
    output: String,
}

impl Run {
    pub(crate) fn start(env: &[(&str, &str)]) -> Run {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sample-cli"));
        command.arg("run").env_clear().env("CLAUDE_PROMPT", "find the hole").env("SAMPLE_STEP_MILLIS", "1");
        // Without a PATH there is no `claude` to be found by chance.
        command.env("PATH", "/nonexistent").envs(env.iter().copied());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Run { child: command.spawn().expect("started"), output: String::new() }
    }

    /// Reads on until the output holds this. A run that ends before fails the test; one that hangs does by its own limits.
    #[track_caller]
    pub(crate) fn shows(&mut self, text: &str) {
        let stdout = self.child.stdout.as_mut().expect("piped");
        let mut bytes = vec![];
        while !self.output.contains(text) {
            let mut byte = [0];
            assert_ne!(stdout.read(&mut byte).expect("readable"), 0, "no {text:?} in {:?}", self.output);
            bytes.extend(byte);
            if let Ok(text) = std::str::from_utf8(&bytes) {
                self.output.push_str(text);
                bytes.clear();
            }
        }
    }

    pub(crate) fn output(&self) -> &str {
        &self.output
    }

    pub(crate) fn child(&self) -> &Child {
        &self.child
    }

    /// Its exit code and all of its output.
    pub(crate) fn end(self) -> (Option<i32>, String) {
        let Output { status, stdout, stderr } = self.child.wait_with_output().expect("ended");
        assert_eq!(String::from_utf8_lossy(&stderr), "");
        (status.code(), self.output + &String::from_utf8_lossy(&stdout))
    }
}

/// Waits until a process is dead: gone, or a zombie of whoever adopted it.
#[track_caller]
pub(crate) fn wait_for_death(pid: &str) {
    let end = Instant::now() + DEADLINE;
    let status = Path::new("/proc").join(pid).join("stat");
    while std::fs::read_to_string(&status).is_ok_and(|stat| !stat.contains(") Z ")) {
        assert!(Instant::now() < end, "{pid} lives");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}
