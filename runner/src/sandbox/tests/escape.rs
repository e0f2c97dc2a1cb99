//! What a hostile command must not be able to do.

use std::net::{TcpListener, UdpSocket};

use super::*;

/// Runs a system call through perl; prints the result and the name of the error.
fn call(number: i64, arguments: &str) -> String {
    format!("perl -e '$! = 0; $x = \"x\"; $r = syscall({number}, {arguments}); print $r < 0 ? $!+0 : \"done\"'")
}

async fn refused(fixture: &Fixture, what: &str, number: i64, arguments: &str, errno: i32) {
    let (_, text) = fixture.run(&call(number, arguments)).await;
    assert_eq!(text, errno.to_string(), "{what}");
}

#[tokio::test]
async fn ways_out_of_a_process_are_closed() {
    let fixture = Fixture::new();
    let check = async |what, number, arguments: &str| refused(&fixture, what, number, arguments, libc::EPERM).await;
    let new_user = libc::CLONE_NEWUSER;
    check("unshare", libc::SYS_unshare, &new_user.to_string()).await;
    check("unshare of nothing", libc::SYS_unshare, "0").await;
    check("clone of a namespace", libc::SYS_clone, &format!("{}, 0, 0, 0, 0", new_user | libc::SIGCHLD)).await;
    check(
        "clone with garbage above 32 bits",
        libc::SYS_clone,
        &format!("{}, 0, 0, 0, 0", i64::from(new_user) | 1 << 40),
    )
    .await;
    check("ptrace", libc::SYS_ptrace, "0, 0, 0, 0").await;
    check("mount", libc::SYS_mount, "0, 0, 0, 0, 0").await;
    check("open_tree", libc::SYS_open_tree, "-100, 0, 0").await;
    check("setns", libc::SYS_setns, "0, 0").await;
    check("keyctl", libc::SYS_keyctl, "0, 0, 0").await;
    check("bpf", libc::SYS_bpf, "0, 0, 0").await;
    check("process_vm_readv", libc::SYS_process_vm_readv, "1, 0, 0, 0, 0, 0").await;
    check("pidfd_getfd", libc::SYS_pidfd_getfd, "0, 0, 0").await;
    check("typing into the terminal", libc::SYS_ioctl, "0, 0x5412, $x").await;
    check("the same with garbage above 32 bits", libc::SYS_ioctl, "0, 0x100005412, $x").await;
    check("another line discipline", libc::SYS_ioctl, "0, 0x5423, $x").await;
    check("executable stacks", libc::SYS_personality, "0x400000").await;
    refused(&fixture, "clone3", libc::SYS_clone3, "0, 0", libc::ENOSYS).await;
    refused(&fixture, "io_uring", libc::SYS_io_uring_setup, "1, 0", libc::ENOSYS).await;
    refused(&fixture, "vsock", libc::SYS_socket, "40, 1, 0", libc::EAFNOSUPPORT).await;
}

#[cfg(target_arch = "x86_64")]
#[tokio::test]
async fn the_second_numbers_of_calls_are_closed_as_well() {
    let fixture = Fixture::new();
    let (code, text) = fixture.run(&format!("{}; exit $?", call(0x4000_0000 | libc::SYS_getpid, "0"))).await;
    assert_eq!((code, text.contains("Bad system call")), (128 + libc::SIGSYS, true), "{text}");
}

#[tokio::test]
async fn the_command_has_no_rights() {
    let fixture = Fixture::new();
    let uid = if is_root() { TEST_UID } else { 1001 };
    fixture.prints("id -u; id -g; id -G", &format!("{uid}\n{uid}\n{uid}\n")).await;
    let none = "0000000000000000";
    let expected =
        format!("CapInh:\t{none}\nCapPrm:\t{none}\nCapEff:\t{none}\nCapAmb:\t{none}\nNoNewPrivs:\t1\nSeccomp:\t2\n");
    fixture.prints("grep -E '^(Cap(Inh|Prm|Eff|Amb)|NoNewPrivs|Seccomp):' /proc/self/status", &expected).await;
    if is_root() {
        fixture.prints("grep CapBnd /proc/self/status", &format!("CapBnd:\t{none}\n")).await;
    }
}

#[tokio::test]
async fn the_machines_files_are_not_there() {
    let fixture = Fixture::new();
    let own = fixture.dir.path().display().to_string();
    let paths =
        ["/root", "/etc/shadow", "/etc/ssl/private", "/var/run/docker.sock", "/sys", "/srv", "/mnt", "/etc/ssh"];
    for path in paths.into_iter().chain([own.as_str()]) {
        fixture.prints(&format!("ls -d {path} 2>/dev/null || echo no"), "no\n").await;
    }
    fixture.prints("ls -1 /home /var", "/home:\npodling\n\n/var:\nrun\ntmp\n").await;
    fixture.prints("tr '\\0' ' ' </proc/1/cmdline | grep -q tmp || echo no", "no\n").await;
}

#[tokio::test]
async fn nothing_but_the_terminal_is_inherited() {
    // Open and not close-on-exec, as by whoever started the runner.
    let leaked = std::fs::File::open("/etc/hostname").expect("a file");
    rustix::io::fcntl_setfd(&leaked, rustix::io::FdFlags::empty()).expect("its flag can be cleared");
    let fixture = Fixture::new();
    fixture.prints("exec ls -1 /proc/self/fd", "0\n1\n2\n3\n").await; // 3 is the folder that ls reads.
}

#[tokio::test]
async fn no_other_process_can_be_seen_or_signalled() {
    let fixture = Fixture::new();
    let runner = rustix::process::getpid().as_raw_nonzero();
    fixture.prints("cd /proc; set -- [0-9]*; echo $#; cat 1/comm", "2\nbwrap\n").await;
    fixture.prints(&format!("kill -0 {runner} 2>/dev/null || echo no"), "no\n").await;
    fixture.prints(&format!("cat /proc/{runner}/environ 2>/dev/null || echo no"), "no\n").await;
    if is_root() {
        fixture
            .prints("kill -9 1 2>/dev/null || echo no; cat /proc/1/environ 2>/dev/null || echo no", "no\nno\n")
            .await;
    }
}

#[tokio::test]
async fn no_address_leads_out() {
    let listeners = ["0.0.0.0:0", "[::]:0"].map(|address| TcpListener::bind(address).expect("a listener"));
    let own = UdpSocket::bind("0.0.0.0:0").and_then(|socket| {
        // Sends nothing; makes the kernel choose the address that it would send from.
        socket.connect("192.0.2.1:9")?;
        Ok(socket.local_addr()?.ip().to_string())
    });
    let fixture = Fixture::new();
    for listener in &listeners {
        let port = listener.local_addr().expect("it is bound").port();
        for host in ["127.0.0.1", "::1", "169.254.169.254", own.as_deref().unwrap_or("10.0.0.1")] {
            let script = format!("(exec 3<>/dev/tcp/{host}/{port}) 2>/dev/null && echo open || echo closed");
            fixture.prints(&script, "closed\n").await;
        }
    }
    fixture.prints("ls /sys/class/net 2>/dev/null; grep -c : /proc/net/dev", "1\n").await;
}

#[tokio::test]
async fn a_set_user_id_program_gives_nothing() {
    let fixture = Fixture::new();
    fixture.prints("cp /usr/bin/id /work/id; chmod u+s /work/id; /work/id -u > a; id -u > b; cmp a b", "").await;
    fixture
        .prints("chown 0:0 /work/id 2>/dev/null || echo no; mknod /work/d b 7 0 2>/dev/null || echo no", "no\nno\n")
        .await;
}
