//! Terminal output as text: escape sequences and control characters are taken out as the bytes pass by, however they
//! are cut (ECMA-48; the states follow Paul Williams' parser).

/// Remembers where in a sequence the last chunk ended.
#[derive(Debug, Default)]
pub(super) struct PlainText(State);

#[derive(Clone, Copy, Debug, Default)]
enum State {
    #[default]
    Ground,
    /// After ESC, and any intermediate bytes.
    Escape,
    /// Within a control sequence, up to its final byte.
    Control,
    /// Within a string such as a title, up to its terminator.
    String,
    /// After an ESC within a string: a backslash ends it.
    StringEscape,
    /// After 0xC2, which begins the UTF-8 form of the C1 control characters.
    Lead,
}

const ESC: u8 = 0x1b;
const BEL: u8 = 0x07;
const CAN: u8 = 0x18;
const SUB: u8 = 0x1a;

impl PlainText {
    /// What of the chunk is text.
    pub(super) fn feed(&mut self, chunk: &[u8]) -> Vec<u8> {
        let mut text = Vec::with_capacity(chunk.len());
        for &byte in chunk {
            self.0 = step(self.0, byte, &mut text);
        }
        text
    }
}

fn step(state: State, byte: u8, text: &mut Vec<u8>) -> State {
    match (state, byte) {
        (_, CAN | SUB) => State::Ground,
        (State::String, ESC) => State::StringEscape,
        (State::String, BEL) => State::Ground,
        (State::String, _) => State::String,
        (State::StringEscape, b'\\') => State::Ground,
        // Any other escape aborts the string and is one itself.
        (State::StringEscape, byte) => escape(byte),
        (_, ESC) => State::Escape,
        (State::Escape, byte) => escape(byte),
        (State::Control, 0x40..=0x7e) => State::Ground,
        (State::Control, byte) => {
            keep_layout(byte, text);
            State::Control
        }
        (State::Lead, 0x80..=0x9f) => escape(byte - 0x40),
        (State::Lead, byte) => {
            text.push(0xc2);
            ground(byte, text)
        }
        (State::Ground, byte) => ground(byte, text),
    }
}

/// The byte after ESC, or after its intermediates.
fn escape(byte: u8) -> State {
    match byte {
        b'[' => State::Control,
        b']' | b'P' | b'X' | b'^' | b'_' => State::String,
        0x20..=0x2f => State::Escape,
        _ => State::Ground,
    }
}

fn ground(byte: u8, text: &mut Vec<u8>) -> State {
    match byte {
        0xc2 => return State::Lead,
        0x20..=0x7e | 0x80.. => text.push(byte),
        _ => keep_layout(byte, text),
    }
    State::Ground
}

/// Of the control characters, the line feed and the tab are text. The carriage return of a terminal's CR LF is not.
fn keep_layout(byte: u8, text: &mut Vec<u8>) {
    if matches!(byte, b'\n' | b'\t') {
        text.push(byte);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_what_is_left_however_the_bytes_are_cut() {
        let check = |output: &str, expected: &str| {
            for size in 1..=output.len().max(1) {
                let mut filter = PlainText::default();
                let text: Vec<u8> = output.as_bytes().chunks(size).flat_map(|chunk| filter.feed(chunk)).collect();
                assert_eq!(String::from_utf8(text).as_deref(), Ok(expected), "{output:?} in chunks of {size}");
            }
        };
        check("plain\r\ntab\there", "plain\ntab\there");
        check("\x1b[1;31mred\x1b[0m", "red");
        check("\x1b[?25l\x1b[2Jx", "x");
        check("\x1b]0;title\x07a\x1b]8;;http://x\x1b\\b", "ab");
        check("\x1bP1$r0m\x1b\\c\x1b_app\x1b\\d", "cd");
        check("\x1b(B\x1b=\x1b7e", "e");
        check("\x1b[12\x18f\x1b]0;cut\x1b[31mg", "fg");
        check("a\u{8}b\u{0}c\u{7f}d\u{7}", "abcd");
        check("ümlaut ¢ 漢字 🚀", "ümlaut ¢ 漢字 🚀");
        check("\u{9b}31mh\u{9d}0;title\u{7}i\u{85}j", "hij");
    }
}
