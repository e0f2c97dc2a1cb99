//! An internet of a test's own: network and mount namespaces for the machine, and a peer in another that is everybody else.
//!
//! ```text
//! the machine  203.0.113.1, 198.51.100.5 ──── 203.0.113.10  the peer, with the name server and addresses of every sort
//! ```

use std::{
    fs::File,
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::fd::AsFd,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// The name that the peer's name server knows.
pub const NAME: &str = "server.example";
/// Where it leads.
pub const SERVER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 10);
/// What the server there says.
pub const GREETING: &str = "the internet";
/// The machine's own addresses, none of them private.
pub const MACHINE: [&str; 2] = ["203.0.113.1", "198.51.100.5"];
/// Addresses of the peer's that no sandbox may reach; the last lies in the network that slirp4netns makes up.
pub const PRIVATE: [&str; 7] =
    ["10.0.0.1", "100.64.0.1", "168.63.129.16", "169.254.169.254", "172.16.0.1", "192.168.0.1", "10.0.2.50"];
/// A group that the peer has joined.
pub const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
/// Where datagrams are listened for, by the peer and by the machine.
pub const DATAGRAMS: u16 = 5353;

/// Runs one test of this executable in namespaces of its own, which end with it; in there [`is_inside`].
///
/// # Panics
/// When it fails there.
pub fn inside(test: &str) {
    let program = std::env::current_exe().expect("a running program has a path");
    let mut command = Command::new("unshare");
    command.args(["--net", "--mount"]).arg(program).args(["--exact", test, "--nocapture", INSIDE]);
    let ended = command.stdin(Stdio::null()).status().expect("unshare runs");
    assert!(ended.success(), "{test} in a network of its own: {ended}");
}

const INSIDE: &str = "inside-a-network-of-its-own";

/// Whether this process was started by [`inside`].
pub fn is_inside() -> bool {
    std::env::args().any(|argument| argument == INSIDE)
}

pub struct Internet {
    peer: Child,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Internet {
    /// Makes it around this process. What it takes ends with the process.
    pub fn start(scratch: &Path) -> Internet {
        let peer = Command::new("unshare").args(["--net", "cat"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut peer = peer.expect("unshare runs");
        // It echoes once it is `cat`, which is when its network is its own.
        peer.stdin.as_mut().expect("piped").write_all(b"x").expect("it listens");
        peer.stdout.as_mut().expect("piped").read_exact(&mut [0]).expect("it answers");
        let pid = peer.id();
        lay_cables(pid);
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (tcp, names, datagrams) = on_the_other_side(pid, || {
            let any = |port| (Ipv4Addr::UNSPECIFIED, port);
            let datagrams = UdpSocket::bind(any(DATAGRAMS)).expect("free");
            datagrams.join_multicast_v4(&GROUP, &SERVER).expect("the peer's own");
            (TcpListener::bind(any(80)).expect("free"), UdpSocket::bind(any(53)).expect("free"), datagrams)
        });
        thread::spawn(move || greet(&tcp));
        thread::spawn(move || resolve(&names));
        let here = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, DATAGRAMS)).expect("free");
        for socket in [datagrams, here] {
            let heard = Arc::clone(&heard);
            thread::spawn(move || listen(&socket, &heard));
        }
        let resolver = scratch.join("resolv.conf");
        std::fs::write(&resolver, format!("nameserver {SERVER}\n")).expect("writable");
        run("mount", &["--bind", resolver.to_str().expect("text"), "/etc/resolv.conf"]);
        Internet { peer, heard }
    }

    /// Every datagram that has arrived anywhere, in the order of arrival.
    pub fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Internet {
    fn drop(&mut self) {
        // It ends with its input anyway.
        let _ = self.peer.kill();
        let _ = self.peer.wait();
    }
}

fn lay_cables(peer: u32) {
    let ip = |line: &str| run("ip", &line.split_whitespace().collect::<Vec<_>>());
    let pid = peer.to_string();
    let there = |line: &str| {
        let words = ["-t", &pid, "-n", "ip"].into_iter().chain(line.split_whitespace());
        run("nsenter", &words.collect::<Vec<_>>());
    };
    ip("link set lo up");
    ip(&format!("link add world type veth peer name wire netns {peer}"));
    ip("addr add 203.0.113.1/24 dev world");
    ip("addr add 198.51.100.5/32 dev lo");
    ip("link set world up");
    there("link set lo up");
    there("addr add 203.0.113.10/24 dev wire");
    there("link set wire up");
    for address in PRIVATE {
        there(&format!("addr add {address}/32 dev lo"));
    }
    there("route add 198.51.100.5/32 via 203.0.113.1");
    ip("route add default via 203.0.113.10");
}

fn run(program: &str, arguments: &[&str]) {
    let status = Command::new(program).args(arguments).status();
    assert!(status.is_ok_and(|status| status.success()), "{program} {}", arguments.join(" "));
}

/// Does something in the peer's network: sockets stay in the one that they were made in.
fn on_the_other_side<T: Send>(peer: u32, work: impl FnOnce() -> T + Send) -> T {
    let network = File::open(format!("/proc/{peer}/ns/net")).expect("the peer lives");
    thread::scope(|scope| {
        let moved = scope.spawn(|| {
            move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network)).expect("the test is root");
            work()
        });
        moved.join().expect("the peer's sockets can be made")
    })
}

fn greet(listener: &TcpListener) {
    for mut caller in listener.incoming().flatten() {
        // Who only looks whether somebody is here has gone.
        let _ = writeln!(caller, "{GREETING}");
    }
}

fn listen(socket: &UdpSocket, heard: &Mutex<Vec<String>>) {
    let mut bytes = [0; 128];
    while let Ok((length, _)) = socket.recv_from(&mut bytes) {
        let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
        heard.lock().unwrap_or_else(PoisonError::into_inner).push(text);
    }
}

/// A name server (RFC 1035) that knows one name, and that it has an address of IPv4 alone.
fn resolve(socket: &UdpSocket) {
    const ADDRESS: [u8; 2] = [0, 1];
    let mut bytes = [0; 512];
    while let Ok((length, client)) = socket.recv_from(&mut bytes) {
        let asked = &bytes[..length];
        let question: Vec<u8> = NAME.split('.').chain([""]).flat_map(label).collect();
        let (Some(id), Some(name)) = (asked.get(..2), asked.get(12..12 + question.len())) else { continue };
        let kind = &asked[12 + question.len()..][..2];
        let (known, found) =
            (name.eq_ignore_ascii_case(&question), name.eq_ignore_ascii_case(&question) && kind == ADDRESS);
        let mut answer = [id, &[0x81, if known { 0x80 } else { 0x83 }, 0, 1, 0, u8::from(found), 0, 0, 0, 0]].concat();
        answer.extend(&asked[12..12 + question.len() + 4]);
        if found {
            answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
            answer.extend(SERVER.octets());
        }
        // Who asked may have given up.
        let _ = socket.send_to(&answer, client);
    }
}

/// Its length and its letters.
fn label(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).expect("a label has at most 63 bytes");
    [&[length], text.as_bytes()].concat()
}

/// Whether the machine itself, which no wall surrounds, gets a connection.
pub fn reaches(address: &str, port: u16) -> bool {
    let target: SocketAddr = format!("{address}:{port}").parse().expect("an address");
    TcpStream::connect_timeout(&target, Duration::from_secs(5)).is_ok()
}
