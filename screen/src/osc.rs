//! Operating system commands: title, colours, links.

use crate::palette::{self, BACKGROUND, CURSOR, FOREGROUND};
use crate::rare::Link;
use crate::terminal::Terminal;

const MAX_TITLE_BYTES: usize = 1024;

/// How a string ended; its answer ends in the same way.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Bell,
    St,
}

impl End {
    fn bytes(self) -> &'static str {
        match self {
            End::Bell => "\x07",
            End::St => "\x1b\\",
        }
    }
}

impl Terminal {
    /// `text` is what stands between `OSC` and its end.
    pub(crate) fn operate(&mut self, text: &str, end: End) {
        let (number, data) = text.split_once(';').unwrap_or((text, ""));
        if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit()) {
            return;
        }
        match number.parse::<u32>() {
            Ok(0 | 2) => self.set_title(data),
            Ok(4) => self.indexed_colours(data, end),
            Ok(8) => self.link(data),
            Ok(10) => self.special_colours(data, FOREGROUND, end),
            Ok(11) => self.special_colours(data, BACKGROUND, end),
            Ok(12) => self.special_colours(data, CURSOR, end),
            Ok(104) => self.restore_colours(data),
            Ok(110) => self.palette.restore(FOREGROUND),
            Ok(111) => self.palette.restore(BACKGROUND),
            Ok(112) => self.palette.restore(CURSOR),
            _ => {}
        }
    }

    fn set_title(&mut self, data: &str) {
        let end = (0..=data.len().min(MAX_TITLE_BYTES)).rev().find(|end| data.is_char_boundary(*end)).unwrap_or(0);
        self.title = Some(data[..end].to_owned());
    }

    /// Pairs of index and colour, or `?` to ask for it.
    fn indexed_colours(&mut self, data: &str, end: End) {
        let mut fields = data.split(';');
        while let (Some(index), Some(colour)) = (fields.next(), fields.next()) {
            let Some(index) = colour_index(index) else { continue };
            self.colour(index, &format!("4;{index}"), colour, end);
        }
    }

    /// The colours from `first` on, up to the cursor's.
    fn special_colours(&mut self, data: &str, first: u16, end: End) {
        for (index, colour) in (first..=CURSOR).zip(data.split(';')) {
            self.colour(index, &format!("{}", index - FOREGROUND + 10), colour, end);
        }
    }

    fn colour(&mut self, index: u16, name: &str, colour: &str, end: End) {
        if colour == "?" {
            let told = palette::told(self.palette.get(index));
            self.answers.push(&format!("\x1b]{name};{told}{}", end.bytes()));
        } else if let Some(colour) = palette::parse(colour) {
            self.palette.set(index, colour);
        }
    }

    fn restore_colours(&mut self, data: &str) {
        if data.is_empty() {
            return self.palette.restore_indexed();
        }
        data.split(';').filter_map(colour_index).for_each(|index| self.palette.restore(index));
    }

    /// OSC 8: parameters, of which `id` counts, and a target; without one the link ends.
    fn link(&mut self, data: &str) {
        let Some((params, uri)) = data.split_once(';') else { return };
        let params = params.trim();
        if uri.is_empty() && !params.is_empty() {
            return;
        }
        let id = params.split(':').find_map(|param| param.strip_prefix("id=")).unwrap_or_default();
        let link = Link { id: id.to_owned(), uri: uri.to_owned() };
        self.pen.extra.link = if uri.is_empty() { 0 } else { self.rare.add_link(link) };
        self.pen.note_extra();
        self.pen_changed();
        self.tidy();
    }
}

fn colour_index(text: &str) -> Option<u16> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.parse::<u16>().ok().filter(|index| digits && *index < FOREGROUND)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Fed;

    #[test]
    fn titles_are_kept_to_a_length() {
        let check = |input: &str, expected: Option<&str>| {
            assert_eq!(Fed::new(5, 20, input).title(), expected, "{input:?}");
        };
        check("", None);
        check("\x1b]2;one\x07", Some("one"));
        check("\x1b]0;one\x1b\\", Some("one"));
        check("\x1b]1;icon\x07", None);
        check("\x1b]2;a;b\x07", Some("a;b"));
        check("\x1b]2;ünï\u{9c}", Some("ünï"));
        check("\x1b]2;given up\x18", None);
        check("\x1b]x2;no\x07", None);
        let long = Fed::new(5, 20, &format!("\x1b]2;a{}\x07", "é".repeat(2000)));
        assert_eq!(long.title().map(str::len), Some(MAX_TITLE_BYTES - 1));
    }

    #[test]
    fn colours_are_set_and_told() {
        let check = |input: &str, expected: &str| assert_eq!(Fed::new(5, 20, input).answers(), expected, "{input:?}");
        check("\x1b]11;?\x07", "\x1b]11;rgb:0d0d/1010/1717\x07");
        check("\x1b]11;#102030\x07\x1b]11;?\x1b\\", "\x1b]11;rgb:1010/2020/3030\x1b\\");
        check("\x1b]10;?;?\x07", "\x1b]10;rgb:d8d8/dede/e9e9\x07\x1b]11;rgb:0d0d/1010/1717\x07");
        check("\x1b]4;1;#ff0000;1;?\x07", "\x1b]4;1;rgb:ffff/0000/0000\x07");
        check("\x1b]4;1;#ff0000\x07\x1b]104;1\x07\x1b]4;1;?\x07", "\x1b]4;1;rgb:f2f2/7777/7a7a\x07");
        check("\x1b]12;red\x07\x1b]12;?\x07", "\x1b]12;rgb:7c7c/c5c5/ffff\x07");
        check("\x1b]4;256;?\x07\x1b]52;c;?\x07\x1b]13;?\x07", "");
    }

    #[test]
    fn links_begin_and_end() {
        let check = |input: &str, linked| assert_eq!(Fed::new(5, 20, input).pen().extra.link != 0, linked, "{input:?}");
        check("\x1b]8;;https://a\x07", true);
        check("\x1b]8;id=1;https://a\x07\x1b[0m", true);
        check("\x1b]8;;https://a\x07\x1b]8;;\x07", false);
        check("\x1b]8;;https://a\x07\x1b]8;id=1;\x07", true);
    }
}
