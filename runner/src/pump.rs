//! Bytes from one connection to another, both ways, until both ways have ended or nothing passes any more.

use std::{
    io,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split},
    time::{Instant, timeout},
};

/// Each way has one such buffer.
const BUFFER_BYTES: usize = 16 << 10;

/// Passes bytes on until both sides have said that they are done; the one that says so first can still be answered.
///
/// # Errors
/// When a side breaks off, takes nothing for `idle`, or when nothing has come from either side for that long.
pub(crate) async fn pump<A, B>(one: A, other: B, idle: Duration) -> io::Result<()>
where
    A: AsyncRead + AsyncWrite,
    B: AsyncRead + AsyncWrite,
{
    let ((one_out, one_in), (other_out, other_in)) = (split(one), split(other));
    let last = Last(Mutex::new(Instant::now()));
    tokio::try_join!(pass(one_out, other_in, &last, idle), pass(other_out, one_in, &last, idle))?;
    Ok(())
}

async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    last: &Last,
    idle: Duration,
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let bytes = match timeout(idle.saturating_sub(last.age()), from.read(&mut buffer)).await {
            Ok(read) => read?,
            // The other way may not have been idle meanwhile.
            Err(_) if last.age() < idle => continue,
            Err(_) => return Err(io::ErrorKind::TimedOut.into()),
        };
        last.is_now();
        if bytes == 0 {
            return timeout(idle, to.shutdown()).await?;
        }
        timeout(idle, to.write_all(&buffer[..bytes])).await??;
        last.is_now();
    }
}

/// When something passed last, either way.
struct Last(Mutex<Instant>);

impl Last {
    fn age(&self) -> Duration {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }

    fn is_now(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{DuplexStream, duplex};

    use super::*;

    const IDLE: Duration = Duration::from_secs(60);

    /// Both far ends of a pump, and how it ended.
    async fn pumped<T>(test: impl AsyncFnOnce(DuplexStream, DuplexStream) -> T) -> (io::Result<()>, T) {
        let ((one, near), (other, far)) = (duplex(1024), duplex(1024));
        tokio::join!(pump(near, far, IDLE), test(one, other))
    }

    #[tokio::test]
    async fn who_is_done_can_still_be_answered() {
        let (ended, answer) = pumped(async |mut one, mut other| {
            one.write_all(&[7; 1000]).await.expect("taken");
            one.shutdown().await.expect("half closed");
            let mut asked = Vec::new();
            other.read_to_end(&mut asked).await.expect("the end passes");
            other.write_all(&asked[..500]).await.expect("taken");
            drop(other);
            let mut answer = Vec::new();
            one.read_to_end(&mut answer).await.map(|_| answer).expect("the answer passes")
        })
        .await;
        assert!(ended.is_ok());
        assert_eq!(answer, [7; 500]);
    }

    #[tokio::test(start_paused = true)]
    async fn silence_ends_it_and_one_way_keeps_the_other_open() {
        let (ended, spent) = pumped(async |mut one, mut other| {
            let begin = Instant::now();
            for _ in 0..4 {
                tokio::time::sleep(IDLE / 2).await;
                one.write_all(b"x").await.expect("taken");
                other.read_u8().await.expect("passed on");
            }
            assert_eq!(other.read(&mut [0]).await.expect("closed, not reset"), 0);
            begin.elapsed()
        })
        .await;
        assert_eq!(ended.expect_err("it was silent").kind(), io::ErrorKind::TimedOut);
        assert_eq!(spent.as_secs(), 180);
    }
}
