//! Where the cursor goes.

use crate::terminal::Terminal;

impl Terminal {
    /// Keeps the cursor on the screen, in origin mode within the margins; no wrap is pending after it.
    pub(crate) fn restrict_cursor(&mut self) {
        self.restrict_cursor_to(self.active.cols() - 1);
    }

    pub(crate) fn restrict_cursor_to(&mut self, last: usize) {
        let buffer = &mut self.active;
        buffer.x = buffer.x.min(last);
        buffer.y = if self.modes.origin {
            buffer.y.clamp(buffer.top, buffer.bottom)
        } else {
            buffer.y.min(buffer.height() - 1)
        };
    }

    /// In origin mode `y` counts from the upper margin.
    pub(crate) fn set_cursor(&mut self, x: usize, y: usize) {
        let from = if self.modes.origin { self.active.top } else { 0 };
        (self.active.x, self.active.y) = (x, from.saturating_add(y));
        self.restrict_cursor();
    }

    /// Relative moves, too, count from the upper margin in origin mode: xterm.js does, so a viewer sees it.
    fn move_cursor(&mut self, x: isize, y: isize) {
        self.restrict_cursor();
        let from = if self.modes.origin { self.active.top } else { 0 };
        self.active.x = self.active.x.saturating_add_signed(x);
        self.active.y = self.active.y.saturating_add(from).saturating_add_signed(y);
        self.restrict_cursor();
    }

    /// CUU: up to the upper margin, from above it to the edge.
    pub(crate) fn cursor_up(&mut self, count: usize) {
        let room = self.active.y.checked_sub(self.active.top).unwrap_or(count);
        self.move_cursor(0, -steps(count.min(room)));
    }

    /// CUD: down to the lower margin, from below it to the edge.
    pub(crate) fn cursor_down(&mut self, count: usize) {
        let room = self.active.bottom.checked_sub(self.active.y).unwrap_or(count);
        self.move_cursor(0, steps(count.min(room)));
    }

    /// CUF and HPR.
    pub(crate) fn cursor_forward(&mut self, count: usize) {
        self.move_cursor(steps(count), 0);
    }

    /// CUB.
    pub(crate) fn cursor_backward(&mut self, count: usize) {
        self.move_cursor(-steps(count), 0);
    }

    /// VPR: past the margins.
    pub(crate) fn row_forward(&mut self, count: usize) {
        self.move_cursor(0, steps(count));
    }

    /// CHA and HPA.
    pub(crate) fn set_column(&mut self, x: usize) {
        self.set_cursor(x, self.active.y);
    }

    /// VPA.
    pub(crate) fn set_row(&mut self, y: usize) {
        self.set_cursor(self.active.x, y);
    }

    /// BS. With reverse wraparound it goes back to the row that wrapped into this one.
    pub(crate) fn backspace(&mut self) {
        if !self.modes.reverse_wraparound {
            self.restrict_cursor();
            self.active.x = self.active.x.saturating_sub(1);
            return;
        }
        self.restrict_cursor_to(self.active.cols());
        if self.active.x > 0 {
            self.active.x -= 1;
        } else if self.active.y > self.active.top && self.active.y <= self.active.bottom && self.active.line().wrapped {
            self.active.line().wrapped = false;
            self.active.y -= 1;
            self.active.x = self.active.cols() - 1;
            let cell = self.active.row(self.active.y).cells()[self.active.x];
            if cell.width() > 0 && !cell.has_content() {
                self.active.x -= 1;
            }
        }
        self.restrict_cursor();
    }

    /// HT and CHT.
    pub(crate) fn tab(&mut self, count: usize) {
        let cols = self.active.cols();
        if self.active.x < cols {
            for _ in 0..count.min(cols) {
                self.active.x = self.active.tabs.after(self.active.x, cols);
            }
        }
    }

    /// CBT.
    pub(crate) fn tab_back(&mut self, count: usize) {
        let cols = self.active.cols();
        if self.active.x < cols {
            for _ in 0..count.min(cols) {
                self.active.x = self.active.tabs.before(self.active.x);
            }
        }
    }

    /// TBC.
    pub(crate) fn clear_tabs(&mut self, which: i32) {
        match which {
            0 => self.active.tabs.clear(self.active.x),
            3 => self.active.tabs.clear_all(),
            _ => {}
        }
    }
}

/// No screen has room for more steps.
fn steps(count: usize) -> isize {
    isize::try_from(count.min(1 << 16)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use crate::testing::Fed;

    fn check(input: &str, cursor: (usize, usize)) {
        assert_eq!(Fed::new(10, 20, input).cursor(), cursor, "{input:?}");
    }

    #[test]
    fn the_cursor_stays_on_the_screen() {
        check("\x1b[5;7H", (6, 4));
        check("\x1b[99;99H", (19, 9));
        check("\x1b[5;7H\x1b[99A", (6, 0));
        check("\x1b[5;7H\x1b[99D", (0, 4));
        check("\x1b[5;7H\x1b[2147483647C", (19, 4));
        check("\x1b[5;7H\x1b[2E", (0, 6));
        check("\x1b[5;7H\x1b[2F", (0, 2));
        check("\x1b[5;7H\x1b[3G\x1b[8d", (2, 7));
        check("\x1b[5;7H\x1b[3a\x1b[2e", (9, 6));
    }

    #[test]
    fn margins_stop_the_cursor() {
        check("\x1b[3;6r\x1b[4;1H\x1b[9A", (0, 2));
        check("\x1b[3;6r\x1b[4;1H\x1b[9B", (0, 5));
        check("\x1b[3;6r\x1b[8;1H\x1b[9B", (0, 9));
        check("\x1b[3;6r\x1b[?6h\x1b[2;2H", (1, 3));
        check("\x1b[3;6r\x1b[?6h\x1b[99;2H", (1, 5));
        check("\x1b[3;6r\x1b[?6h\x1b[C", (1, 4)); // As in xterm.js.
    }

    #[test]
    fn tabs_go_to_the_stops() {
        check("a\t", (8, 0));
        check("\t\t\t\t", (19, 0));
        check("\x1b[3g\t", (19, 0));
        check("\x1b[5G\x1bH\r\t", (4, 0));
        check("\x1b[9G\x1b[g\r\t", (16, 0));
        check("\x1b[2I\x1b[Z", (8, 0));
    }

    #[test]
    fn backspace_wraps_back_only_where_it_is_asked_to() {
        check("0123456789abcdefghijk\x08\x08", (0, 1));
        check("\x1b[?45h0123456789abcdefghijk\x08\x08", (19, 0));
        check("0123456789abcdefghij\x08", (18, 0));
    }
}
