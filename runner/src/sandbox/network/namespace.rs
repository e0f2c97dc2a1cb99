//! A network namespace, and the ways into it.
//!
//! Root enters it with a thread that is thrown away. An ordinary user has to own it through a user namespace, which
//! only a process of one thread may enter: so a process is sent, `podling sandbox-net ERRAND`, which answers through a
//! socket on its standard input, with descriptors where it has opened something.

use std::{
    ffi::OsStr,
    fs::File,
    io::{self, IoSlice, IoSliceMut},
    mem::MaybeUninit,
    os::{
        fd::{AsFd, OwnedFd},
        unix::process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use rustix::{
    net::{
        AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
        SendFlags, SocketFlags, SocketType,
        sockopt::{Timeout, set_socket_timeout},
    },
    process::{getegid, geteuid},
    thread::{
        CapabilitySet, CapabilitySets, UnshareFlags, configure_capability_in_ambient_set, move_into_link_name_space,
    },
};

use super::errand::Errand;

/// The hidden subcommand that every executable which runs sandboxes has.
pub(in crate::sandbox) const NETWORK: &str = "sandbox-net";

/// How long somebody who was sent may take: milliseconds as a rule.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest answer, a sentence of the kernel's.
const ANSWER_BYTES: usize = 512;
/// The most descriptors of one answer.
const ANSWER_FDS: usize = 2;
/// What is needed in a namespace that one owns: to name its users, to configure it, to listen on low ports.
const RIGHTS: [CapabilitySet; 3] =
    [CapabilitySet::SYS_ADMIN, CapabilitySet::NET_ADMIN, CapabilitySet::NET_BIND_SERVICE];

/// Lives as long as this, or a process in it.
#[derive(Debug)]
pub(super) struct Namespace {
    /// Who is sent into it.
    program: PathBuf,
    /// The user namespace that owns it. `None`: the machine's own, as we are root.
    user: Option<OwnedFd>,
    net: OwnedFd,
}

impl Namespace {
    /// Makes one, with loopback and walls. Blocks.
    pub(super) fn make(program: &Path) -> io::Result<Namespace> {
        let program = program.to_owned();
        if geteuid().is_root() {
            let net = in_thread(|| {
                unshare(UnshareFlags::NEWNET)?;
                Errand::Begin.run()?;
                Ok(File::open("/proc/thread-self/ns/net")?.into())
            })?;
            return Ok(Namespace { program, user: None, net });
        }
        // As seen from outside: inside nobody has a number yet.
        let begin = Errand::BeginAs(geteuid().as_raw(), getegid().as_raw());
        let made = sent(&program, &begin, || unshare(UnshareFlags::NEWUSER | UnshareFlags::NEWNET))?;
        let [user, net] = <[OwnedFd; 2]>::try_from(made).map_err(|_| silent())?;
        Ok(Namespace { program, user: Some(user), net })
    }

    /// Has an errand done in it. Blocks.
    pub(super) fn send(&self, errand: Errand) -> io::Result<Option<OwnedFd>> {
        let entrances = self.entrances()?;
        if self.user.is_some() {
            return Ok(sent(&self.program, &errand, move || enter(&entrances))?.pop());
        }
        in_thread(move || {
            enter(&entrances)?;
            errand.run()
        })
    }

    /// What to [`enter`], in this order.
    pub(super) fn entrances(&self) -> io::Result<Vec<OwnedFd>> {
        self.user.iter().chain([&self.net]).map(OwnedFd::try_clone).collect()
    }
}

/// Moves this thread into namespaces. Makes system calls and nothing else.
pub(in crate::sandbox) fn enter(entrances: &[OwnedFd]) -> io::Result<()> {
    entrances.iter().try_for_each(|entrance| Ok(move_into_link_name_space(entrance.as_fd(), None)?))
}

fn unshare(flags: UnshareFlags) -> io::Result<()> {
    // SAFETY: neither flag takes anything from this thread that others rely on to be shared: not memory, not
    // descriptors, not the working directory.
    #[expect(unsafe_code, reason = "some flags of unshare could break what threads share")]
    unsafe {
        Ok(rustix::thread::unshare_unsafe(flags)?)
    }
}

/// In a thread that ends with it, for no other may ever find itself in another namespace.
fn in_thread<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    let worker = thread::Builder::new().name("sandbox-net".into()).spawn(work)?;
    worker.join().map_err(|_| io::Error::other("a thread in the sandbox's network panicked"))?
}

/// By a process that first takes the step `into` the namespace, and then is another program with rights there.
fn sent(
    program: &Path,
    errand: &Errand,
    mut into: impl FnMut() -> io::Result<()> + Send + Sync + 'static,
) -> io::Result<Vec<OwnedFd>> {
    let (ours, theirs) =
        rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    set_socket_timeout(&ours, Timeout::Recv, Some(PATIENCE))?;
    let mut command = Command::new(program);
    command.args(NETWORK_ARGUMENTS).arg(errand.to_string()).env_clear();
    command.stdin(theirs).stdout(Stdio::null()).stderr(Stdio::null());
    let steps = move || {
        into()?;
        keep_rights()
    };
    // SAFETY: between fork and exec of a process with threads, only calls that are safe in a signal handler may be made.
    // These make system calls on what they were given; they allocate nothing and take no lock.
    #[expect(unsafe_code, reason = "there is no other way to act between fork and exec")]
    unsafe {
        command.pre_exec(steps);
    }
    let mut child = command.spawn()?;
    drop(command); // With it our copy of their end, so that we hear when they have gone.
    let answer = receive(&ours);
    // It has nothing left to do, or too much.
    _ = child.kill();
    child.wait()?;
    answer
}

/// Lets the next program have, within the namespace that was entered, what this one has there.
fn keep_rights() -> io::Result<()> {
    let all = RIGHTS.into_iter().fold(CapabilitySet::empty(), |all, right| all | right);
    rustix::thread::set_capabilities(None, CapabilitySets { effective: all, permitted: all, inheritable: all })?;
    RIGHTS.into_iter().try_for_each(|right| Ok(configure_capability_in_ambient_set(right, true)?))
}

fn receive(socket: &OwnedFd) -> io::Result<Vec<OwnedFd>> {
    let mut text = [0; ANSWER_BYTES];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(ANSWER_FDS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received =
        rustix::net::recvmsg(socket, &mut [IoSliceMut::new(&mut text)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let opened = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(opened) => Some(opened),
        _ => None,
    });
    let opened = opened.flatten().collect();
    match text[..received.bytes].split_first() {
        Some((&DONE, _)) => Ok(opened),
        Some((_, words)) => Err(io::Error::other(String::from_utf8_lossy(words).into_owned())),
        None => Err(silent()),
    }
}

fn silent() -> io::Error {
    io::Error::other("who was sent into the sandbox's network did not come back")
}

/// The first byte of an answer.
const DONE: u8 = 0;
const FAILED: u8 = 1;

/// `podling sandbox-net ERRAND`: the other end of [`sent`]. Returns the exit code.
pub(in crate::sandbox) fn answer(errand: &OsStr) -> u8 {
    let (first, words, opened) = match do_errand(errand) {
        Ok(opened) => (DONE, String::new(), opened),
        Err(error) => (FAILED, error.to_string(), Vec::new()),
    };
    let mut text = vec![first];
    text.extend(words.bytes().take(ANSWER_BYTES - 1));
    let opened: Vec<_> = opened.iter().map(AsFd::as_fd).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(ANSWER_FDS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !opened.is_empty() && !control.push(SendAncillaryMessage::ScmRights(&opened)) {
        return 1;
    }
    let sent = rustix::net::sendmsg(rustix::stdio::stdin(), &[IoSlice::new(&text)], &mut control, SendFlags::NOSIGNAL);
    u8::from(sent.is_err())
}

fn do_errand(errand: &OsStr) -> io::Result<Vec<OwnedFd>> {
    let errand: Errand = errand.to_str().ok_or(io::ErrorKind::InvalidInput)?.parse()?;
    let opened = errand.run()?;
    if !matches!(errand, Errand::BeginAs(..)) {
        return Ok(opened.into_iter().collect());
    }
    ["user", "net"].map(|kind| Ok(File::open(format!("/proc/self/ns/{kind}"))?.into())).into_iter().collect()
}

#[cfg(not(test))]
const NETWORK_ARGUMENTS: [&str; 1] = [NETWORK];
#[cfg(test)]
use tests::NETWORK_ARGUMENTS;

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// In a test, who is sent is the test binary, and this is what it runs.
    #[test]
    fn entry_point() {
        let mut arguments = std::env::args_os().skip_while(|argument| argument != NETWORK);
        if let Some(errand) = arguments.nth(1) {
            #[expect(clippy::exit, reason = "it stands in for main")]
            std::process::exit(answer(&errand).into());
        }
    }

    /// The arguments by which the test binary does what `podling sandbox-net` does.
    pub(super) const NETWORK_ARGUMENTS: [&str; 4] =
        ["--exact", "--nocapture", "sandbox::network::namespace::tests::entry_point", NETWORK];
}
