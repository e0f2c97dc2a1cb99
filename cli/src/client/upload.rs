//! A packed folder on its way: in pieces that take a second or so each, from where the server has it, and not at all when
//! it has it whole.

use std::{
    os::unix::fs::FileExt,
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::{
    api::{Announced, Api, Pauses},
    error::{ClientError, Problem},
    pack::Packed,
};

/// The first piece, and what no piece is smaller or larger than: so that none takes long on any line, and a cut costs
/// little.
const FIRST_PIECE: u64 = 256 << 10;
const PIECES: std::ops::RangeInclusive<u64> = (64 << 10)..=(8 << 20);
/// What a piece is to take.
const PIECE_TIME: Duration = Duration::from_secs(1);

/// What an upload came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Uploaded {
    /// What was sent; 0 when the server had it.
    pub(crate) sent_bytes: u64,
}

/// Sends what the server lacks; `told` hears how many bytes it has.
///
/// # Errors
/// When the server refuses it, or is away for too long.
pub(crate) async fn upload(
    api: &Api,
    packed: &Packed,
    told: &mut (dyn FnMut(u64) + Send),
) -> Result<Uploaded, ClientError> {
    let mut found = Some(api.announce(&packed.sha256, packed.bytes).await?);
    let (mut sent_bytes, mut piece, mut pauses, mut spoilt) = (0, FIRST_PIECE, Pauses::default(), false);
    loop {
        let (began, before) = (Instant::now(), found);
        let outcome = match found {
            None => api.look_for(&packed.sha256, packed.bytes).await,
            Some(Announced { complete, offset }) if complete || offset >= packed.bytes => break,
            Some(Announced { offset, .. }) => {
                told(offset);
                let bytes = read(packed, offset, piece)?;
                let stands = api.upload(&packed.sha256, offset, packed.bytes, bytes).await;
                stands.map(|offset| Announced { complete: false, offset })
            }
        };
        match outcome {
            Ok(stands) => {
                let more = before.map_or(0, |before| stands.offset.saturating_sub(before.offset));
                if more > 0 {
                    sent_bytes += more.min(piece);
                    (piece, pauses) = (next_piece(piece, began.elapsed()), Pauses::default());
                }
                found = Some(stands);
            }
            // What an earlier, cut upload of ours had left was not what it should be: once more from the beginning.
            Err(ClientError::Refused(Problem { status: 422, .. })) if !spoilt => (found, spoilt) = (None, true),
            Err(error) if error.is_passing() => {
                pauses.wait(error).await?;
                (piece, found) = ((piece / 2).max(*PIECES.start()), None);
            }
            Err(error) => return Err(error),
        }
    }
    told(packed.bytes);
    Ok(Uploaded { sent_bytes })
}

fn read(packed: &Packed, offset: u64, piece: u64) -> Result<Bytes, ClientError> {
    let length = usize::try_from(piece.min(packed.bytes - offset)).expect("a piece is some megabytes");
    let mut bytes = vec![0; length];
    let read = packed.file.read_exact_at(&mut bytes, offset);
    read.map_err(|error| ClientError::here(format!("the packed folder cannot be read: {error}"), "Run it again."))?;
    Ok(bytes.into())
}

/// Twice as much where there was time for it, half where there was not.
fn next_piece(piece: u64, took: Duration) -> u64 {
    let next = if took < PIECE_TIME / 2 {
        piece * 2
    } else if took > PIECE_TIME * 2 {
        piece / 2
    } else {
        piece
    };
    next.clamp(*PIECES.start(), *PIECES.end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_grow_on_a_fast_line_and_shrink_on_a_slow_one_within_their_bounds() {
        let check = |piece: u64, millis: u64, next: u64| {
            assert_eq!(next_piece(piece, Duration::from_millis(millis)), next);
        };
        check(FIRST_PIECE, 10, FIRST_PIECE * 2);
        check(FIRST_PIECE, 1_000, FIRST_PIECE);
        check(FIRST_PIECE, 3_000, FIRST_PIECE / 2);
        check(8 << 20, 10, 8 << 20);
        check(64 << 10, 9_000, 64 << 10);
    }
}
