//! A Unix stream socket that wakes its thread for nothing but what it waits for.
//!
//! Tokio's own asks for room to write all the time, and Linux tells of room each time the peer has read something, not
//! only when there was none (unix(7) says nothing of it, `unix_write_space` does it): two needless wakes for each key and
//! its echo, at each end.

use std::{
    io::{self, IoSlice},
    os::{
        fd::{AsFd, OwnedFd},
        unix::net,
    },
    pin::Pin,
    task::{Context, Poll, ready},
};

use rustix::{io::Errno, net::Shutdown};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{
        UnixStream,
        unix::pipe::{Receiver, Sender},
    },
};
use tonic::transport::server::Connected;

/// Waits like a pipe, one direction at a time: those are Tokio's only types for that.
#[derive(Debug)]
pub struct Socket {
    reading: Receiver,
    /// While there is no room.
    waiting: Option<Sender>,
}

impl TryFrom<UnixStream> for Socket {
    type Error = io::Error;

    fn try_from(stream: UnixStream) -> io::Result<Socket> {
        let stream: net::UnixStream = stream.into_std()?;
        Ok(Socket { reading: Receiver::from_owned_fd_unchecked(OwnedFd::from(stream))?, waiting: None })
    }
}

impl Socket {
    fn wait(&mut self) -> io::Result<()> {
        let fd = self.reading.as_fd().try_clone_to_owned()?;
        self.waiting = Some(Sender::from_owned_fd_unchecked(fd)?);
        Ok(())
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.reading).poll_read(context, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        loop {
            if let Some(waiting) = &mut self.waiting {
                let written = ready!(Pin::new(waiting).poll_write_vectored(context, parts));
                self.waiting = None;
                return Poll::Ready(written);
            }
            match rustix::io::writev(&self.reading, parts) {
                Ok(written) => return Poll::Ready(Ok(written)),
                Err(Errno::AGAIN) => self.wait()?,
                Err(Errno::INTR) => {}
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(rustix::net::shutdown(&self.reading, Shutdown::Write)?))
    }
}

impl Connected for Socket {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    fn pair() -> (Socket, Socket) {
        let (one, other) = UnixStream::pair().expect("a pair");
        (one.try_into().expect("registered"), other.try_into().expect("registered"))
    }

    #[tokio::test]
    async fn what_one_end_writes_the_other_reads_then_the_end() {
        let (mut one, mut other) = pair();
        let sent: Vec<u8> = (0..4 << 20).map(|place: u32| place.to_le_bytes()[place as usize % 4]).collect();
        let write = async {
            one.write_all(&sent).await.expect("more than the kernel holds, in turns");
            one.shutdown().await.expect("open");
        };
        let mut received = Vec::new();
        let ((), read) = tokio::join!(write, other.read_to_end(&mut received));
        assert_eq!(read.expect("an end"), sent.len());
        assert!(received == sent);
        other.write_all(b"still open").await.expect("this way");
        let mut words = [0; 10];
        one.read_exact(&mut words).await.expect("this way");
        assert_eq!(&words, b"still open");
    }

    #[tokio::test]
    async fn a_writer_without_room_waits_and_no_other() {
        let (mut one, mut other) = pair();
        one.write_all(b"room").await.expect("room");
        assert!(one.waiting.is_none());
        let filled = async { while one.write_all(&[0; 4096]).await.is_ok() {} };
        tokio::select! {
            biased;
            () = filled => unreachable!("the kernel does not hold everything"),
            () = tokio::task::yield_now() => {}
        }
        assert!(one.waiting.is_some());
        let mut scrap = vec![0; 1 << 20];
        while one.waiting.is_some() {
            assert!(other.read(&mut scrap).await.expect("a read") > 0);
            let _: Result<_, _> = tokio::time::timeout(std::time::Duration::ZERO, one.write(b"x")).await;
        }
    }

    #[tokio::test]
    async fn an_end_that_is_gone_is_an_error() {
        let (mut one, other) = pair();
        drop(other);
        assert_eq!(one.write(b"x").await.expect_err("gone").kind(), io::ErrorKind::BrokenPipe);
    }
}
