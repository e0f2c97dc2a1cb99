//! Commands that use up what they can.

use std::time::Instant;

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
    let dir = tempfile::tempdir().expect("a temporary folder");
    let name = fixture.sandbox.name.clone();
    clean(fixture.dir.path(), &name).expect("it can be cleaned while it runs, too");
    assert_eq!(std::fs::read_dir(fixture.dir.path()).expect("the folder").count(), 0);
    assert!(Cgroup::find(&Trees::of_this_machine(), &name).is_empty());
    drop(dir);
}
