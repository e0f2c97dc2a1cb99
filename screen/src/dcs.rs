//! Device control strings: questions about settings.

use crate::attr::PROTECTED;
use crate::modes::Shape;
use crate::pen::sgr;
use crate::terminal::Terminal;

impl Terminal {
    /// DECRQSS.
    pub(crate) fn answer_setting(&mut self, setting: &str) {
        let told = match setting {
            "m" => format!("{}m", sgr(self.pen)),
            "r" => format!("{};{}r", self.active.top + 1, self.active.bottom + 1),
            " q" => format!("{} q", self.cursor_style()),
            "\"q" => format!("{}\"q", u8::from(self.pen.bg & PROTECTED != 0)),
            // DECSCL: a VT100 with 7-bit controls.
            "\"p" => "61;1\"p".to_owned(),
            _ => return self.answers.push("\x1bP0$r\x1b\\"),
        };
        self.answers.push(&format!("\x1bP1$r{told}\x1b\\"));
    }

    /// A viewer's own choice is taken for a blinking block.
    fn cursor_style(&self) -> u8 {
        let style = self.modes.cursor;
        let shape = match style.shape {
            Some(Shape::Block) | None => 1,
            Some(Shape::Underline) => 3,
            Some(Shape::Bar) => 5,
        };
        shape + u8::from(style.blink == Some(false))
    }

    /// XTGETTCAP: nothing is told.
    pub(crate) fn answer_capability(&mut self) {
        self.answers.push("\x1bP0+r\x1b\\");
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::Fed;

    #[test]
    fn settings_are_told() {
        let check = |input: &str, expected: &str| assert_eq!(Fed::new(24, 80, input).answers(), expected, "{input:?}");
        check("\x1bP$qm\x1b\\", "\x1bP1$r0m\x1b\\");
        check("\x1b[1;31m\x1bP$qm\x1b\\", "\x1bP1$r0;1;31m\x1b\\");
        check("\x1b[3;9r\x1bP$qr\x1b\\", "\x1bP1$r3;9r\x1b\\");
        check("\x1b[6 q\x1bP$q q\x1b\\", "\x1bP1$r6 q\x1b\\");
        check("\x1b[1\"q\x1bP$q\"q\x1b\\", "\x1bP1$r1\"q\x1b\\");
        check("\x1bP$q\"p\x1b\\", "\x1bP1$r61;1\"p\x1b\\");
        check("\x1bP$qx\x1b\\", "\x1bP0$r\x1b\\");
        check("\x1bP+q544e\x1b\\", "\x1bP0+r\x1b\\");
        check("\x1bP$qm\x18", "");
    }
}
