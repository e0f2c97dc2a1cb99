//! The answer to a yes-or-no question, by the first key that is one.

use std::io;

use tokio::io::AsyncReadExt;

/// Ctrl-D on a terminal that passes keys one by one.
const END_OF_INPUT: u8 = 4;

/// Waits for an answer on standard input. Its end means no: nobody is there to agree.
pub(crate) async fn answer() -> io::Result<bool> {
    let mut input = tokio::io::stdin();
    loop {
        let key = match input.read_u8().await {
            Ok(key) => key,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
            Err(error) => return Err(error),
        };
        if let Some(answer) = meaning(key) {
            return Ok(answer);
        }
    }
}

/// Enter is yes, as the capital letter in the question says.
fn meaning(key: u8) -> Option<bool> {
    match key {
        b'y' | b'Y' | b'\r' | b'\n' => Some(true),
        b'n' | b'N' | END_OF_INPUT => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_yes_no_or_nothing() {
        for (key, answer) in
            [(b'y', Some(true)), (b'\n', Some(true)), (b'N', Some(false)), (4, Some(false)), (b'x', None)]
        {
            assert_eq!(meaning(key), answer);
        }
    }
}
