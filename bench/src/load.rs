//! What the bulk measures print: made of nothing but a seed, so that every run and both sides print the same.

use std::{collections::BTreeMap, fmt::Write};

/// A session's variable holds 32 KiB at most; two of them are one block.
const PART_BYTES: usize = 30 << 10;

/// Something to print, the same on both sides.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    pub(crate) name: &'static str,
    /// Makes the file, or nothing.
    prepare: String,
    /// Prints it all.
    print: String,
    pub(crate) env: BTreeMap<String, String>,
    /// What comes out of the PTY, whose line discipline writes `\r\n` for each `\n`.
    pub(crate) bytes: u64,
}

impl Load {
    /// A file of text, lines of 1 to 110 characters.
    pub(crate) fn text(file_bytes: u64) -> Load {
        Load::file("text", &text(), file_bytes)
    }

    /// A full screen redrawn over and over: colours, cursor addressing, bars, a cursor that moves.
    pub(crate) fn tui(file_bytes: u64) -> Load {
        Load::file("tui", &tui(), file_bytes)
    }

    pub(crate) fn seq(lines: u64) -> Load {
        let print = format!("seq 1 {lines}");
        Load { name: "seq", prepare: ":".into(), print, env: BTreeMap::new(), bytes: digits(lines) + 2 * lines }
    }

    /// A file that repeats a block.
    fn file(name: &'static str, block: &str, file_bytes: u64) -> Load {
        let (first, second) = block.split_at(PART_BYTES);
        let env = [("BLOCK_A", first), ("BLOCK_B", second)].map(|(name, part)| (name.into(), part.to_owned()));
        let repeated = format!("{block}\n");
        let (whole, part) = (file_bytes / repeated.len() as u64, file_bytes % repeated.len() as u64);
        let part = usize::try_from(part).expect("less than a block");
        let newlines = whole * newlines(repeated.as_bytes()) + newlines(&repeated.as_bytes()[..part]);
        Load {
            name,
            prepare: format!("yes \"$BLOCK_A$BLOCK_B\" | head -c {file_bytes} > bulk"),
            print: "cat bulk".into(),
            env: env.into(),
            bytes: file_bytes + newlines,
        }
    }

    /// Makes the file, says `ready`, and prints once a line was typed.
    pub(crate) fn command(&self) -> String {
        format!("{}; stty -echo; printf ready; read x; {}", self.prepare, self.print)
    }
}

fn newlines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}

/// Of the numbers from 1 to `last`, written one after the other.
fn digits(last: u64) -> u64 {
    let (mut total, mut first, mut width) = (0, 1, 1);
    while first <= last {
        total += (last.min(first * 10 - 1) - first + 1) * width;
        (first, width) = (first * 10, width + 1);
    }
    total
}

/// Numbers that look random: the minimal standard generator of Park and Miller.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> usize {
        self.0 = self.0 * 48_271 % 0x7fff_ffff;
        usize::try_from(self.0 % end).expect("a small number")
    }
}

const WORDS: [&str; 12] =
    ["session", "of", "the", "terminal", "a", "log", "Ελληνικά", "bytes", "in", "order", "naïve", "0x7fff5fbff8c0"];

fn text() -> String {
    let (mut dice, mut block) = (Dice(7), String::new());
    while block.len() < 2 * PART_BYTES - 200 {
        for _ in 0..=dice.below(14) {
            block.push_str(WORDS[dice.below(12)]);
            block.push(' ');
        }
        block.push('\n');
    }
    padded(block)
}

fn tui() -> String {
    let (mut dice, mut block) = (Dice(11), String::new());
    while block.len() < 2 * PART_BYTES - 4_000 {
        frame(&mut dice, &mut block);
    }
    padded(block)
}

/// To the end of the second part, so that a block has one length; spaces draw nothing that a next frame leaves.
fn padded(mut block: String) -> String {
    // The seam must not cut a character in two.
    while !block.is_char_boundary(PART_BYTES) {
        block.insert(0, ' ');
    }
    while block.len() < 2 * PART_BYTES {
        block.push(' ');
    }
    block
}

/// One screen of 24 rows and 80 columns: meters, a table with one line in reverse, a bar of keys.
fn frame(dice: &mut Dice, out: &mut String) {
    let written = "writing to a string cannot fail";
    out.push_str("\x1b[?25l\x1b[H");
    for meter in 1..=4 {
        let load = dice.below(40);
        let (low, high) = (load.min(20), load.saturating_sub(20));
        let (green, red, rest) = ("|".repeat(low), "|".repeat(high), 40 - load);
        write!(out, "\x1b[{meter};2H\x1b[36m{meter}\x1b[1;30m[\x1b[0;32m{green}\x1b[31m{red}\x1b[0m{:rest$}", "")
            .expect(written);
        write!(out, "\x1b[1;30m{:5.1}%]\x1b[0m\x1b[K", load as f64 * 2.5).expect(written);
    }
    let chosen = 6 + dice.below(17);
    for row in 6..=22 {
        let style = if row == chosen { "\x1b[30;46m" } else { "\x1b[0m" };
        let (process, name) = (1_000 + dice.below(9_000), WORDS[dice.below(12)]);
        let (cpu, memory) = (dice.below(1_000) as f64 / 10.0, dice.below(1_000) as f64 / 10.0);
        write!(out, "\x1b[{row};1H{style}{process:>7} podling   20   0 \x1b[36m{cpu:5.1}").expect(written);
        write!(out, "{style} {memory:5.1}  \x1b[38;5;{}m{name}{style}\x1b[K", 16 + dice.below(216)).expect(written);
    }
    for (key, name) in ["Help", "Setup", "Search", "Filter", "Tree", "Sort"].iter().enumerate() {
        write!(out, "\x1b[24;{}H\x1b[0mF{}\x1b[30;46m{name:<8}", 1 + key * 10, key + 1).expect(written);
    }
    write!(out, "\x1b[0m\x1b[{chosen};1H\x1b[?25h").expect(written);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_counted_as_they_are_written() {
        for last in [0, 1, 9, 10, 99, 100, 1_234] {
            let written: usize = (1..=last).map(|number: u64| number.to_string().len()).sum();
            assert_eq!(digits(last), written as u64, "{last}");
        }
    }

    #[test]
    fn a_file_has_the_newlines_of_its_blocks() {
        let load = Load::file("text", &text(), 200_000);
        let whole = format!("{}\n", text()).repeat(4);
        assert_eq!(load.bytes, 200_000 + newlines(&whole.as_bytes()[..200_000]));
        assert!(load.env.values().all(|part| part.len() == PART_BYTES));
    }

    #[test]
    fn a_frame_is_as_big_as_those_of_full_screen_programs() {
        let mut one = String::new();
        frame(&mut Dice(1), &mut one);
        assert!((1_000..4_000).contains(&one.len()), "{}", one.len());
        assert!(!tui().contains('\n'));
    }
}
