//! Both layouts against plain folders, which keep what is written to them.

use podling_session::id::{Incarnation, Uid};
use tempfile::TempDir;

use super::*;

const OWN: &str =
    "9:name=systemd:/x\n4:memory:/jail\n3:cpu,cpuacct:/\n1:pids:/jail/inner\n0::/user.slice/app.service\n";

fn name() -> LaunchName {
    Incarnation { uid: Uid::new(), number: 1 }.launch_name()
}

fn limits() -> Limits {
    Limits { cpu_millis: 1_500, memory_bytes: 1 << 30, disk_bytes: 1 << 30, pids: 100 }
}

fn v1() -> (TempDir, Trees) {
    let root = tempfile::tempdir().expect("a temporary folder");
    for controller in ["memory", "pids", "cpu"] {
        fs::create_dir(root.path().join(controller)).expect("a folder");
    }
    let trees = Trees::at(root.path().to_owned(), OWN.into());
    (root, trees)
}

fn v2() -> (TempDir, Trees) {
    let root = tempfile::tempdir().expect("a temporary folder");
    fs::write(root.path().join("cgroup.controllers"), "cpu memory pids").expect("a file");
    let trees = Trees::at(root.path().to_owned(), OWN.into());
    (root, trees)
}

fn check(folder: &Path, file: &str, expected: &str) {
    let found = fs::read_to_string(folder.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
    assert_eq!(found, expected, "{file}");
}

#[test]
fn version_1_has_a_group_in_each_tree() {
    let (root, trees) = v1();
    let name = name();
    let group = Cgroup::create(&trees, &name, &limits()).expect("it is made");
    let folder = |controller: &str| root.path().join(controller).join("podling").join(name.as_str());
    check(&folder("memory"), "memory.limit_in_bytes", "1073741824");
    check(&folder("memory"), "memory.memsw.limit_in_bytes", "1073741824");
    check(&folder("pids"), "pids.max", "102");
    check(&folder("cpu"), "cpu.cfs_period_us", "100000");
    check(&folder("cpu"), "cpu.cfs_quota_us", "150000");
    fs::write(folder("memory").join("memory.oom_control"), "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n")
        .expect("a file");
    assert_eq!(group.oom_kills().expect("readable"), 3);
    assert_eq!(group.processor_time(), None, "nobody counts it");
}

#[test]
fn processor_time_is_told_where_it_is_counted() {
    let (root, trees) = v1();
    let name = name();
    fs::create_dir(root.path().join("cpuacct")).expect("a folder");
    let group = Cgroup::create(&trees, &name, &limits()).expect("it is made");
    let folder = root.path().join("cpuacct/podling").join(name.as_str());
    fs::write(folder.join("cpuacct.usage"), "7004\n").expect("a file");
    assert_eq!(group.processor_time(), Some(7004));

    let (root, trees) = v2();
    let group = Cgroup::create(&trees, &name, &limits()).expect("it is made");
    let folder = root.path().join("podling").join(name.as_str());
    fs::write(folder.join("cpu.stat"), "usage_usec 92\nuser_usec 80\n").expect("a file");
    assert_eq!(group.processor_time(), Some(92));
}

#[test]
fn version_2_has_one_group_and_hands_its_controllers_down() {
    let (root, trees) = v2();
    let name = name();
    let group = Cgroup::create(&trees, &name, &limits()).expect("it is made");
    check(root.path(), "cgroup.subtree_control", "+memory +pids +cpu");
    check(&root.path().join("podling"), "cgroup.subtree_control", "+memory +pids +cpu");
    let folder = root.path().join("podling").join(name.as_str());
    check(&folder, "memory.max", "1073741824");
    check(&folder, "memory.swap.max", "0");
    check(&folder, "memory.oom.group", "1");
    check(&folder, "pids.max", "102");
    check(&folder, "cpu.max", "150000 100000");
    fs::write(folder.join("memory.events"), "low 0\noom 5\noom_kill 4\noom_group_kill 1\n").expect("a file");
    assert_eq!(group.oom_kills().expect("readable"), 4);
}

#[test]
fn version_2_is_killed_by_one_write() {
    let (root, trees) = v2();
    let name = name();
    let group = Cgroup::create(&trees, &name, &limits()).expect("it is made");
    let folder = root.path().join("podling").join(name.as_str());
    fs::write(folder.join("cgroup.kill"), "").expect("a file");
    fs::write(folder.join("cgroup.procs"), "").expect("a file");
    group.kill().expect("nothing is left");
    check(&folder, "cgroup.kill", "1");
}

#[test]
fn a_delegated_group_is_used_and_its_processes_make_room() {
    let (root, trees) = v2();
    let own = root.path().join("user.slice/app.service");
    fs::create_dir_all(&own).expect("a folder");
    assert_eq!(trees.places(Version::V2), [vec![root.path().to_owned()], vec![own.join("")]]);
    fs::write(own.join("cgroup.procs"), "4711\n").expect("a file");
    vacate(&own).expect("it is made free");
    check(&own.join(OWN_LEAF), "cgroup.procs", "4711");
    // Who was moved there makes its groups beside, not below.
    let moved = trees.seen_from("0::/user.slice/app.service/podling-own\n".into());
    assert_eq!(moved.places(Version::V2)[1], [own]);
}

#[test]
fn the_own_place_differs_by_tree_in_version_1() {
    let (root, trees) = v1();
    let own = trees.places(Version::V1).remove(1);
    let expected = ["memory/jail", "pids/jail/inner", "cpu/"].map(|path| root.path().join(path));
    assert_eq!(own, expected);
}

#[test]
fn where_the_top_is_closed_the_own_place_is_taken() {
    let (root, trees) = v1();
    // A file in the way refuses everyone; permissions would not refuse root.
    fs::write(root.path().join("memory/podling"), "").expect("a file");
    let name = name();
    let group = Cgroup::create(&trees, &name, &limits()).expect("it is made below");
    assert!(group.folder(Controller::Memory).starts_with(root.path().join("memory/jail/podling")));
    assert!(Cgroup::find(&trees, &name).iter().any(|found| found.folders == group.folders));
}

#[test]
fn without_a_tree_there_is_no_group() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let trees = Trees::at(root.path().to_owned(), String::new());
    assert!(Cgroup::create(&trees, &name(), &limits()).is_err());
    assert!(Cgroup::find(&trees, &name()).is_empty());
}

#[test]
fn a_group_is_removed_once() {
    let (root, trees) = v2();
    let name = name();
    let folder = root.path().join("podling").join(name.as_str());
    fs::create_dir_all(&folder).expect("a folder");
    let [group] = &Cgroup::find(&trees, &name)[..] else { panic!("one group") };
    group.remove().expect("an empty group can be removed");
    assert!(!folder.exists());
    group.remove().expect("again is fine");
    group.kill().expect("and so is killing it");
}

#[test]
fn a_real_group_of_version_2_is_killed_and_removed() {
    let roots = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].map(PathBuf::from);
    let Some(root) = roots.into_iter().find(|root| root.join("cgroup.procs").is_file()) else { return };
    let name = name();
    let group = Cgroup::in_place(Version::V2, &[root], &name);
    if fs::create_dir_all(&group.folders[0]).is_err() {
        return; // Not root's, and nothing is delegated.
    }
    let mut child = std::process::Command::new("sleep").arg("1000").spawn().expect("sleep");
    fs::write(group.folders[0].join("cgroup.procs"), child.id().to_string()).expect("it can join");
    assert_eq!(group.processes().expect("readable"), [Pid::from_child(&child)]);
    let killed = group.kill();
    child.kill().expect("it is ours");
    child.wait().expect("it is ours");
    group.remove().expect("it is empty");
    killed.expect("nothing is left");
    assert!(!group.folders[0].exists());
}
