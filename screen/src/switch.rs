//! SM, RM, DECSET and DECRST: one number switches one thing.

use crate::charset::Charset;
use crate::modes::Mouse;
use crate::terminal::Terminal;

impl Terminal {
    pub(crate) fn switch(&mut self, mode: i32, on: bool) {
        match mode {
            4 => self.modes.insert = on,
            20 => self.lasting.newline = on,
            _ => {}
        }
    }

    pub(crate) fn switch_private(&mut self, mode: i32, on: bool) {
        match mode {
            1 => self.modes.application_cursor = on,
            2 if on => (0..4).for_each(|level| self.charsets.designate(level, Charset::Ascii)),
            6 => {
                self.modes.origin = on;
                self.set_cursor(0, 0);
            }
            7 => self.modes.wraparound = on,
            9 | 1000 | 1002 | 1003 => self.lasting.mouse.protocol = number(mode, on),
            12 => self.lasting.cursor_blink = on,
            25 => self.lasting.cursor_hidden = !on,
            45 => self.modes.reverse_wraparound = on,
            47 | 1047 | 1048 | 1049 => self.switch_screen(mode, on),
            66 => self.modes.application_keypad = on,
            1004 => self.modes.send_focus = on,
            1006 | 1016 => self.lasting.mouse = Mouse { encoding: number(mode, on), ..self.lasting.mouse },
            2004 => self.modes.bracketed_paste = on,
            2026 => self.modes.synchronized = on,
            _ => {}
        }
    }

    /// 1048 saves and restores the cursor, 47 and 1047 change the screen, 1049 does both.
    fn switch_screen(&mut self, mode: i32, on: bool) {
        let (changes, keeps) = (mode != 1048, mode >= 1048);
        match on {
            true => {
                if keeps {
                    self.save_cursor();
                }
                if changes {
                    self.enter_alternate();
                }
            }
            false => {
                if changes {
                    self.leave_alternate();
                }
                if keeps {
                    self.restore_cursor();
                }
            }
        }
    }
}

/// What is stored for a mode that excludes others; switching any of them off leaves none.
fn number(mode: i32, on: bool) -> u16 {
    if on { u16::try_from(mode).unwrap_or(0) } else { 0 }
}

#[cfg(test)]
mod tests {
    use crate::testing::Fed;

    #[test]
    fn one_mouse_mode_excludes_the_others() {
        let check = |input: &str, protocol, encoding| {
            let mouse = Fed::new(5, 20, input).mouse();
            assert_eq!((mouse.protocol, mouse.encoding), (protocol, encoding), "{input:?}");
        };
        check("\x1b[?1000;1006h", 1000, 1006);
        check("\x1b[?1000h\x1b[?1003h", 1003, 0);
        check("\x1b[?1003h\x1b[?1000l", 0, 0);
        check("\x1b[?1002;1006h\x1b[!p", 1002, 1006);
        check("\x1b[?1002;1006h\x1bc", 0, 0);
    }

    #[test]
    fn origin_mode_homes_the_cursor() {
        let check = |input: &str, cursor| assert_eq!(Fed::new(5, 20, input).cursor(), cursor, "{input:?}");
        check("\x1b[2;4r\x1b[3;3H\x1b[?6h", (0, 1));
        check("\x1b[2;4r\x1b[?6h\x1b[2;3H\x1b[?6l", (0, 0));
    }
}
