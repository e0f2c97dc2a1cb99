//! The last step into a sandbox: `podling sandbox-enter FD`, run by bubblewrap inside of what it has made. What to run
//! comes through a pipe: the sandbox may have been made long before anybody knew that.
//!
//! The command's environment goes through that pipe, and is put on only here, when nothing is left to lose:
//! bubblewrap itself would obey the command's `LD_PRELOAD`, outside of the sandbox. Nor does it stand in an argument,
//! where every user of the machine could read it.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, Read},
    os::{
        fd::{FromRawFd, OwnedFd, RawFd},
        unix::{ffi::OsStrExt, process::CommandExt},
    },
    process::Command,
    str::FromStr,
};

use rustix::{
    process::{Gid, Resource, Uid},
    thread::{CapabilitySet, CapabilitySets},
};

use super::fork::limit;

/// The hidden subcommand that every executable which runs sandboxes has. Its one argument is a descriptor; `main` hands
/// it to [`enter`] before it starts a thread.
pub(super) const ENTER: &str = "sandbox-enter";

/// Ends the text that bubblewrap may have written to standard error; the command is about to run.
pub(super) const STARTED: u8 = 0;

/// The exit code of a command that is not there, as of a shell.
const NOT_FOUND: u8 = 127;
/// The exit code of a sandbox that could not be finished; the reason is on standard error.
const NOT_ENTERED: u8 = 125;

/// What is to be run, and as whom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Entry {
    /// The session's own user. Absent where a user namespace has one already.
    pub uid: Option<u32>,
    /// How many processes and threads the user may have, where no control group counts them. Only sound within a user
    /// namespace or for a user of the session's own, so it is set here and not earlier.
    pub processes: Option<u32>,
    /// The largest file that it may write.
    pub file_bytes: Option<u64>,
    /// The data of one process, where no control group counts that of all. Not the size of the address space: runtimes
    /// reserve far more than they use.
    pub data_bytes: Option<u64>,
    pub argv: Vec<OsString>,
    pub env: BTreeMap<String, String>,
}

impl Entry {
    /// Fields that end with NUL: uid, processes, file and data bytes, the number of arguments, the arguments,
    /// `NAME=value` of each variable. `None` when a NUL is in one of them.
    pub(super) fn encode(&self) -> Option<Vec<u8>> {
        let numbers = [self.uid.map(u64::from), self.processes.map(u64::from), self.file_bytes, self.data_bytes];
        let text = |number: Option<u64>| OsString::from(number.map(|n| n.to_string()).unwrap_or_default());
        let mut fields: Vec<_> = numbers.into_iter().map(text).collect();
        fields.push(self.argv.len().to_string().into());
        fields.extend(self.argv.iter().cloned());
        fields.extend(self.env.iter().map(|(name, value)| OsString::from(format!("{name}={value}"))));
        let mut bytes = Vec::new();
        for field in &fields {
            if field.as_bytes().contains(&0) {
                return None;
            }
            bytes.extend(field.as_bytes());
            bytes.push(0);
        }
        Some(bytes)
    }

    fn decode(bytes: &[u8]) -> Option<Entry> {
        let mut fields = bytes.strip_suffix(&[0])?.split(|&byte| byte == 0);
        let mut text = || std::str::from_utf8(fields.next()?).ok();
        let (uid, processes) = (number(text()?)?, number(text()?)?);
        let (file_bytes, data_bytes) = (number(text()?)?, number(text()?)?);
        let count = text()?.parse().ok()?;
        let argv: Vec<OsString> = fields.by_ref().take(count).map(|arg| OsStr::from_bytes(arg).to_owned()).collect();
        let pair = |field| Some(std::str::from_utf8(field).ok()?.split_once('=')?).map(|(k, v)| (k.into(), v.into()));
        let env = fields.map(pair).collect::<Option<_>>()?;
        Some(Entry { uid, processes, file_bytes, data_bytes, argv, env })
    }
}

fn number<T: FromStr>(text: &str) -> Option<Option<T>> {
    if text.is_empty() { Some(None) } else { text.parse().ok().map(Some) }
}

/// Becomes the command that is described through the pipe behind `descriptor`, once it is. Returns only when that failed, with the exit code
/// for `main` to return; what to say about it has been said.
pub(super) fn enter(descriptor: &OsStr) -> u8 {
    match try_enter(descriptor) {
        Ok(NotFound { program, error }) => {
            eprintln!("podling: {}: {error}", program.to_string_lossy());
            NOT_FOUND
        }
        Err(error) => {
            eprintln!("podling: the sandbox could not be entered: {error}");
            NOT_ENTERED
        }
    }
}

/// Raised, so that a machine that runs out of memory takes the command before the runner or anything of its host.
const OOM_SCORE: &str = "500";

struct NotFound {
    program: OsString,
    error: io::Error,
}

fn try_enter(descriptor: &OsStr) -> io::Result<NotFound> {
    take_terminal()?;
    let entry = read_entry(descriptor)?;
    let Some((program, arguments)) = entry.argv.split_first() else { return Err(io::ErrorKind::InvalidData.into()) };
    let _ = std::fs::write("/proc/self/oom_score_adj", OOM_SCORE); // A kernel without it kills whom it likes.
    let limits = [
        (Resource::Nproc, entry.processes.map(u64::from)),
        (Resource::Fsize, entry.file_bytes),
        (Resource::Data, entry.data_bytes),
    ];
    for (resource, most) in limits.into_iter().filter_map(|(resource, most)| Some((resource, most?))) {
        limit(resource, most)?;
    }
    if let Some(uid) = entry.uid {
        become_user(uid)?;
    }
    rustix::io::write(rustix::stdio::stderr(), &[STARTED])?;
    rustix::stdio::dup2_stdout(rustix::stdio::stdin())?;
    rustix::stdio::dup2_stderr(rustix::stdio::stdin())?;
    let error = Command::new(program).args(arguments).env_clear().envs(&entry.env).exec();
    Ok(NotFound { program: program.clone(), error })
}

fn read_entry(descriptor: &OsStr) -> io::Result<Entry> {
    let number: Option<RawFd> = descriptor.to_str().and_then(|text| text.parse().ok()).filter(|&number| number > 2);
    let number = number.ok_or(io::ErrorKind::InvalidInput)?;
    // SAFETY: the descriptor was inherited for this use alone, and nothing else in this process knows its number; a
    // number that is not open gives an error at the first read.
    #[expect(unsafe_code, reason = "an inherited descriptor is a number until someone owns it")]
    let file = unsafe { OwnedFd::from_raw_fd(number) };
    let mut bytes = Vec::new();
    File::from(file).read_to_end(&mut bytes)?;
    unframed(&bytes).and_then(Entry::decode).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// What goes before an entry, so that a part of one, from a runner that was cut off, is never taken for the whole.
pub(super) fn framed_length(entry: &[u8]) -> [u8; 8] {
    (entry.len() as u64).to_le_bytes()
}

fn unframed(bytes: &[u8]) -> Option<&[u8]> {
    let (length, entry) = bytes.split_first_chunk()?;
    (*length == framed_length(entry)).then_some(entry)
}

/// Leads a session whose controlling terminal is standard input, so that Ctrl-C reaches the command and not the
/// processes of bubblewrap around it.
fn take_terminal() -> io::Result<()> {
    match rustix::process::setsid() {
        // It leads one already, when no bubblewrap is in between.
        Ok(_) | Err(rustix::io::Errno::PERM) => {}
        Err(error) => return Err(error.into()),
    }
    if rustix::termios::isatty(rustix::stdio::stdin()) {
        rustix::process::ioctl_tiocsctty(rustix::stdio::stdin())?;
    }
    Ok(())
}

/// Gives up root for good: groups, bounding set, user, capabilities.
fn become_user(uid: u32) -> io::Result<()> {
    let (user, group) = (Uid::from_raw(uid), Gid::from_raw(uid));
    rustix::thread::set_thread_groups(&[])?;
    drop_bounding_set()?;
    rustix::thread::set_thread_res_gid(group, group, group)?;
    rustix::thread::set_thread_res_uid(user, user, user)?;
    let none = CapabilitySet::empty();
    rustix::thread::set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })?;
    Ok(())
}

fn drop_bounding_set() -> io::Result<()> {
    for bit in 0..u64::BITS {
        match rustix::thread::remove_capability_from_bounding_set(CapabilitySet::from_bits_retain(1 << bit)) {
            // Past the last capability that this kernel knows.
            Err(rustix::io::Errno::INVAL) => return Ok(()),
            dropped => dropped?,
        }
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// In a test, the executable in the sandbox is the test binary, and this is what it runs there.
    #[test]
    fn entry_point() {
        let mut arguments = std::env::args_os().skip_while(|argument| argument != ENTER);
        if let Some(descriptor) = arguments.nth(1) {
            #[expect(clippy::exit, reason = "it stands in for main")]
            std::process::exit(enter(&descriptor).into());
        }
    }

    /// The arguments by which the test binary does what `podling sandbox-enter` does.
    pub(in crate::sandbox) const ENTER_ARGUMENTS: [&str; 4] =
        ["--exact", "--nocapture", "sandbox::enter::tests::entry_point", ENTER];

    #[test]
    fn what_is_encoded_comes_back() {
        let env =
            BTreeMap::from([("A".into(), "1\n2".into()), ("EMPTY".into(), String::new()), ("E".into(), "a=b".into())]);
        let limits = Entry { uid: Some(7), file_bytes: Some(1 << 40), ..Entry::default() };
        let entry = Entry { argv: vec!["sh".into(), "".into(), "-c".into()], env, ..limits };
        assert_eq!(Entry::decode(&entry.encode().expect("no NUL")), Some(entry));
    }

    #[test]
    fn a_part_of_an_entry_is_none() {
        let entry = Entry { argv: vec!["sh".into()], ..Entry::default() }.encode().expect("no NUL");
        let framed = [&framed_length(&entry)[..], &entry].concat();
        assert_eq!(unframed(&framed), Some(&entry[..]));
        for bytes in 0..framed.len() {
            assert_eq!(unframed(&framed[..bytes]), None, "{bytes}");
        }
    }

    #[test]
    fn a_nul_is_refused() {
        let entry = Entry { argv: vec!["a\0b".into()], ..Entry::default() };
        assert_eq!(entry.encode(), None);
    }

    #[test]
    fn nonsense_is_refused() {
        for bytes in ["", "\0", "x\0\0\0\x001\0a\0", "\0\0\0\x001\0a\0novalue\0", "\0\0\0\0many\0a\0"] {
            assert_eq!(Entry::decode(bytes.as_bytes()), None, "{bytes:?}");
        }
    }
}
