//! What this program's own viewer could take: frames as the gateway sends them, from memory, over a plain local socket.

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    time::Instant,
};

use anyhow::ensure;
use bytes::Bytes;
use podling_session::frame::ServerFrame;

use super::Bench;
use crate::viewer::{Mode, Viewer};

/// Of terminal output in one message: what the gateway sends when much has come.
const FRAME_BYTES: usize = 64 << 10;

pub(crate) fn measure(bench: &mut Bench<'_>, bytes: u64) -> anyhow::Result<()> {
    bench.rounds("client", |bench| {
        let rate = rate(bytes)?;
        bench.value("client", rate);
        Ok(())
    })
}

/// In MB/s.
fn rate(bytes: u64) -> anyhow::Result<f64> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?.to_string();
    std::thread::scope(|scope| {
        let source = scope.spawn(move || serve(&listener, bytes));
        let mut viewer = Viewer::attach(&address, "none", "none", Mode::Lossless)?;
        let started = Instant::now();
        viewer.reaches(bytes)?;
        let seconds = started.elapsed().as_secs_f64();
        drop(viewer);
        source.join().expect("the source does not panic")?;
        Ok(bytes as f64 / 1e6 / seconds)
    })
}

fn serve(listener: &TcpListener, bytes: u64) -> anyhow::Result<()> {
    let (stream, _) = listener.accept()?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        ensure!(reader.read_line(&mut line)? > 0, "the upgrade is incomplete");
    }
    send(stream, reader, bytes)
}

/// Every ack is read, as the gateway does.
fn send(mut stream: TcpStream, mut acks: BufReader<TcpStream>, bytes: u64) -> anyhow::Result<()> {
    std::thread::scope(|scope| {
        let reading = scope.spawn(move || std::io::copy(&mut acks, &mut std::io::sink()));
        stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")?;
        let text = Bytes::from(vec![b'x'; FRAME_BYTES]);
        let mut offset = 0;
        while offset < bytes {
            let rest = usize::try_from(bytes - offset).unwrap_or(FRAME_BYTES).min(FRAME_BYTES);
            let frame = ServerFrame::Output { offset, replay: false, bytes: text.slice(..rest) }.encode();
            stream.write_all(&[0x82, 127])?;
            stream.write_all(&(frame.len() as u64).to_be_bytes())?;
            stream.write_all(&frame)?;
            offset += rest as u64;
        }
        // Until the viewer hangs up.
        let _ = reading.join().expect("reading does not panic");
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_source_sends_what_was_asked_and_the_viewer_finds_it_in_order() {
        assert!(rate(3 * FRAME_BYTES as u64 + 1).expect("all came") > 0.0);
    }
}
