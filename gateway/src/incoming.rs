//! What comes from a viewer's socket, as whole messages. The library reads and judges them; it answers nothing itself:
//! what goes out is written in one place, [`crate::outgoing`].

use std::io::{self, Read, Write};

use bytes::{Buf, Bytes};
use tokio::{io::AsyncReadExt, net::tcp::OwnedReadHalf, task::coop::consume_budget};
use tokio_tungstenite::tungstenite::{
    Error, Message,
    protocol::{Role, WebSocketConfig, WebSocketContext},
};

/// The library's default is 128 KiB for each socket, and viewers send little.
const READ_BUFFER_BYTES: usize = 2 * 1024;

pub(crate) struct Incoming {
    io: OwnedReadHalf,
    /// What came with the handshake, copied: often nothing, in a buffer of 8 KiB.
    ahead: Bytes,
    context: WebSocketContext,
}

impl Incoming {
    /// A larger message is an error.
    pub(crate) fn new(io: OwnedReadHalf, ahead: Bytes, max_message_bytes: usize) -> Incoming {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_BYTES)
            .max_message_size(Some(max_message_bytes))
            .max_frame_size(Some(max_message_bytes));
        let ahead = Bytes::copy_from_slice(&ahead);
        Incoming { io, ahead, context: WebSocketContext::new(Role::Server, Some(config)) }
    }

    /// The next message, pings and closes included. Cancel-safe.
    ///
    /// # Errors
    /// As the library tells of them; there is nothing to read after one, nor after a close.
    pub(crate) async fn next(&mut self) -> Result<Message, Error> {
        consume_budget().await; // Reading takes none, and a flood must not keep others waiting.
        loop {
            let mut wire = Wire { io: &self.io, ahead: &mut self.ahead };
            match self.context.read(&mut wire) {
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => self.io.readable().await?,
                read => return read,
            }
        }
    }

    /// Takes the rest as it is, until the viewer has hung up. A socket that is dropped with unread bytes resets the
    /// connection, and what is still on its way to the viewer would be lost.
    pub(crate) async fn discard(mut self) {
        let mut scrap = [0; 512];
        while matches!(self.io.read(&mut scrap).await, Ok(count) if count > 0) {}
    }
}

struct Wire<'a> {
    io: &'a OwnedReadHalf,
    ahead: &'a mut Bytes,
}

impl Read for Wire<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.ahead.is_empty() {
            return self.io.try_read(buffer);
        }
        let count = buffer.len().min(self.ahead.len());
        self.ahead.copy_to_slice(&mut buffer[..count]);
        if self.ahead.is_empty() {
            *self.ahead = Bytes::new(); // Gives back the buffer of the handshake.
        }
        Ok(count)
    }
}

/// Drops the library's answers.
impl Write for Wire<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
