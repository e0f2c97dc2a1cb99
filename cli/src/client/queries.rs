//! Takes out of a terminal's output the sequences that ask the terminal to answer: device attributes, status and cursor
//! reports, modes, colours, the clipboard, window reports.
//!
//! The runner answers them, once, whether or not anyone watches. A terminal that answered as well would type its answers
//! into the program. The same rules as the page's (`web/src/queries.mjs`): a parser after
//! <https://vt100.net/emu/dec_ansi_parser> that keeps its place when the output is cut inside a sequence.

use super::asking::{is_csi_query, is_dcs_query, is_osc_query, may_become_query};

const BEL: u8 = 0x07;
const CAN: u8 = 0x18;
const SUB: u8 = 0x1a;
const ESC: u8 = 0x1b;
const DEL: u8 = 0x7f;
/// The first byte of U+0080 to U+00BF in UTF-8, and so of the 8-bit controls.
const C1_LEAD: u8 = 0xc2;
/// No honest sequence that could be a query is longer; one that is goes away as a whole.
const MAX_HELD: usize = 4096;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Ground,
    Escape,
    Csi,
    Osc,
    Dcs,
    /// A string that is drawn as it comes, up to its end.
    String,
    /// A string that goes away.
    Swallow,
    SwallowCsi,
}

#[derive(Debug, Default)]
pub(crate) struct QueryStripper {
    state: State,
    /// The sequence so far, while it is not known whether it is a query.
    held: Vec<u8>,
    /// Whether the string under way is an OSC, which BEL ends.
    is_osc: bool,
    /// Whether a `C1_LEAD` waits for its second byte.
    lead: bool,
    out: Vec<u8>,
}

impl QueryStripper {
    /// What of the output is to be drawn.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.out.reserve(bytes.len());
        let mut rest = bytes;
        while let Some((&byte, after)) = rest.split_first() {
            if self.state == State::Ground && !self.lead {
                let text = rest.iter().position(|byte| matches!(*byte, ESC | C1_LEAD)).unwrap_or(rest.len());
                self.out.extend_from_slice(&rest[..text]);
                rest = &rest[text..];
                if text > 0 {
                    continue;
                }
            }
            self.byte(byte);
            rest = after;
        }
        std::mem::take(&mut self.out)
    }

    fn byte(&mut self, byte: u8) {
        if std::mem::take(&mut self.lead) {
            if (0x80..=0x9f).contains(&byte) {
                return self.c1(byte);
            }
            self.plain(C1_LEAD);
        }
        if byte == C1_LEAD { self.lead = true } else { self.plain(byte) }
    }

    fn plain(&mut self, byte: u8) {
        match byte {
            ESC => {
                self.interrupt();
                self.begin(State::Escape, &[ESC]);
            }
            CAN | SUB => {
                self.begin(State::Ground, &[]);
                self.out.push(byte);
            }
            byte => self.in_state(byte),
        }
    }

    fn in_state(&mut self, byte: u8) {
        match self.state {
            State::Ground => self.out.push(byte),
            State::Escape => self.escape(byte),
            State::Csi => self.csi(byte),
            State::Osc => self.osc(byte),
            State::Dcs => self.dcs(byte),
            State::String => {
                self.out.push(byte);
                self.end_osc(byte);
            }
            State::Swallow => self.end_osc(byte),
            State::SwallowCsi if byte < 0x20 => self.out.push(byte),
            State::SwallowCsi if byte >= 0x40 => self.state = State::Ground,
            State::SwallowCsi => {}
        }
    }

    fn end_osc(&mut self, byte: u8) {
        if self.is_osc && byte == BEL {
            self.state = State::Ground;
        }
    }

    fn escape(&mut self, byte: u8) {
        match byte {
            ..0x20 => return self.out.push(byte),
            DEL => return,
            _ => self.held.push(byte),
        }
        if byte <= 0x2f {
            return self.limit(State::Ground);
        }
        // After an intermediate even a bracket is a final byte, as in `ESC ( [`.
        let introducer = if self.held.len() == 2 { byte } else { 0 };
        match introducer {
            b'[' => self.state = State::Csi,
            b']' => self.state = State::Osc,
            b'P' => self.state = State::Dcs,
            b'X' | b'^' | b'_' => self.pass(false),
            introducer => self.finish(introducer == b'Z'), // DECID, an old form of DA.
        }
    }

    fn csi(&mut self, byte: u8) {
        match byte {
            ..0x20 => self.out.push(byte), // Controls inside a sequence are carried out at once.
            DEL => {}
            _ => {
                self.held.push(byte);
                match byte {
                    0x80.. => self.finish(false),
                    ..0x40 => self.limit(State::SwallowCsi),
                    _ => self.finish(is_csi_query(&self.held[2..])),
                }
            }
        }
    }

    fn osc(&mut self, byte: u8) {
        if byte == BEL {
            let is_query = is_osc_query(&self.held[2..]);
            self.held.push(byte);
            return self.finish(is_query);
        }
        if byte < 0x20 {
            return; // Terminals skip controls here, and so would see the query behind them.
        }
        self.held.push(byte);
        if self.held.len() < MAX_HELD {
            return;
        }
        if may_become_query(&self.held[2..]) { self.swallow(true) } else { self.pass(true) }
    }

    fn dcs(&mut self, byte: u8) {
        if byte < 0x20 || byte == DEL {
            return;
        }
        self.held.push(byte);
        match byte {
            0x80.. => self.pass(false),
            ..0x40 => self.limit(State::Swallow),
            _ if is_dcs_query(&self.held[2..]) => self.swallow(false),
            _ => self.pass(false),
        }
    }

    /// An 8-bit control; what it introduces is handed on in its 7-bit form.
    fn c1(&mut self, byte: u8) {
        self.interrupt();
        match byte {
            0x9b => self.begin(State::Csi, b"\x1b["),
            0x9d => self.begin(State::Osc, b"\x1b]"),
            0x90 => self.begin(State::Dcs, b"\x1bP"),
            0x98 | 0x9e | 0x9f => {
                self.begin(State::String, &[ESC, byte - 0x40]);
                self.pass(false);
            }
            0x9c | 0x9a => {} // A terminator of nothing, and DECID.
            _ => self.out.extend_from_slice(&[C1_LEAD, byte]),
        }
    }

    /// Another sequence begins: it ends a string, and drops a sequence that was not finished.
    fn interrupt(&mut self) {
        if self.state == State::Osc && !is_osc_query(&self.held[2..]) {
            self.pass(true);
        }
        // Ended here and not by what follows, which may itself be dropped.
        if self.state == State::String {
            self.out.extend_from_slice(b"\x1b\\");
        }
        self.begin(State::Ground, &[]);
    }

    fn begin(&mut self, state: State, held: &[u8]) {
        self.state = state;
        self.held.clear();
        self.held.extend_from_slice(held);
    }

    fn finish(&mut self, is_query: bool) {
        if !is_query {
            self.out.append(&mut self.held);
        }
        self.begin(State::Ground, &[]);
    }

    /// The rest of the string is drawn as it comes.
    fn pass(&mut self, is_osc: bool) {
        self.out.append(&mut self.held);
        (self.state, self.is_osc) = (State::String, is_osc);
    }

    /// The rest of the string goes away.
    fn swallow(&mut self, is_osc: bool) {
        self.begin(State::Swallow, &[]);
        self.is_osc = is_osc;
    }

    fn limit(&mut self, next: State) {
        if self.held.len() >= MAX_HELD {
            self.begin(next, &[]);
            self.is_osc = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strip(text: &str) -> String {
        let bytes = text.as_bytes();
        let whole = QueryStripper::default().push(bytes);
        for cut in 0..=bytes.len() {
            let mut stripper = QueryStripper::default();
            let mut parts = stripper.push(&bytes[..cut]);
            parts.append(&mut stripper.push(&bytes[cut..]));
            assert_eq!(parts, whole, "{text:?} cut at {cut}");
        }
        String::from_utf8(whole).expect("no character is cut")
    }

    /// The same rows as those of the page.
    #[test]
    fn queries_go_away_alone_and_between_text_wherever_the_output_is_cut() {
        for query in [
            "\x1b[c",
            "\x1b[0c",
            "\x1b[>c",
            "\x1b[>0;1c",
            "\x1b[=c",
            "\x1bZ",
            "\x1b[5n",
            "\x1b[6n",
            "\x1b[?6n",
            "\x1b[?996n",
            "\x1b[?2026$p",
            "\x1b[4$p",
            "\x1b[>q",
            "\x1b[>0q",
            "\x1b[x",
            "\x1b[?u",
            "\x1b[?4m",
            "\x1b[?1;1S",
            "\x1b[14t",
            "\x1b[18t",
            "\x1b[21t",
            "\x1b[1$w",
            "\x1bP$qm\x1b\\",
            "\x1bP+q544e\x1b\\",
            "\x1b]10;?\x07",
            "\x1b]11;?\x1b\\",
            "\x1b]4;1;?\x07",
            "\x1b]4;1;?;2;?\x1b\\",
            "\x1b]52;c;?\x07",
            "\x1b[6\x7fn",
            "\x1b\x7f[6n",
            "\x1b]010;?\x07",
            "\x1b]10;\x01?\x07",
            "\u{9b}c",
            "\u{9b}6n",
            "\u{9d}11;?\u{9c}",
            "\u{90}$qm\u{9c}",
            "\u{9a}",
        ] {
            // A lone string terminator draws nothing.
            assert_eq!(strip(&format!("a{query}b")).replace("\x1b\\", ""), "ab", "{query:?}");
        }
    }

    #[test]
    fn everything_else_is_drawn_as_it_is() {
        for text in [
            "plain",
            "häßlich 漢字 🙂 ©®£ \u{a0}",
            "\x1b[31mred\x1b[0m",
            "\x1b[2J\x1b[H",
            "\x1b[?25l\x1b[?1049h",
            "\x1b[!p",
            "\x1b[2 q",
            "\x1b[>4;2m",
            "\x1b[>4n",
            "\x1b[s\x1b[u",
            "\x1b[>1u",
            "\x1b[8;24;80t",
            "\x1b[22;0t",
            "\x1b[3S",
            "\x1b(B\x1b)0",
            "\x1b([",
            "\x1b7\x1b8",
            "\x1b]0;what?\x07",
            "\x1b]2;title\x1b\\",
            "\x1b]8;;https://x.org/?q=?\x07link\x1b]8;;\x07",
            "\x1b]52;c;aGk=\x07",
            "\x1b]11;#fff\x07",
            "\x1bPq#0;2;0;0;0\x1b\\",
            "\x1b_Gi=1;AAAA\x1b\\",
            "\r\n\t\x08\x07",
        ] {
            let drawn = |text: &str| text.replace("\x1b\\", "");
            assert_eq!(drawn(&strip(&format!("a{text}b"))), drawn(&format!("a{text}b")), "{text:?}");
        }
    }

    #[test]
    fn a_query_that_is_too_long_or_inside_a_string_goes_away_too() {
        let whole = |text: &str| String::from_utf8(QueryStripper::default().push(text.as_bytes())).expect("UTF-8");
        assert_eq!(strip("\x1b[6\nn"), "\n");
        assert_eq!(strip("\x1b[6\x18n"), "\x18n");
        assert_eq!(strip("\x1b]0;title\x1b[6nx"), "\x1b]0;title\x1b\\x");
        let clipboard = format!("\x1b]52;c;{}\x07", "A".repeat(100_000));
        assert_eq!(whole(&clipboard), clipboard);
        assert_eq!(whole(&format!("\x1b]4{}\x07x", ";1;?".repeat(5_000))), "x");
        assert_eq!(whole(&format!("\x1b[{}cx", "0".repeat(5_000))), "x");
    }
}
