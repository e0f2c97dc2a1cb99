//! Real sandboxes on this machine. As root they have limits and a user of their own; without root they have neither,
//! and what needs those is left out.

mod escape;
mod limits;
mod network;

use std::{io::Read, time::Duration};

use podling_session::id::{Incarnation, Uid};
use tempfile::TempDir;
use tokio::time::timeout;

use super::*;

const DEADLINE: Duration = Duration::from_secs(60);

/// A user that nothing else on a machine has.
const TEST_UID: u32 = 1_900_001;

pub(super) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

pub(super) struct Fixture {
    pub dir: TempDir,
    pub sandbox: Sandbox,
}

pub(super) fn settings(dir: &Path) -> Settings {
    Settings {
        dir: dir.to_owned(),
        name: Incarnation { uid: Uid::new(), number: 1 }.launch_name(),
        uid: is_root().then_some(TEST_UID),
        minimum: Isolation::Reduced,
        isolation_none: false,
        limits: Limits { disk_bytes: 64 << 20, memory_bytes: 128 << 20, ..Limits::default() },
    }
}

impl Fixture {
    pub(super) fn new() -> Fixture {
        Fixture::with(|_| ())
    }

    pub(super) fn with(change: impl FnOnce(&mut Settings)) -> Fixture {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let mut settings = settings(dir.path());
        change(&mut settings);
        let sandbox = Sandbox::prepare(settings).expect("a sandbox can be made here");
        Fixture { dir, sandbox }
    }

    pub(super) async fn start(&self, script: &str) -> (Child, Screen) {
        self.start_with(script, self.sandbox.base_env()).await
    }

    async fn start_with(&self, script: &str, env: BTreeMap<String, String>) -> (Child, Screen) {
        let (screen, tty) = Screen::open();
        let argv = ["bash", "--norc", "-c", script].map(OsString::from);
        let child = self.sandbox.spawn(&argv, &env, tty).await.expect("the sandbox starts");
        (child, screen)
    }

    /// The exit code of a script and what it printed.
    pub(super) async fn run(&self, script: &str) -> (i32, String) {
        let (mut child, screen) = self.start(script).await;
        let text = screen.text().await;
        let code = timeout(DEADLINE, child.wait()).await.expect("the script ends").expect("it is reaped");
        (code, text)
    }

    pub(super) async fn prints(&self, script: &str, expected: &str) {
        let (code, text) = self.run(script).await;
        assert_eq!((code, text.as_str()), (0, expected), "{script}");
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        let killed = self.sandbox.kill_all();
        let cleaned = clean(self.dir.path(), &self.sandbox.name);
        if !std::thread::panicking() {
            killed.expect("all of it ends");
            cleaned.expect("all of it goes");
        }
    }
}

/// The other end of a terminal.
pub(super) struct Screen(std::fs::File);

impl Screen {
    fn open() -> (Screen, OwnedFd) {
        let pty = rustix_openpty::openpty(None, None).expect("a PTY");
        rustix::io::fcntl_setfd(&pty.controller, rustix::io::FdFlags::CLOEXEC).expect("close on exec");
        rustix::io::fcntl_setfd(&pty.user, rustix::io::FdFlags::CLOEXEC).expect("close on exec");
        (Screen(pty.controller.into()), pty.user)
    }

    /// All that is printed until the last process closes the terminal.
    pub(super) async fn text(self) -> String {
        self.read(|_| false).await
    }

    /// What is printed up to and including `mark`.
    pub(super) async fn until(&self, mark: &'static str) -> String {
        self.read(move |text| text.ends_with(mark.as_bytes())).await
    }

    async fn read(&self, done: impl Fn(&[u8]) -> bool + Send + 'static) -> String {
        let mut screen = self.0.try_clone().expect("one more descriptor");
        let read = tokio::task::spawn_blocking(move || {
            let mut text = Vec::new();
            let mut byte = [0];
            // EIO is how the end of a terminal is told.
            while !done(&text) && screen.read(&mut byte).is_ok_and(|n| n > 0) {
                text.extend(byte);
            }
            String::from_utf8_lossy(&text).replace("\r\n", "\n")
        });
        timeout(DEADLINE, read).await.expect("the script ends").expect("reading does not panic")
    }

    fn press(&self, keys: &str) {
        rustix::io::write(&self.0, keys.as_bytes()).expect("the terminal takes a key");
    }
}

#[tokio::test]
async fn the_exit_code_is_that_of_the_command() {
    let fixture = Fixture::new();
    for (script, code) in [("exit 0", 0), ("exit 7", 7), ("kill -TERM $$", 143), ("kill -KILL $$", 137)] {
        assert_eq!(fixture.run(script).await.0, code, "{script}");
    }
}

#[tokio::test]
async fn a_program_that_is_not_there_ends_with_127() {
    let fixture = Fixture::new();
    let (screen, tty) = Screen::open();
    let started = fixture.sandbox.spawn(&["no-such-program".into()], &BTreeMap::new(), tty).await;
    let mut child = started.expect("the sandbox starts");
    assert!(screen.text().await.contains("no-such-program: No such file"));
    assert_eq!(child.wait().await.expect("reaped"), 127);
}

#[tokio::test]
async fn the_environment_is_what_was_given() {
    let fixture = Fixture::new();
    let env = [("A", "1 '\"\n$x"), ("LD_PRELOAD", "/nowhere.so"), ("OPTIND", "x"), ("EMPTY", "")];
    let env = env.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let (screen, tty) = Screen::open();
    let argv = ["/usr/bin/env", "-0"].map(OsString::from);
    let mut child = fixture.sandbox.spawn(&argv, &env, tty).await.expect("the sandbox starts");
    let text = screen.text().await;
    assert_eq!(child.wait().await.expect("reaped"), 0);
    // ld.so of `env` itself complains about the library, which shows that nothing before it was preloaded.
    assert_eq!(text.matches("nowhere.so").count(), 2, "{text}");
    assert!(text.ends_with("A=1 '\"\n$x\0EMPTY=\0LD_PRELOAD=/nowhere.so\0OPTIND=x\0"), "{text:?}");
}

#[tokio::test]
async fn the_command_has_a_terminal_and_three_places_to_write() {
    let fixture = Fixture::new();
    fixture.prints("test -t 0 -a -t 1 -a -t 2; pwd; tty </dev/tty >/dev/null || exit 1", "/work\n").await;
    fixture.prints("touch /work/a ~/b /tmp/c /dev/shm/d /run/e; echo $HOME; whoami", "/home/podling\npodling\n").await;
    assert!(fixture.sandbox.work_dir().join("a").is_file());
    for place in ["/", "/usr", "/etc", "/opt/podling/bin", "/dev", "/home", "/var", "/proc/sys"] {
        fixture.prints(&format!("touch {place}/x 2>/dev/null || echo no"), "no\n").await;
    }
    fixture.prints("chmod 666 /etc/hostname 2>/dev/null || echo no; stat -c %a /etc/hostname", "no\n444\n").await;
}

#[tokio::test]
async fn a_login_shell_keeps_its_path() {
    let fixture = Fixture::new();
    fixture
        .prints("bash -lc 'type -p podling sample-cli'", "/opt/podling/bin/podling\n/opt/podling/bin/sample-cli\n")
        .await;
}

#[tokio::test]
async fn ctrl_c_reaches_the_command_alone() {
    let fixture = Fixture::new();
    let (mut child, screen) = fixture.start("trap 'echo caught; exit 5' INT; echo ready; read").await;
    screen.until("ready").await;
    screen.press("\x03");
    assert!(screen.until("caught").await.contains("caught"));
    assert_eq!(child.wait().await.expect("reaped"), 5);
}

#[tokio::test]
async fn a_command_ignores_no_signal_that_its_runner_ignores() {
    // SAFETY: no other test has to do with this signal.
    #[expect(unsafe_code, reason = "rustix has no signal")]
    unsafe {
        libc::signal(libc::SIGUSR2, libc::SIG_IGN);
    }
    let fixture = Fixture::new();
    let (_, ignored) = fixture.run("exec sed -n 's/^SigIgn:\\t//p' /proc/self/status").await;
    let ignored = u64::from_str_radix(ignored.trim(), 16).expect("a set of signals");
    let of_the_c_library = 0b11 << 31; // 32 and 33, which nobody but it can set.
    assert_eq!(ignored & !of_the_c_library, 0, "{ignored:x}");
}

#[tokio::test]
async fn many_commands_run_at_once() {
    let fixture = Fixture::new();
    let runs = futures_util::future::join_all((0..8).map(|_| fixture.run("echo $$"))).await;
    assert!(runs.iter().all(|(code, _)| *code == 0), "{runs:?}");
}

#[tokio::test]
async fn terminate_lets_the_command_end_by_itself() {
    let fixture = Fixture::new();
    let (mut child, screen) =
        fixture.start("trap 'echo bye; exit 3' TERM; echo ready; while :; do sleep 1; done").await;
    screen.until("ready").await;
    child.terminate().expect("it can be signalled");
    assert!(screen.text().await.contains("bye"));
    assert_eq!(child.wait().await.expect("reaped"), 3);
    child.terminate().expect("signalling what has ended is fine");
}

#[tokio::test]
async fn what_the_runner_extracts_becomes_the_commands() {
    let fixture = Fixture::new();
    std::fs::create_dir(fixture.sandbox.work_dir().join("src")).expect("the runner writes there");
    std::fs::write(fixture.sandbox.work_dir().join("src/main"), "x").expect("the runner writes there");
    fixture.sandbox.own().expect("it can be given away");
    fixture.prints("echo y >> src/main && cat src/main", "xy\n").await;
}

#[tokio::test]
async fn without_isolation_the_command_runs_as_we_do() {
    let fixture = Fixture::with(|settings| (settings.isolation_none, settings.minimum) = (true, Isolation::None));
    assert_eq!(fixture.sandbox.level(), Isolation::None);
    let uid = rustix::process::getuid().as_raw();
    fixture.prints("id -u; exit 0", &format!("{uid}\n")).await;
    let (mut child, screen) = fixture.start("sleep 1000 & echo ready; wait").await;
    screen.until("ready").await;
    fixture.sandbox.kill_all().expect("all of it ends");
    assert_eq!(child.wait().await.expect("reaped"), 137);
    screen.text().await;
}

#[test]
fn below_the_minimum_nothing_is_made() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let settings = Settings { isolation_none: true, ..settings(dir.path()) };
    let name = settings.name.clone();
    let refused = Sandbox::prepare(settings).expect_err("isolation none is less than reduced");
    assert!(matches!(refused, SandboxError::BelowMinimum { reached: Isolation::None, .. }), "{refused}");
    assert!(!dir.path().join("disk").exists());
    assert!(Cgroup::find(&Trees::of_this_machine(), &name).is_empty());
}
