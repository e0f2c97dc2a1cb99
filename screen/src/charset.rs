//! The character sets of ISO 2022 that terminals know: each replaces a few ASCII characters.
//!
//! Sources: the tables 2-5 to 2-15 of the VT220 Programmer Reference Manual, and for line drawing table 5-13 of the
//! VT102 User Guide with what xterm shows for it.

/// The set with this final byte in `ESC ( F`; `B` is ASCII and replaces nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Charset {
    #[default]
    Ascii,
    Other(&'static Replacements),
}

/// What is replaced, and the final byte that names the set.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Replacements {
    name: u8,
    pairs: &'static [(u8, char)],
}

impl Charset {
    /// `None` for a set that nobody knows, whose designation does nothing.
    pub(crate) fn named(last: u8) -> Option<Charset> {
        let name = match last {
            b'B' => return Some(Charset::Ascii),
            b'5' => b'C',
            b'6' => b'E',
            b'7' => b'H',
            name => name,
        };
        SETS.iter().find(|set| set.name == name).map(Charset::Other)
    }

    pub(crate) fn name(self) -> u8 {
        match self {
            Charset::Ascii => b'B',
            Charset::Other(set) => set.name,
        }
    }

    pub(crate) fn map(self, code: u32) -> u32 {
        let Charset::Other(set) = self else { return code };
        set.pairs.iter().find(|(from, _)| u32::from(*from) == code).map_or(code, |(_, to)| u32::from(*to))
    }

    /// What has to be sent for `code` to be shown.
    pub(crate) fn unmap(self, code: u32) -> u32 {
        let Charset::Other(set) = self else { return code };
        set.pairs.iter().find(|(_, to)| u32::from(*to) == code).map_or(code, |(from, _)| u32::from(*from))
    }
}

/// G0 to G3, and which of them characters are taken from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Charsets {
    pub(crate) sets: [Charset; 4],
    pub(crate) level: usize,
    /// Usually `sets[level]`; a restored cursor brings its own.
    pub(crate) current: Charset,
}

impl Charsets {
    pub(crate) fn shift(&mut self, level: usize) {
        self.level = level;
        self.current = self.sets[level];
    }

    pub(crate) fn designate(&mut self, level: usize, set: Charset) {
        self.sets[level] = set;
        if self.level == level {
            self.current = set;
        }
    }
}

static SETS: [Replacements; 12] = [
    Replacements {
        name: b'0',
        pairs: &[
            (b'`', '◆'),
            (b'a', '▒'),
            (b'b', '␉'),
            (b'c', '␌'),
            (b'd', '␍'),
            (b'e', '␊'),
            (b'f', '°'),
            (b'g', '±'),
            (b'h', '␤'),
            (b'i', '␋'),
            (b'j', '┘'),
            (b'k', '┐'),
            (b'l', '┌'),
            (b'm', '└'),
            (b'n', '┼'),
            (b'o', '⎺'),
            (b'p', '⎻'),
            (b'q', '─'),
            (b'r', '⎼'),
            (b's', '⎽'),
            (b't', '├'),
            (b'u', '┤'),
            (b'v', '┴'),
            (b'w', '┬'),
            (b'x', '│'),
            (b'y', '≤'),
            (b'z', '≥'),
            (b'{', 'π'),
            (b'|', '≠'),
            (b'}', '£'),
            (b'~', '·'),
        ],
    },
    set(b'A', &[(b'#', '£')]),
    set(
        b'4',
        &[
            (b'#', '£'),
            (b'@', '¾'),
            (b'[', 'i'),
            (b'\\', '½'),
            (b']', '|'),
            (b'{', '¨'),
            (b'|', 'f'),
            (b'}', '¼'),
            (b'~', '´'),
        ],
    ),
    set(
        b'C',
        &[
            (b'[', 'Ä'),
            (b'\\', 'Ö'),
            (b']', 'Å'),
            (b'^', 'Ü'),
            (b'`', 'é'),
            (b'{', 'ä'),
            (b'|', 'ö'),
            (b'}', 'å'),
            (b'~', 'ü'),
        ],
    ),
    set(
        b'R',
        &[
            (b'#', '£'),
            (b'@', 'à'),
            (b'[', '°'),
            (b'\\', 'ç'),
            (b']', '§'),
            (b'{', 'é'),
            (b'|', 'ù'),
            (b'}', 'è'),
            (b'~', '¨'),
        ],
    ),
    set(
        b'Q',
        &[
            (b'@', 'à'),
            (b'[', 'â'),
            (b'\\', 'ç'),
            (b']', 'ê'),
            (b'^', 'î'),
            (b'`', 'ô'),
            (b'{', 'é'),
            (b'|', 'ù'),
            (b'}', 'è'),
            (b'~', 'û'),
        ],
    ),
    set(
        b'K',
        &[(b'@', '§'), (b'[', 'Ä'), (b'\\', 'Ö'), (b']', 'Ü'), (b'{', 'ä'), (b'|', 'ö'), (b'}', 'ü'), (b'~', 'ß')],
    ),
    set(
        b'Y',
        &[
            (b'#', '£'),
            (b'@', '§'),
            (b'[', '°'),
            (b'\\', 'ç'),
            (b']', 'é'),
            (b'`', 'ù'),
            (b'{', 'à'),
            (b'|', 'ò'),
            (b'}', 'è'),
            (b'~', 'ì'),
        ],
    ),
    set(
        b'E',
        &[
            (b'@', 'Ä'),
            (b'[', 'Æ'),
            (b'\\', 'Ø'),
            (b']', 'Å'),
            (b'^', 'Ü'),
            (b'`', 'ä'),
            (b'{', 'æ'),
            (b'|', 'ø'),
            (b'}', 'å'),
            (b'~', 'ü'),
        ],
    ),
    set(
        b'Z',
        &[(b'#', '£'), (b'@', '§'), (b'[', '¡'), (b'\\', 'Ñ'), (b']', '¿'), (b'{', '°'), (b'|', 'ñ'), (b'}', 'ç')],
    ),
    set(
        b'H',
        &[
            (b'@', 'É'),
            (b'[', 'Ä'),
            (b'\\', 'Ö'),
            (b']', 'Å'),
            (b'^', 'Ü'),
            (b'`', 'é'),
            (b'{', 'ä'),
            (b'|', 'ö'),
            (b'}', 'å'),
            (b'~', 'ü'),
        ],
    ),
    set(
        b'=',
        &[
            (b'#', 'ù'),
            (b'@', 'à'),
            (b'[', 'é'),
            (b'\\', 'ç'),
            (b']', 'ê'),
            (b'^', 'î'),
            (b'_', 'è'),
            (b'`', 'ô'),
            (b'{', 'ä'),
            (b'|', 'ö'),
            (b'}', 'ü'),
            (b'~', 'û'),
        ],
    ),
];

const fn set(name: u8, pairs: &'static [(u8, char)]) -> Replacements {
    Replacements { name, pairs }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_replaces_a_few_characters() {
        let check = |name, from: char, to: char| {
            let set = Charset::named(name).expect("a known set");
            assert_eq!(char::from_u32(set.map(u32::from(from))), Some(to));
            assert_eq!(char::from_u32(set.unmap(u32::from(to))), Some(from));
        };
        check(b'0', 'q', '─');
        check(b'0', 'A', 'A');
        check(b'5', '[', 'Ä');
        check(b'=', '_', 'è');
        check(b'B', '#', '#');
        assert_eq!(Charset::named(b'x'), None);
    }

    #[test]
    fn only_the_shifted_in_set_is_current() {
        let lines = Charset::named(b'0').expect("line drawing");
        let mut sets = Charsets::default();
        sets.designate(1, lines);
        assert_eq!(sets.current, Charset::Ascii);
        sets.shift(1);
        assert_eq!(sets.current, lines);
        sets.designate(1, Charset::Ascii);
        assert_eq!(sets.current, Charset::Ascii);
    }
}
