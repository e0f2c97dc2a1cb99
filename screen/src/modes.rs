//! What a program can switch on and off.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Modes {
    /// IRM, ANSI mode 4.
    pub(crate) insert: bool,
    pub(crate) application_cursor: bool,
    pub(crate) application_keypad: bool,
    /// DECOM.
    pub(crate) origin: bool,
    /// DECAWM.
    pub(crate) wraparound: bool,
    pub(crate) reverse_wraparound: bool,
    pub(crate) send_focus: bool,
    pub(crate) bracketed_paste: bool,
    /// Private mode 2026: what follows is to be shown at once, at its end.
    pub(crate) synchronized: bool,
    pub(crate) cursor: CursorStyle,
}

impl Default for Modes {
    fn default() -> Modes {
        Modes {
            insert: false,
            application_cursor: false,
            application_keypad: false,
            origin: false,
            wraparound: true,
            reverse_wraparound: false,
            send_focus: false,
            bracketed_paste: false,
            synchronized: false,
            cursor: CursorStyle::default(),
        }
    }
}

/// What neither DECSTR nor RIS resets, or only one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LastingModes {
    /// LNM, ANSI mode 20.
    pub(crate) newline: bool,
    pub(crate) cursor_hidden: bool,
    /// Private mode 12. The page's cursor blinks unless it is told not to.
    pub(crate) cursor_blink: bool,
    pub(crate) mouse: Mouse,
}

impl Default for LastingModes {
    fn default() -> LastingModes {
        LastingModes { newline: false, cursor_hidden: false, cursor_blink: true, mouse: Mouse::default() }
    }
}

/// The numbers of the private modes that are on; 0 is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mouse {
    /// 9, 1000, 1002 or 1003.
    pub(crate) protocol: u16,
    /// 1006 or 1016.
    pub(crate) encoding: u16,
}

/// DECSCUSR. `None` is the viewer's own choice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CursorStyle {
    pub(crate) shape: Option<Shape>,
    pub(crate) blink: Option<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Block,
    Underline,
    Bar,
}

impl CursorStyle {
    pub(crate) fn set(&mut self, param: i32) {
        if param == 0 {
            *self = CursorStyle::default();
            return;
        }
        self.blink = Some(param % 2 == 1);
        match param {
            1 | 2 => self.shape = Some(Shape::Block),
            3 | 4 => self.shape = Some(Shape::Underline),
            5 | 6 => self.shape = Some(Shape::Bar),
            _ => {}
        }
    }

    /// The parameter that brings a terminal from its own choice here.
    pub(crate) fn param(self) -> u8 {
        let Some(blink) = self.blink else { return 0 };
        let shape = match self.shape {
            Some(Shape::Block) => 1,
            Some(Shape::Underline) => 3,
            Some(Shape::Bar) => 5,
            // An unknown shape that sets only whether it blinks.
            None => 7,
        };
        shape + u8::from(!blink)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_style_survives_its_parameter() {
        for param in 0..=8 {
            let mut style = CursorStyle::default();
            style.set(param);
            assert_eq!(i32::from(style.param()), param);
        }
    }
}
