//! Configuring a network namespace by rtnetlink(7): as much of it as a sandbox needs.

use std::{io, net::Ipv4Addr, os::fd::OwnedFd};

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink::SocketAddrNetlink};

/// `struct nlmsghdr`.
const HEADER_BYTES: usize = 16;
/// Answers to a batch: each is a header, an errno and the header that it answers, and a sentence perhaps.
const ANSWER_BYTES: usize = 32 << 10;

const ACKNOWLEDGE: u16 = 0x4;
const REPLACE: u16 = 0x100;
const CREATE: u16 = 0x400;

const LINK_UP: u32 = 1;
const TABLE_MAIN: u8 = 254;
const BY_ADMINISTRATOR: u8 = 4; // RTPROT_STATIC
const ANYWHERE: u8 = 0;
const ON_LINK: u8 = 253;
const UNICAST: u8 = 1;
const UNREACHABLE: u8 = 7;
const PERMANENT: u16 = 0x80;
const IPV4: u8 = 2;

/// Changes that are made one after the other.
#[derive(Debug, Default)]
pub(super) struct Changes {
    bytes: Vec<u8>,
    count: u32,
}

/// A range of addresses: the first of them, and the length of the prefix that they share.
pub(super) type Range = (Ipv4Addr, u32);

impl Changes {
    /// Brings a device up; `mtu` is the largest packet for it.
    pub(super) fn up(&mut self, device: u32, mtu: Option<u32>) {
        let mut body = link(device, LINK_UP);
        if let Some(mtu) = mtu {
            attribute(&mut body, libc::IFLA_MTU, &mtu.to_ne_bytes());
        }
        self.push(libc::RTM_NEWLINK, 0, &body);
    }

    /// Takes a device down, and with it every route over it and every neighbour on it.
    pub(super) fn down(&mut self, device: u32) {
        self.push(libc::RTM_NEWLINK, 0, &link(device, 0));
    }

    /// Gives the device this address, and no others as neighbours.
    pub(super) fn address(&mut self, device: u32, address: Ipv4Addr) {
        let mut body = vec![IPV4, 32, 0, ANYWHERE];
        body.extend(device.to_ne_bytes());
        attribute(&mut body, libc::IFA_LOCAL, &address.octets());
        attribute(&mut body, libc::IFA_ADDRESS, &address.octets());
        self.push(libc::RTM_NEWADDR, CREATE | REPLACE, &body);
    }

    /// Packets to the range go to the device; to `gateway` on it where there is one.
    pub(super) fn route(&mut self, device: u32, range: Range, gateway: Option<Ipv4Addr>) {
        let mut body = route(range, if gateway.is_some() { ANYWHERE } else { ON_LINK }, UNICAST);
        attribute(&mut body, libc::RTA_OIF, &device.to_ne_bytes());
        if let Some(gateway) = gateway {
            attribute(&mut body, libc::RTA_GATEWAY, &gateway.octets());
        }
        self.push(libc::RTM_NEWROUTE, CREATE | REPLACE, &body);
    }

    /// Packets to the range go nowhere, and who sends them is told.
    pub(super) fn unreachable(&mut self, range: Range) {
        self.push(libc::RTM_NEWROUTE, CREATE | REPLACE, &route(range, ANYWHERE, UNREACHABLE));
    }

    /// Nobody has to be asked for the hardware address of this neighbour.
    pub(super) fn neighbour(&mut self, device: u32, address: Ipv4Addr, hardware: [u8; 6]) {
        let mut body = vec![IPV4, 0, 0, 0];
        body.extend(device.to_ne_bytes());
        body.extend(PERMANENT.to_ne_bytes());
        body.extend([0, 0]);
        attribute(&mut body, libc::NDA_DST, &address.octets());
        attribute(&mut body, libc::NDA_LLADDR, &hardware);
        self.push(libc::RTM_NEWNEIGH, CREATE | REPLACE, &body);
    }

    fn push(&mut self, kind: u16, flags: u16, body: &[u8]) {
        const REQUEST: u16 = 0x1;
        self.count += 1;
        let length = u32::try_from(HEADER_BYTES + body.len()).expect("bodies are short");
        self.bytes.extend(length.to_ne_bytes());
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend((REQUEST | ACKNOWLEDGE | flags).to_ne_bytes());
        self.bytes.extend(self.count.to_ne_bytes());
        self.bytes.extend([0; 4]);
        self.bytes.extend(body);
    }

    /// Makes them in the namespace of this thread. Those before the first that is refused stay.
    pub(super) fn make(self) -> io::Result<()> {
        let socket = socket()?;
        rustix::net::sendto(&socket, &self.bytes, SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
        let (mut answers, mut answered) = (vec![0; ANSWER_BYTES], 0);
        while answered < self.count {
            // The kernel has answered before `sendto` came back.
            let (bytes, _) = rustix::net::recv(&socket, &mut answers, RecvFlags::DONTWAIT)?;
            answered += acknowledged(&answers[..bytes])?;
        }
        Ok(())
    }
}

fn socket() -> io::Result<OwnedFd> {
    Ok(rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?)
}

/// How many changes the answers acknowledge; an error for the first that was refused.
fn acknowledged(mut answers: &[u8]) -> io::Result<u32> {
    let invalid = || io::Error::from(io::ErrorKind::InvalidData);
    let mut count = 0;
    while !answers.is_empty() {
        let (length, rest) = answers.split_first_chunk().ok_or_else(invalid)?;
        let length = usize::try_from(u32::from_ne_bytes(*length)).map_err(|_| invalid())?;
        // Kind, flags, number, sender: then the errno, negative.
        let errno = rest.get(12..16).and_then(|bytes| bytes.try_into().ok()).ok_or_else(invalid)?;
        match i32::from_ne_bytes(errno) {
            0 => count += 1,
            errno => return Err(io::Error::from_raw_os_error(-errno)),
        }
        answers = answers.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(count)
}

/// `struct ifinfomsg`: one flag alone changes.
fn link(device: u32, up: u32) -> Vec<u8> {
    [0; 4].into_iter().chain([device, up, LINK_UP].into_iter().flat_map(u32::to_ne_bytes)).collect()
}

/// `struct rtmsg` and the destination.
fn route((first, prefix): Range, scope: u8, kind: u8) -> Vec<u8> {
    let prefix = u8::try_from(prefix).expect("at most 32");
    let mut body = vec![IPV4, prefix, 0, 0, TABLE_MAIN, BY_ADMINISTRATOR, scope, kind, 0, 0, 0, 0];
    if prefix > 0 {
        attribute(&mut body, libc::RTA_DST, &first.octets());
    }
    body
}

/// `struct rtattr`, the value, and what it takes to end on a multiple of four.
fn attribute(body: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let length = u16::try_from(4 + value.len()).expect("values are short");
    body.extend(length.to_ne_bytes());
    body.extend(kind.to_ne_bytes());
    body.extend(value);
    body.resize(body.len().next_multiple_of(4), 0);
}
