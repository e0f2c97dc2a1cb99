//! Server-sent events (WHATWG HTML, 9.2.6): here only their data counts, for it names its own type.

use super::lines::{Lines, TooLong};

#[derive(Debug, Default)]
pub(super) struct Events {
    lines: Lines,
    data: String,
}

impl Events {
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        self.lines.push(bytes)
    }

    /// The data of the next complete event.
    pub(super) fn next(&mut self) -> Option<String> {
        while let Some(line) = self.lines.next() {
            if line.is_empty() {
                let data = std::mem::take(&mut self.data);
                if !data.is_empty() {
                    return Some(data);
                }
            } else if let Some(value) = line.strip_prefix("data:") {
                if !self.data.is_empty() {
                    self.data.push('\n');
                }
                self.data.push_str(value.strip_prefix(' ').unwrap_or(value));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_their_data_wherever_the_bytes_were_cut() {
        let all = b": a comment\n\nevent: x\ndata: {\"a\":\ndata:1}\n\nid: 7\r\ndata: b\r\n\r\ndata: unfinished\n";
        for size in 1..=all.len() {
            let (mut events, mut found) = (Events::default(), Vec::new());
            for piece in all.chunks(size) {
                events.push(piece).expect("short");
                found.extend(std::iter::from_fn(|| events.next()));
            }
            assert_eq!(found, ["{\"a\":\n1}", "b"], "in pieces of {size}");
        }
    }
}
