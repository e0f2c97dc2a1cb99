//! Commands that use up what they can, and what is left of them.

use std::{
    io::{BufRead, BufReader},
    process::Command,
    time::Instant,
};

use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::*;

/// Several times the time in which it has to be seen, for a machine under load.
const SOON: Duration = Duration::from_secs(30);

async fn breach(fixture: &Fixture) -> Breach {
    timeout(SOON, fixture.sandbox.breached()).await.expect("the breach is seen")
}

fn is_limited(fixture: &Fixture) -> bool {
    assert!(!is_root() || fixture.sandbox.level() == Isolation::Full, "root has limits wherever tests run");
    fixture.sandbox.level() == Isolation::Full
}

#[tokio::test]
async fn a_fork_bomb_is_held_and_ends_at_once() {
    let fixture = Fixture::with(|settings| settings.limits.pids = 40);
    if !is_limited(&fixture) {
        return;
    }
    let (mut child, screen) =
        fixture.start("trap '' TERM; b() { b | b & }; echo ready; while :; do b; done 2>/dev/null").await;
    screen.until("ready").await;
    let cgroup = fixture.sandbox.watch.cgroup.as_ref().expect("a group");
    let count = || cgroup.processes().expect("they can be listed").len();
    let full = wait::until(Instant::now() + SOON, || Ok(count() >= 40)).expect("no error");
    assert!(full, "{} processes", count());
    assert!(count() <= 42, "{} processes", count());
    let before = Instant::now();
    fixture.sandbox.kill_all().expect("all of it ends");
    assert!(before.elapsed() < Duration::from_secs(5), "{:?}", before.elapsed());
    assert_eq!(cgroup.processes().expect("they can be listed"), []);
    assert_eq!(child.wait().await.expect("reaped"), 137);
    fixture.prints("echo again", "again\n").await;
}

#[tokio::test]
async fn a_memory_hog_is_a_breach() {
    let fixture = Fixture::with(|settings| settings.limits.memory_bytes = 64 << 20);
    if !is_limited(&fixture) {
        return;
    }
    let (mut child, screen) = fixture.start("perl -e '$x = \"x\" x 300000000; sleep 1000'; echo after; read").await;
    assert_eq!(breach(&fixture).await, Breach::Oom);
    assert_eq!(fixture.sandbox.breach_now(), Some(Breach::Oom));
    fixture.sandbox.kill_all().expect("all of it ends");
    assert_eq!(child.wait().await.expect("reaped"), 137);
    screen.text().await;
}

#[tokio::test]
async fn a_hog_that_is_gone_before_anyone_looks_is_a_breach_as_well() {
    let fixture = Fixture::with(|settings| settings.limits.memory_bytes = 64 << 20);
    if is_limited(&fixture) {
        fixture.run("exec perl -e '$x = \"x\" x 300000000'").await;
        assert_eq!(fixture.sandbox.breach_now(), Some(Breach::Oom));
    }
}

#[tokio::test]
async fn a_full_disk_is_a_breach() {
    let fixture = Fixture::with(|settings| settings.limits.disk_bytes = 8 << 20);
    assert_eq!(fixture.sandbox.breach_now(), None);
    let fill = "for i in 1 2 3; do head -c 4000000 /dev/zero > /tmp/$i; done; sleep 1000";
    let (mut child, screen) = fixture.start(fill).await;
    assert_eq!(breach(&fixture).await, Breach::DiskFull);
    fixture.sandbox.kill_all().expect("all of it ends");
    child.wait().await.expect("reaped");
    screen.text().await;
}

#[tokio::test]
async fn files_without_a_name_count() {
    let fixture = Fixture::with(|settings| settings.limits.disk_bytes = 8 << 20);
    if !is_limited(&fixture) {
        return;
    }
    let fill = "for n in 5 6 7; do eval \"exec $n<>x\"; rm x; head -c 4000000 /dev/zero >&$n; done; echo full; read";
    let (_child, screen) = fixture.start(fill).await;
    screen.until("full").await;
    assert_eq!(breach(&fixture).await, Breach::DiskFull);
}

#[tokio::test]
async fn files_that_are_mapped_and_neither_named_nor_open_count() {
    let fixture = Fixture::with(|settings| settings.limits.disk_bytes = 8 << 20);
    if !is_limited(&fixture) {
        return;
    }
    let map = libc::SYS_mmap;
    let fill = format!(
        "exec perl -e '$| = 1; for (1..3) {{ open F, \"+>x\"; syswrite F, \"x\" x 4000000; \
         syscall({map}, 0, 4096, 1, 1, fileno F, 0) > 0 or die; unlink \"x\"; close F }} print \"full\"; sleep 1000'"
    );
    let (_child, screen) = fixture.start(&fill).await;
    screen.until("full").await;
    assert_eq!(breach(&fixture).await, Breach::DiskFull);
}

#[tokio::test]
async fn one_file_cannot_be_larger_than_the_disk() {
    let fixture = Fixture::with(|settings| settings.limits.disk_bytes = 8 << 20);
    let (code, _) = fixture.run("exec head -c 100000000 /dev/zero > big").await;
    assert_eq!(code, 128 + libc::SIGXFSZ);
    assert_eq!(fixture.sandbox.breach_now(), Some(Breach::DiskFull));
    let size = std::fs::metadata(fixture.sandbox.work_dir().join("big")).expect("it is there").len();
    assert_eq!(size, 8 << 20);
}

#[tokio::test]
async fn the_processor_is_shared_out() {
    let fixture = Fixture::with(|settings| settings.limits.cpu_millis = 100);
    if !is_limited(&fixture) {
        return;
    }
    // A second of wall time holds a tenth of one of processor time, and the period that it began in.
    let script = "perl -e '$e = time + 3; 1 while time < $e; @t = times; print $t[0] + $t[1] < 1 ? \"held\" : \"@t\"'";
    fixture.prints(script, "held").await;
}

#[tokio::test]
async fn a_daemon_does_not_outlive_the_command() {
    let fixture = Fixture::new();
    fixture.run("setsid sleep 1000 >/dev/null 2>&1 </dev/null & sleep 0.2").await;
    fixture.sandbox.kill_all().expect("all of it ends");
    if let Some(cgroup) = &fixture.sandbox.watch.cgroup {
        assert_eq!(cgroup.processes().expect("they can be listed"), []);
    }
}

#[tokio::test]
async fn dropping_the_sandbox_ends_it() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let settings = settings(dir.path());
    let name = settings.name.clone();
    let sandbox = Sandbox::prepare(settings).expect("a sandbox can be made here");
    let (screen, tty) = Screen::open();
    let argv = ["sleep", "1000"].map(OsString::from);
    let mut child = sandbox.spawn(&argv, &sandbox.base_env(), tty).await.expect("it starts");
    drop(sandbox);
    assert_eq!(timeout(SOON, child.wait()).await.expect("it ends").expect("reaped"), 137);
    screen.text().await;
    clean(dir.path(), &name).expect("it can be cleaned");
    assert_eq!(std::fs::read_dir(dir.path()).expect("the folder").count(), 0);
    assert!(Cgroup::find(&Trees::of_this_machine(), &name).is_empty());
}

#[tokio::test]
async fn remove_leaves_nothing() {
    let fixture = Fixture::new();
    let (_child, screen) = fixture.start("mkdir -p a/b; touch a/b/c; chmod 0 a; echo ready; sleep 1000").await;
    screen.until("ready").await;
    let name = fixture.sandbox.name.clone();
    clean(fixture.dir.path(), &name).expect("it can be cleaned while it runs, too");
    assert_eq!(std::fs::read_dir(fixture.dir.path()).expect("the folder").count(), 0);
    assert!(Cgroup::find(&Trees::of_this_machine(), &name).is_empty());
}

const RUNNER: &str = "runner-to-be-killed";

/// What the test below runs as a process of its own: a runner that says who its command is, and waits.
#[tokio::test]
async fn runner() {
    let mut arguments = std::env::args().skip_while(|argument| argument != RUNNER).skip(1);
    let (Some(dir), Some(name)) = (arguments.next(), arguments.next()) else { return };
    let settings = Settings { name: name.parse().expect("a name"), ..settings(Path::new(&dir)) };
    let sandbox = Sandbox::prepare(settings).expect("a sandbox can be made here");
    let (screen, tty) = Screen::open();
    let argv = ["bash", "-c", "setsid sleep 1000 & sleep 1000 & echo ready; wait"].map(OsString::from);
    let mut child = sandbox.spawn(&argv, &sandbox.base_env(), tty).await.expect("it starts");
    screen.until("ready").await;
    println!("\ncommand {}", child.pid());
    child.wait().await.expect("it is killed first");
}

/// Every process from `pid` downwards.
fn family(pid: Pid) -> Vec<Pid> {
    let mut family = vec![pid];
    let mut next = 0;
    while let Some(&pid) = family.get(next) {
        family.extend(tree::children(pid));
        next += 1;
    }
    family
}

#[test]
fn a_killed_runner_takes_its_sandbox_along() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let name = settings(dir.path()).name;
    let mut command = Command::new(std::env::current_exe().expect("this executable"));
    command.args(["--exact", "--nocapture", "sandbox::tests::limits::runner", RUNNER]);
    command.arg(dir.path()).arg(name.as_str()).stdout(std::process::Stdio::piped());
    let mut runner = command.spawn().expect("it starts");
    let mut lines = BufReader::new(runner.stdout.take().expect("a pipe")).lines().map_while(Result::ok);
    let line = lines.find(|line| line.starts_with("command ")).expect("it says who its command is");
    let outer = line.split(' ').nth(1).and_then(|pid| Pid::from_raw(pid.parse().ok()?)).expect("a process");
    let family = family(outer);
    let handles = family.iter().map(|&pid| pidfd_open(pid, PidfdFlags::empty()).expect("it runs"));
    let handles: Vec<_> = handles.collect();

    runner.kill().expect("it runs");
    runner.wait().expect("it is ours");
    assert!(family.len() >= 5, "two of bwrap, a shell, two of sleep: {family:?}");
    let gone = || Ok(handles.iter().all(|handle| child::has_ended(handle).expect("a handle")));
    assert!(wait::until(Instant::now() + Duration::from_secs(10), gone).expect("no error"));

    clean(dir.path(), &name).expect("it can be cleaned");
    assert_eq!(std::fs::read_dir(dir.path()).expect("the folder").count(), 0);
    assert!(Cgroup::find(&Trees::of_this_machine(), &name).is_empty());
}

#[tokio::test]
async fn without_a_group_the_users_processes_are_counted() {
    let fixture = Fixture::new();
    if fixture.sandbox.watch.cgroup.is_none() {
        fixture.prints("ulimit -u", &format!("{}\n", Limits::default().pids)).await;
    }
}
