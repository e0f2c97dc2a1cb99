//! Where sequences begin and end: the state machine of <https://vt100.net/emu/dec_ansi_parser> over code points, with
//! xterm.js's answers where that leaves a choice.
//!
//! The 8-bit controls are the code points U+0080 to U+009F, two bytes each. CAN, SUB and ESC end whatever is under way.

use crate::csi::Name;
use crate::osc::End;
use crate::params::Params;
use crate::runs::printable_run;
use crate::skip::skip;
use crate::terminal::Terminal;
use crate::utf8::Decoder;

const BEL: u32 = 0x07;
const CAN: u32 = 0x18;
const SUB: u32 = 0x1a;
const ESC: u32 = 0x1b;
const DEL: u32 = 0x7f;

/// A longer string is void: it does nothing, and a screen within it can be described.
const MAX_STRING_BYTES: usize = 64 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Ground,
    Escape,
    EscapeIntermediate,
    CsiEntry,
    CsiParam,
    CsiIntermediate,
    CsiIgnore,
    Osc,
    DcsEntry,
    DcsParam,
    DcsIntermediate,
    DcsIgnore,
    DcsData,
    /// SOS, PM and APC: nobody reads them.
    OtherString,
}

pub(crate) struct Parser {
    state: State,
    decoder: Decoder,
    name: Name,
    params: Params,
    text: String,
    /// Of the string under way, what was dropped included.
    length: usize,
    /// The final byte of the DCS under way.
    last: u8,
}

impl Default for Parser {
    fn default() -> Parser {
        Parser {
            state: State::Ground,
            decoder: Decoder::default(),
            name: Name::default(),
            params: Params::default(),
            text: String::new(),
            length: 0,
            last: 0,
        }
    }
}

impl Parser {
    /// Whether the screen is all there is to know: nothing is under way but, at most, a void string.
    pub(crate) fn is_ground(&self) -> bool {
        !self.decoder.is_pending() && (self.state == State::Ground || self.is_void())
    }

    fn is_void(&self) -> bool {
        self.length > MAX_STRING_BYTES && !self.opening().is_empty()
    }

    /// What begins a string of the kind under way; empty in the ground state.
    pub(crate) fn opening(&self) -> &'static str {
        match self.state {
            // A number that nobody uses.
            State::Osc => "\x1b]999999;",
            State::DcsData | State::DcsIgnore => "\x1bP~",
            State::OtherString => "\x1bX",
            _ => "",
        }
    }

    pub(crate) fn feed(&mut self, bytes: &[u8], terminal: &mut Terminal) {
        let mut rest = bytes;
        // What is left of `bytes` where text ends that was looked at as a whole.
        let mut looked = bytes.len();
        while let Some(first) = rest.first() {
            let taken = match self.state {
                _ if self.decoder.is_pending() => self.byte(*first, terminal),
                // Full screen programs position what they write, and are not looked at.
                State::Ground if *first == b'\n' && rest.len() <= looked => {
                    let skipped = skip(rest, terminal);
                    looked = rest.len() - skipped.text.max(1);
                    skipped.bytes
                }
                State::Ground => self.ground(rest, terminal),
                State::CsiEntry | State::CsiParam => self.csi(rest, terminal),
                State::Osc | State::DcsData | State::DcsIgnore | State::OtherString => self.string(rest, terminal),
                _ => self.byte(*first, terminal),
            };
            rest = &rest[taken..];
        }
    }

    /// One byte in whatever state; 1.
    pub(crate) fn byte(&mut self, byte: u8, terminal: &mut Terminal) -> usize {
        self.length += 1;
        if let Some(code) = self.decoder.push(byte) {
            self.code(code, terminal);
        }
        if self.is_void() {
            self.text = String::new();
        }
        1
    }

    fn ground(&mut self, bytes: &[u8], terminal: &mut Terminal) -> usize {
        let printable = printable_run(bytes);
        if printable > 0 {
            terminal.print_ascii(&bytes[..printable]);
            return printable;
        }
        if bytes.starts_with(b"\x1b[") {
            terminal.printing = false;
            self.begin(State::CsiEntry);
            return 2;
        }
        self.byte(bytes[0], terminal)
    }

    /// Parameters and the final byte, which most sequences consist of.
    fn csi(&mut self, bytes: &[u8], terminal: &mut Terminal) -> usize {
        for (at, byte) in bytes.iter().enumerate() {
            match byte {
                b'0'..=b';' => {
                    self.params.push(*byte);
                    self.state = State::CsiParam;
                }
                0x40..=0x7e => {
                    self.state = State::Ground;
                    terminal.control(self.name, *byte, &self.params);
                    terminal.printing = false;
                    return at + 1;
                }
                b'<'..=b'?' if self.state == State::CsiEntry => {
                    self.name.collect(*byte);
                    self.state = State::CsiParam;
                }
                _ => {
                    self.byte(*byte, terminal);
                    return at + 1;
                }
            }
        }
        bytes.len()
    }

    fn string(&mut self, bytes: &[u8], terminal: &mut Terminal) -> usize {
        let printable = printable_run(bytes);
        if printable == 0 {
            return self.byte(bytes[0], terminal);
        }
        self.length += printable;
        if self.is_void() {
            self.text = String::new();
        } else if matches!(self.state, State::Osc | State::DcsData) {
            // Printable ASCII is text.
            self.text.push_str(std::str::from_utf8(&bytes[..printable]).unwrap_or_default());
        }
        printable
    }

    fn begin(&mut self, state: State) {
        self.name = Name::default();
        self.params.clear();
        self.begin_string(state);
    }

    fn begin_string(&mut self, state: State) {
        self.state = state;
        self.text.clear();
        self.length = 0;
    }

    fn code(&mut self, code: u32, terminal: &mut Terminal) {
        if self.state == State::Ground && (matches!(code, 0x20..=0x7e) || code >= 0xa0) {
            return terminal.print(code);
        }
        match code {
            ESC => {
                self.end_string(End::St, terminal);
                self.begin(State::Escape);
            }
            CAN | SUB => {
                // A string that is given up does nothing.
                self.begin_string(State::Ground);
                terminal.execute(code);
            }
            0x80..=0x9f => self.c1(code, terminal),
            _ => self.in_state(code, terminal),
        }
        terminal.printing = false;
    }

    fn c1(&mut self, code: u32, terminal: &mut Terminal) {
        match code {
            0x90 => self.begin(State::DcsEntry),
            0x98 | 0x9e | 0x9f => self.begin_string(State::OtherString),
            0x9b => self.begin(State::CsiEntry),
            0x9c => {
                self.end_string(End::St, terminal);
                self.begin_string(State::Ground);
            }
            0x9d => self.begin_string(State::Osc),
            _ => {
                self.begin_string(State::Ground);
                terminal.execute(code);
            }
        }
    }

    /// `code` is none of those that mean the same in every state.
    fn in_state(&mut self, code: u32, terminal: &mut Terminal) {
        // What is not ASCII ends every sequence that is no string.
        let Some(byte) = u8::try_from(code).ok().filter(u8::is_ascii) else { return self.not_ascii(code) };
        match self.state {
            State::Osc => self.osc(byte, terminal),
            State::DcsEntry | State::DcsParam | State::DcsIntermediate => self.dcs_header(byte),
            State::DcsData => self.put(code),
            State::DcsIgnore | State::OtherString => {}
            State::Ground if code == DEL => {}
            State::Ground => terminal.execute(code),
            _ if byte < 0x20 => terminal.execute(code),
            _ if code == DEL => {}
            State::Escape => self.escape(byte, terminal),
            State::EscapeIntermediate => self.escape_end(byte, terminal),
            State::CsiEntry | State::CsiParam | State::CsiIntermediate => self.csi_byte(byte, terminal),
            State::CsiIgnore if byte >= 0x40 => self.state = State::Ground,
            State::CsiIgnore => {}
        }
    }

    fn not_ascii(&mut self, code: u32) {
        match self.state {
            State::Osc | State::DcsData => self.put(code),
            State::CsiIgnore | State::DcsIgnore => {}
            _ => self.begin_string(State::Ground),
        }
    }

    fn escape(&mut self, byte: u8, terminal: &mut Terminal) {
        match byte {
            b'[' => self.begin(State::CsiEntry),
            b']' => self.begin_string(State::Osc),
            b'P' => self.begin(State::DcsEntry),
            b'X' | b'^' | b'_' => self.begin_string(State::OtherString),
            _ => self.escape_end(byte, terminal),
        }
    }

    fn escape_end(&mut self, byte: u8, terminal: &mut Terminal) {
        if byte < 0x30 {
            self.name.collect(byte);
            self.state = State::EscapeIntermediate;
        } else {
            self.state = State::Ground;
            terminal.escape(self.name.intermediate, byte);
        }
    }

    fn csi_byte(&mut self, byte: u8, terminal: &mut Terminal) {
        match (byte, self.state) {
            (0x40.., _) => {
                self.state = State::Ground;
                terminal.control(self.name, byte, &self.params);
            }
            (0x20..=0x2f, _) => {
                self.name.collect(byte);
                self.state = State::CsiIntermediate;
            }
            (_, State::CsiIntermediate) => self.state = State::CsiIgnore,
            (b'0'..=b';', _) => {
                self.params.push(byte);
                self.state = State::CsiParam;
            }
            (_, State::CsiEntry) => {
                self.name.collect(byte);
                self.state = State::CsiParam;
            }
            _ => self.state = State::CsiIgnore,
        }
    }

    fn osc(&mut self, byte: u8, terminal: &mut Terminal) {
        if u32::from(byte) == BEL {
            self.end_string(End::Bell, terminal);
            self.begin_string(State::Ground);
        } else if byte >= 0x20 {
            self.put(u32::from(byte));
        }
    }

    fn dcs_header(&mut self, byte: u8) {
        match (byte, self.state) {
            (..0x20 | 0x7f, _) => {}
            (0x40.., _) => {
                self.last = byte;
                self.begin_string(State::DcsData);
            }
            (0x20..=0x2f, _) => {
                self.name.collect(byte);
                self.state = State::DcsIntermediate;
            }
            (_, State::DcsIntermediate) => self.state = State::DcsIgnore,
            (b'0'..=b';', _) => self.state = State::DcsParam,
            (_, State::DcsEntry) => {
                self.name.collect(byte);
                self.state = State::DcsParam;
            }
            _ => self.state = State::DcsIgnore,
        }
    }

    fn put(&mut self, code: u32) {
        self.text.extend(char::from_u32(code));
    }

    fn end_string(&mut self, end: End, terminal: &mut Terminal) {
        if !matches!(self.state, State::Osc | State::DcsData) {
            return;
        }
        terminal.joins = 0;
        if self.is_void() {
            return;
        }
        match (self.state, self.name, self.last) {
            (State::Osc, ..) => terminal.operate(&self.text, end),
            (_, Name { prefix: 0, intermediate: b'$' }, b'q') => terminal.answer_setting(&self.text),
            (_, Name { prefix: 0, intermediate: b'+' }, b'q') => terminal.answer_capability(),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Fed;

    #[test]
    fn sequences_end_where_xterm_js_ends_them() {
        let check = |input: &str, expected: &str| assert_eq!(Fed::new(5, 20, input).text(), expected, "{input:?}");
        check("a\x1b[31\x18mb", "amb");
        check("a\x1b[31\x1b[1mb", "ab");
        check("a\x1b[3\n1mb", "a\n b");
        check("a\x1b[3<1mb", "ab");
        check("a\x1b[31éb", "ab");
        check("a\u{9b}1mb", "ab");
        check("a\x1b]2;t\x1b\\b", "ab");
        check("a\x1b]2;t\u{9c}b", "ab");
        check("a\x1b]2;t\x18b", "ab");
        check("a\x1bXsos\x07\x1b\\b", "ab");
        check("a\x1b_apc éx\x1b\\b", "axb"); // As in xterm.js.
        check("a\x1bP1;2qdata\x1b\\b", "ab");
        check("a\x7fb", "ab");
        check("a\x1b \x1b(Bb", "ab");
    }

    #[test]
    fn an_endless_string_is_void_and_goes_on() {
        for opening in ["\x1b]2;", "\x1bP$q", "\x1b_", "\x1bP1$1"] {
            let mut fed = Fed::new(5, 20, &format!("a{opening}{}", "x".repeat(MAX_STRING_BYTES - 8)));
            assert!(!fed.is_ground(), "{opening:?}");
            fed.feed(&"x".repeat(100));
            assert!(fed.is_ground(), "{opening:?}");
            fed.feed("xxx\x1b\\b");
            assert_eq!((fed.text().as_str(), fed.title()), ("ab", None), "{opening:?}");
            assert_eq!(fed.answers(), "", "{opening:?}");
        }
    }
}
