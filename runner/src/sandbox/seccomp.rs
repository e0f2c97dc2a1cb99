//! The system calls that a command has no business with, as BPF programs which bubblewrap loads before it runs anything.
//!
//! A list of what is refused, not of what is allowed: people run compilers, browsers and interpreters here, and a new
//! system call must not break them. What the list holds back is a second line; the first is that the command has no
//! capabilities and no way to get one.

use std::collections::BTreeMap;

use libc::c_long;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen::Dword, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, sock_filter,
};

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Programs to load one after the other, each as the bytes of its `struct sock_filter` array. The kernel asks all of
/// them and obeys the strictest. A call of another architecture kills the process: the numbers mean other calls there.
pub(super) fn programs() -> Result<Vec<Vec<u8>>, BackendError> {
    let answers = [
        (forbidden()?, libc::EPERM),
        (absent(), libc::ENOSYS),
        // What a kernel without the family says.
        (foreign_sockets()?, libc::EAFNOSUPPORT),
    ];
    let mut programs = Vec::new();
    for (rules, errno) in answers {
        programs.push(bytes(&compile(rules, errno)?));
    }
    programs.extend(other_abi().map(|program| bytes(&program)));
    Ok(programs)
}

fn compile(rules: Rules, errno: i32) -> Result<BpfProgram, BackendError> {
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::Errno(errno.unsigned_abs()), arch)?.try_into()
}

/// `open_tree_attr(2)`, Linux 6.15; the number is the same on every architecture.
const SYS_OPEN_TREE_ATTR: c_long = 467;

/// Refused whatever their arguments.
const FORBIDDEN: &[c_long] = &[
    // Other processes' memory and descriptors.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    // Mounts, old and new.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    SYS_OPEN_TREE_ATTR,
    libc::SYS_mount_setattr,
    libc::SYS_open_by_handle_at,
    // Namespaces; `clone` is below.
    libc::SYS_unshare,
    libc::SYS_setns,
    // Keyrings are not namespaced.
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    // Large parts of the kernel that few programs need and many exploits began in.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_lookup_dcookie,
    libc::SYS_nfsservctl,
    // The machine itself.
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_reboot,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_syslog,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_vhangup,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
];

/// Answered as by a kernel that has no such call, so that programs take their older way.
const ABSENT: &[c_long] = &[
    // Its flags lie in memory, where no filter can look. glibc then calls `clone`, which is filtered.
    libc::SYS_clone3,
    // Its operations pass by every filter.
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
];

const NAMESPACES: [i32; 7] = [
    libc::CLONE_NEWNS,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
    libc::CLONE_NEWCGROUP,
];

/// The first two type into a terminal: somebody else's, when a descriptor of it was inherited. The last puts another
/// line discipline on one, for which many kernels load drivers of modems that nobody has looked after for decades.
const TERMINAL_CALLS: [u64; 3] = [0x5412 /* TIOCSTI */, 0x541C /* TIOCLINUX */, 0x5423 /* TIOCSETD */];

/// What `personality(2)` may be asked for: Linux, Linux on 32 bits, each also with the old `uname`, and the question
/// itself. The others weaken the memory layout of what is executed next.
const PERSONALITIES: [u64; 5] = [0x0, 0x8, 0x2_0000, 0x2_0008, 0xffff_ffff];

/// AF_VSOCK above all has to be kept out: it reaches the hypervisor's services past every network namespace.
const SOCKET_FAMILIES: [i32; 4] = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];

fn forbidden() -> Result<Rules, BackendError> {
    let mut rules = always(FORBIDDEN);
    rules.insert(libc::SYS_clone, any_flag(0, &NAMESPACES)?);
    rules.insert(libc::SYS_ioctl, any_of(1, &TERMINAL_CALLS)?);
    rules.insert(libc::SYS_personality, none_of(0, &PERSONALITIES)?);
    Ok(rules)
}

fn absent() -> Rules {
    always(ABSENT)
}

fn foreign_sockets() -> Result<Rules, BackendError> {
    let families = SOCKET_FAMILIES.map(|family| u64::from(family.unsigned_abs()));
    Ok(Rules::from([(libc::SYS_socket, none_of(0, &families)?)]))
}

fn always(calls: &[c_long]) -> Rules {
    calls.iter().map(|&call| (call, Vec::new())).collect()
}

/// Matches when argument `index` has one of `flags` set.
fn any_flag(index: u8, flags: &[i32]) -> Result<Vec<SeccompRule>, BackendError> {
    let rule = |flag: &i32| {
        let flag = u64::from(flag.unsigned_abs());
        SeccompRule::new(vec![SeccompCondition::new(index, Dword, SeccompCmpOp::MaskedEq(flag), flag)?])
    };
    flags.iter().map(rule).collect()
}

/// Matches when argument `index` is one of `values`. The kernel reads these arguments as 32 bits, so the filter does.
fn any_of(index: u8, values: &[u64]) -> Result<Vec<SeccompRule>, BackendError> {
    let rule = |&value: &u64| SeccompRule::new(vec![SeccompCondition::new(index, Dword, SeccompCmpOp::Eq, value)?]);
    values.iter().map(rule).collect()
}

/// Matches when argument `index` is none of `values`.
fn none_of(index: u8, values: &[u64]) -> Result<Vec<SeccompRule>, BackendError> {
    let differs = |&value: &u64| SeccompCondition::new(index, Dword, SeccompCmpOp::Ne, value);
    Ok(vec![SeccompRule::new(values.iter().map(differs).collect::<Result<_, _>>()?)?])
}

/// On x86-64 every call has a second number, with bit 30 set (the x32 ABI), under the same architecture: a filter that
/// lists numbers would let all of them pass.
#[cfg(target_arch = "x86_64")]
fn other_abi() -> Option<BpfProgram> {
    const LOAD_NUMBER: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS, of offset 0 in struct seccomp_data
    const JUMP_IF_AT_LEAST: u16 = 0x35; // BPF_JMP | BPF_JGE | BPF_K
    const RETURN: u16 = 0x06; // BPF_RET | BPF_K
    Some(vec![
        sock_filter { code: LOAD_NUMBER, jt: 0, jf: 0, k: 0 },
        sock_filter { code: JUMP_IF_AT_LEAST, jt: 0, jf: 1, k: 0x4000_0000 },
        sock_filter { code: RETURN, jt: 0, jf: 0, k: libc::SECCOMP_RET_KILL_PROCESS },
        sock_filter { code: RETURN, jt: 0, jf: 0, k: libc::SECCOMP_RET_ALLOW },
    ])
}

#[cfg(not(target_arch = "x86_64"))]
fn other_abi() -> Option<BpfProgram> {
    None
}

fn bytes(program: &[sock_filter]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(program.len() * 8);
    for line in program {
        bytes.extend(line.code.to_ne_bytes());
        bytes.extend([line.jt, line.jf]);
        bytes.extend(line.k.to_ne_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_program_fits_the_kernel() {
        for program in programs().expect("this architecture is known") {
            assert_eq!(program.len() % 8, 0);
            assert!((1..=4096).contains(&(program.len() / 8)), "{} instructions", program.len() / 8);
        }
    }

    #[test]
    fn a_call_has_one_answer() {
        let forbidden = forbidden().expect("rules are well formed");
        assert!(absent().keys().all(|call| !forbidden.contains_key(call)));
        assert_eq!(forbidden.len(), FORBIDDEN.len() + 3);
    }
}
