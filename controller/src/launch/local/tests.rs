//! The launcher against runners that are shell scripts: what counts is the lock that they inherit.

use std::{collections::HashSet, os::unix::fs::PermissionsExt, path::Path};

use podling_session::{id::RunnerId, launch::LaunchState, session::Isolation, spec::Limits};
use tempfile::TempDir;

use super::{dir::names, *};

/// Tells its arguments, bootstrap and environment, then lives until it is killed.
const OBEDIENT: &str = r#"case "$*" in *--clean*) exit 0;; esac
printf '%s\n' "$@" >args; cat >bootstrap; env >env; mv env told; exec sleep 600"#;
const STUBBORN: &str = r#"case "$*" in *--clean*) exit 0;; esac
trap '' TERM; : >told; exec sleep 600"#;
const SHORT: &str = r#"case "$*" in *--clean*) : >"$PWD/../../cleaned"; exit 0;; esac; exit 7"#;
/// Longer than anything here takes, on the slowest machine.
const LONG: Duration = Duration::from_secs(20);

struct World {
    data: TempDir,
    launcher: LocalLauncher,
}

impl World {
    fn new(script: &str) -> World {
        let data = tempfile::tempdir().expect("a directory");
        let path = data.path().join("runner.sh");
        std::fs::write(&path, script).expect("a file");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).expect("our file");
        World { launcher: start(data.path()), data }
    }

    /// As a controller does that was killed: nothing is told to the runners.
    fn restart(&mut self) {
        self.launcher = start(self.data.path());
    }

    fn path(&self, launch: &Launch) -> PathBuf {
        self.data.path().join("runners").join(launch.name.as_str())
    }

    async fn state(&self, launch: &Launch) -> Option<LaunchState> {
        let list = self.launcher.list().await.expect("listable");
        list.into_iter().find(|held| held.name == launch.name).map(|held| held.state)
    }

    async fn launch(&self) -> Launch {
        let launch = a_launch();
        self.launcher.launch(&launch).await.expect("launchable");
        launch
    }

    async fn dead(&self, launch: &Launch) -> Option<i32> {
        let deadline = Instant::now() + LONG;
        loop {
            if let Some(LaunchState::Dead { exit_code }) = self.state(launch).await {
                return exit_code;
            }
            assert!(Instant::now() < deadline, "the runner lives on");
            timeout(POLL, self.launcher.changed()).await.unwrap_or(());
        }
    }
}

const POLL: Duration = Duration::from_millis(100);

impl Drop for World {
    fn drop(&mut self) {
        for name in names(&self.launcher.runners).expect("readable") {
            let runner = self.launcher.dir(&name).identity();
            runner.map(|runner| runner.signal(rustix::process::Signal::KILL));
        }
    }
}

fn start(data: &Path) -> LocalLauncher {
    let program = RunnerProgram {
        program: "/bin/sh".into(),
        args: vec![data.join("runner.sh").into()],
        controllers: vec!["unix:/nowhere".parse().expect("an address")],
        controller_ca: None,
        listen: None,
        blobs: data.join("blobs"),
        unconfined: false,
        min_isolation: Isolation::Reduced,
        sources: ["--allow-source", "localhost:80"].map(Into::into).to_vec(),
        source_cache: data.join("cache"),
        forwards: vec!["80=localhost:8080".parse().expect("a forward")],
        mirror_output: false,
        grace: Duration::from_secs(5),
        install_timeout: Duration::from_secs(90),
    };
    LocalLauncher::start(data, program).expect("a launcher")
}

fn a_launch() -> Launch {
    Launch {
        name: Incarnation { uid: Uid::new(), number: 1 }.launch_name(),
        runner: RunnerId::from_mac([7; 16]),
        secret: "hush".to_owned().into(),
        limits: Limits::default(),
    }
}

async fn appears(path: &Path) {
    let deadline = Instant::now() + LONG;
    while !path.exists() {
        assert!(Instant::now() < deadline, "{} does not appear", path.display());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_runner_gets_its_identity_by_standard_input_and_little_else() {
    let world = World::new(OBEDIENT);
    let launch = world.launch().await;
    let dir = world.path(&launch);
    appears(&dir.join("told")).await;
    let read = |name: &str| std::fs::read_to_string(dir.join(name)).expect("written");
    assert_eq!(read("bootstrap"), format!("{{\"runner_id\":\"{}\",\"secret\":\"hush\"}}\n", launch.runner));
    let args = read("args");
    assert!(
        args.contains("--controller\nunix:/nowhere\n") && args.contains("--allow-source\nlocalhost:80\n"),
        "{args}"
    );
    assert!(
        args.contains("--grace\n5s\n--install-timeout\n1m 30s\n")
            && !args.contains("hush")
            && !args.contains("--isolation"),
        "{args}"
    );
    assert!(args.contains("--sandbox-forward\n80=localhost:8080\n"), "{args}");
    let names: HashSet<_> = read("told").lines().filter_map(|line| Some(line.split_once('=')?.0.to_owned())).collect();
    assert!(names.is_subset(&HashSet::from(["PATH", "PWD", "OLDPWD", "_", "SHLVL"].map(str::to_owned))), "{names:?}");
    let mode = std::fs::metadata(&dir).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    let blobs = world.data.path().join("blobs");
    assert!(args.contains(&format!("--blobs\n{}\n", blobs.display())), "{args}");
}

#[tokio::test]
async fn a_runner_has_begun_nothing_before_it_notes_its_assignment() {
    let world = World::new(OBEDIENT);
    let launch = world.launch().await;
    let was_assigned = async || world.launcher.was_assigned(&launch.name).await.expect("readable");
    assert!(!was_assigned().await);
    std::fs::write(world.path(&launch).join("assigned"), "x").expect("writable");
    assert!(was_assigned().await);
    let nowhere = world.launcher.was_assigned(&a_launch().name).await.expect("readable");
    assert!(nowhere, "what cannot be known is taken for the worst");
}

#[tokio::test]
async fn the_same_launch_twice_is_one_runner() {
    let world = World::new(OBEDIENT);
    let launch = a_launch();
    let (first, second) = tokio::join!(world.launcher.launch(&launch), world.launcher.launch(&launch));
    first.expect("launchable");
    second.expect("already exists is success");
    let runner = world.launcher.dir(&launch.name).identity();
    world.launcher.launch(&launch).await.expect("already exists is success");
    assert_eq!(world.launcher.dir(&launch.name).identity(), runner);
    assert_eq!(world.state(&launch).await, Some(LaunchState::Alive));
    assert!(!world.launcher.remove(&launch.name).await.expect("no error"), "a live runner was removed");
}

#[tokio::test]
async fn a_death_is_told_with_its_exit_code_and_its_remains_are_removed() {
    let world = World::new(SHORT);
    let launch = world.launch().await;
    timeout(LONG, world.launcher.changed()).await.expect("the death is told");
    assert_eq!(world.dead(&launch).await, Some(7));
    assert!(world.launcher.remove(&launch.name).await.expect("removable"));
    assert!(world.launcher.remove(&launch.name).await.expect("removing nothing is success"));
    assert!(world.data.path().join("cleaned").exists(), "the runner was not asked to clean up");
    assert_eq!(world.state(&launch).await, None);
}

#[tokio::test]
async fn a_restarted_launcher_adopts_stops_and_removes() {
    let mut world = World::new(OBEDIENT);
    let launch = world.launch().await;
    world.restart();
    assert_eq!(world.state(&launch).await, Some(LaunchState::Alive));
    world.launcher.launch(&launch).await.expect("already exists is success");
    world.launcher.stop(&launch.name, LONG).await.expect("stoppable");
    assert_eq!(world.dead(&launch).await, None);
    assert!(world.launcher.remove(&launch.name).await.expect("removable"));
}

#[tokio::test]
async fn the_death_of_an_adopted_runner_is_told() {
    let mut world = World::new(OBEDIENT);
    let launch = world.launch().await;
    appears(&world.path(&launch).join("told")).await;
    world.restart();
    let identity = world.launcher.dir(&launch.name).identity().expect("it wrote it down");
    // The first look of the new launcher must see it alive, or there is no death to tell.
    while !world.launcher.warden.sees(&launch.name) {
        tokio::task::yield_now().await;
    }
    identity.signal(rustix::process::Signal::KILL).expect("ours");
    timeout(LONG, world.launcher.changed()).await.expect("the death is told");
    world.dead(&launch).await;
}

#[tokio::test]
async fn a_runner_that_ignores_the_request_is_killed_after_its_grace_which_only_shrinks() {
    let world = World::new(STUBBORN);
    let launch = world.launch().await;
    appears(&world.path(&launch).join("told")).await;
    let begun = Instant::now();
    world.launcher.stop(&launch.name, Duration::from_millis(300)).await.expect("stoppable");
    world.launcher.stop(&launch.name, LONG * 10).await.expect("stoppable");
    world.dead(&launch).await;
    assert!(begun.elapsed() >= Duration::from_millis(300) && begun.elapsed() < LONG, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_launch_that_was_cut_short_anywhere_can_be_repeated_or_removed() {
    let world = World::new(OBEDIENT);
    let steps: [fn(&RunnerDir); 4] = [
        |_| {},
        |dir| dir.create().expect("a directory"),
        |dir| drop(dir.create().and_then(|()| dir.lock()).expect("free")),
        |dir| {
            drop(dir.create().and_then(|()| dir.lock()).expect("free"));
            dir.record_uid(77).expect("a file");
            std::fs::write(dir.path().join("pid"), "1 (init) S 0").expect("a file");
        },
    ];
    for step in steps {
        let (repeated, removed) = (a_launch(), a_launch());
        step(&world.launcher.dir(&repeated.name));
        step(&world.launcher.dir(&removed.name));
        assert_ne!(world.state(&repeated).await, Some(LaunchState::Alive));
        world.launcher.launch(&repeated).await.expect("launchable");
        assert_eq!(world.state(&repeated).await, Some(LaunchState::Alive));
        assert!(world.launcher.remove(&removed.name).await.expect("removable"));
        assert!(!world.path(&removed).exists());
    }
}

#[tokio::test]
async fn no_two_launches_that_are_held_have_one_uid() {
    let world = World::new(SHORT);
    if world.launcher.uids.is_none() {
        return; // Not root: every command runs as ourselves.
    }
    let launches: Vec<_> = (0..8).map(|_| a_launch()).collect();
    let all = launches.iter().map(|launch| world.launcher.launch(launch));
    for launched in futures_util::future::join_all(all).await {
        launched.expect("launchable");
    }
    let uids: HashSet<_> = launches.iter().map(|launch| world.launcher.dir(&launch.name).uid()).collect();
    assert!(uids.len() == 8 && !uids.contains(&None), "{uids:?}");
}

#[tokio::test]
async fn what_holds_a_lock_without_a_name_is_neither_a_runner_nor_signalled() {
    let world = World::new(OBEDIENT);
    let launch = a_launch();
    let dir = world.launcher.dir(&launch.name);
    let _held = dir.create().and_then(|()| dir.lock()).expect("free");
    // The number is that of this very process: a runner that died long ago had it.
    let ours = std::fs::read_to_string("/proc/self/stat").expect("proc");
    let started = ours.split_ascii_whitespace().nth(21).expect("field 22");
    let earlier = ours.replace(&format!(" {started} "), " 1 ");
    std::fs::write(dir.path().join("pid"), earlier).expect("a file");
    assert!(matches!(world.launcher.launch(&launch).await, Err(LaunchError::Unavailable(_))));
    world.launcher.stop(&launch.name, Duration::ZERO).await.expect("no error");
    timeout(POLL, world.launcher.changed()).await.expect_err("nobody died, we least of all");
}
