//! What a program has done to the terminal and would have undone at its end: seen as the output passes, undone by whoever
//! leaves before that end.

use std::collections::BTreeSet;

/// Private modes that are off in a terminal that nobody changed: application keys, alternate screens, mice, focus,
/// pasting, synchronized output.
const OFF: [u16; 16] = [1, 9, 47, 1000, 1001, 1002, 1003, 1004, 1005, 1006, 1015, 1016, 1047, 1049, 2004, 2026];
/// Those that are on: wrapping, and the cursor.
const ON: [u16; 2] = [7, 25];
/// The longest list of modes that is read.
const MAX_HELD: usize = 64;

#[derive(Debug, Default)]
pub(crate) struct Modes {
    changed: BTreeSet<u16>,
    keypad: bool,
    margins: bool,
    sequence: Option<Vec<u8>>,
}

impl Modes {
    /// Looks at what is drawn.
    pub(crate) fn see(&mut self, output: &[u8]) {
        for &byte in output {
            match self.sequence.take() {
                None if byte == 0x1b => self.sequence = Some(Vec::new()),
                None => {}
                Some(held) => self.step(held, byte),
            }
        }
    }

    fn step(&mut self, mut held: Vec<u8>, byte: u8) {
        match byte {
            0x1b => self.sequence = Some(Vec::new()),
            b'=' | b'>' if held.is_empty() => self.keypad = byte == b'=',
            b'c' if held.is_empty() => *self = Modes::default(), // A full reset.
            b'[' if held.is_empty() => self.sequence = Some(vec![byte]),
            b'h' | b'l' if held.starts_with(b"[?") => self.set(&held[2..], byte == b'h'),
            b'r' if held.starts_with(b"[") => self.margins = held.len() > 1,
            b'0'..=b'?' if !held.is_empty() && held.len() < MAX_HELD => {
                held.push(byte);
                self.sequence = Some(held);
            }
            _ => {}
        }
    }

    fn set(&mut self, list: &[u8], on: bool) {
        let numbers = std::str::from_utf8(list).unwrap_or_default().split(';');
        for mode in numbers.filter_map(|number| number.parse::<u16>().ok()) {
            let usual = if OFF.contains(&mode) {
                !on
            } else if ON.contains(&mode) {
                on
            } else {
                continue;
            };
            if usual {
                self.changed.remove(&mode)
            } else {
                self.changed.insert(mode)
            };
        }
    }

    /// The sequences that bring the terminal back.
    pub(crate) fn undo(&self) -> Vec<u8> {
        let mut undo = String::new();
        if self.margins {
            undo.push_str("\x1b7\x1b[r\x1b8"); // They move the cursor, too.
        }
        for mode in &self.changed {
            undo.push_str(&format!("\x1b[?{mode}{}", if ON.contains(mode) { 'h' } else { 'l' }));
        }
        if self.keypad {
            undo.push_str("\x1b>");
        }
        undo.push_str("\x1b[0m\x1b(B\x0f");
        undo.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_changed_is_changed_back_and_nothing_else() {
        let check = |output: &str, undo: &str| {
            let mut modes = Modes::default();
            output.bytes().for_each(|byte| modes.see(&[byte]));
            let expected = format!("{undo}\x1b[0m\x1b(B\x0f");
            assert_eq!(String::from_utf8(modes.undo()).expect("ASCII"), expected, "{output:?}");
        };
        check("text \x1b[31mred", "");
        check("\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l");
        check("\x1b[?1049h\x1b[?1049l", "");
        check("\x1b[?1000;1006;2004h", "\x1b[?1000l\x1b[?1006l\x1b[?2004l");
        check("\x1b=\x1b[5;10r", "\x1b7\x1b[r\x1b8\x1b>");
        check("\x1b[5;10r\x1b[r\x1b=\x1b>", "");
        check("\x1b[?1h\x1b[?7l\x1bc", "");
        check("\x1b[?12h\x1b[4h", "");
    }
}
