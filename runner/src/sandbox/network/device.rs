//! The device by which a sandbox reaches the internet, and the walls around it.
//!
//! Frames on it go to slirp4netns, which opens sockets of the machine for what is in them. So the walls stand before
//! it: the kernel has no route to what is walled off. A command can make the kernel do without routes (it may bind its
//! socket to the device, or to a source address, and send to a group or to everybody), but not without a hardware
//! address: the device passes frames to the gateway's and the name server's only, which nobody has to ask for. What is
//! neither routed nor asked for has no way out.

use std::{ffi::c_int, fs::File, io, net::Ipv4Addr, os::fd::AsRawFd};

use podling_session::address::WALLED;
use rustix::{
    io::Errno,
    net::{AddressFamily, SocketType, netdevice::name_to_index},
};

use super::netlink::Changes;

pub(super) const DEVICE: &str = "tap0";
/// The largest packet. The stack at the other end has no wire, so the larger the cheaper.
pub(super) const MTU: u32 = 65_520;
/// The addresses that slirp4netns gives itself and expects here.
const OWN: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 100);
const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);
/// Asks the machine's own name server.
pub(in crate::sandbox) const NAME_SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 3);
/// Loopback is the first device of every namespace.
const LOOPBACK: u32 = 1;

/// Loopback and walls, with no way out yet.
pub(super) fn begin() -> io::Result<()> {
    let mut changes = Changes::default();
    changes.up(LOOPBACK, None);
    for range in WALLED {
        changes.unreachable(range);
    }
    changes.make()
}

/// The way out, but to `hosts`. May be repeated with others, which then count as well.
pub(super) fn connect(hosts: &[Ipv4Addr]) -> io::Result<()> {
    let mut changes = Changes::default();
    for &host in hosts {
        changes.unreachable((host, 32));
    }
    let device = match index()? {
        Some(device) => device,
        None => make()?,
    };
    changes.up(device, Some(MTU));
    changes.address(device, OWN);
    for neighbour in [GATEWAY, NAME_SERVER] {
        changes.neighbour(device, neighbour, hardware(neighbour));
        changes.route(device, (neighbour, 32), None);
    }
    changes.route(device, (Ipv4Addr::UNSPECIFIED, 0), Some(GATEWAY));
    changes.make()
}

/// No way out, of which commands are told at once. The device stays: to remove one takes the kernel 20 ms.
pub(super) fn disconnect() -> io::Result<()> {
    let Some(device) = index()? else { return Ok(()) };
    let mut changes = Changes::default();
    changes.down(device);
    changes.make()
}

fn index() -> io::Result<Option<u32>> {
    let any = rustix::net::socket(AddressFamily::INET, SocketType::DGRAM, None)?;
    match name_to_index(any, DEVICE) {
        Ok(index) => Ok(Some(index)),
        Err(Errno::NODEV) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Makes the device: one that stays when nobody has it open, until the namespace goes or it is removed.
fn make() -> io::Result<u32> {
    let tun = File::options().read(true).write(true).open("/dev/net/tun")?;
    control(&tun, libc::TUNSETIFF, &mut request(DEVICE))?;
    control(&tun, libc::TUNSETTXFILTER, &mut filter(&[GATEWAY, NAME_SERVER].map(hardware)))?;
    // The kernel takes anything but a null pointer for yes.
    control(&tun, libc::TUNSETPERSIST, &mut [1])?;
    index()?.ok_or_else(|| io::ErrorKind::NotFound.into())
}

/// The hardware address that slirp4netns gives to one of its own.
fn hardware(address: Ipv4Addr) -> [u8; 6] {
    let [a, b, c, d] = address.octets();
    [0x52, 0x55, a, b, c, d]
}

/// `struct ifreq`: the name in 16 bytes, then flags, then what is not used.
fn request(name: &str) -> [u8; 40] {
    let mut request = [0; 40];
    request[..name.len()].copy_from_slice(name.as_bytes());
    let flags = u16::try_from(libc::IFF_TAP | libc::IFF_NO_PI).expect("flags of 16 bits");
    request[16..18].copy_from_slice(&flags.to_ne_bytes());
    request
}

/// `struct tun_filter`: flags, of which there are none, the number of addresses, and these. Frames to all others go
/// nowhere, those to groups and to everybody among them.
fn filter(addresses: &[[u8; 6]]) -> Vec<u8> {
    let count = u16::try_from(addresses.len()).expect("a few");
    let head = [0, count].into_iter().flat_map(u16::to_ne_bytes);
    head.chain(addresses.iter().flatten().copied()).collect()
}

fn control(tun: &File, operation: libc::Ioctl, argument: &mut [u8]) -> io::Result<c_int> {
    // SAFETY: the three operations above read, and TUNSETIFF writes, no more than the whole of the structure, which is
    // what they are given.
    #[expect(unsafe_code, reason = "rustix has no tun devices")]
    let done = unsafe { libc::ioctl(tun.as_raw_fd(), operation, argument.as_mut_ptr()) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(done) }
}
