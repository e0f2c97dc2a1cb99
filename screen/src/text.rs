//! The screen as text.

use crate::cell::Content;
use crate::terminal::Terminal;

/// A line for each row, without the blanks at its end.
pub(crate) fn text(terminal: &Terminal) -> String {
    let mut text = String::new();
    for y in 0..terminal.active.height() {
        let mut line = String::new();
        let mut wide = false;
        for cell in terminal.active.row(y).cells() {
            let is_half = std::mem::replace(&mut wide, cell.width() == 2) && cell.is_tail();
            match cell.content() {
                Content::Nothing if is_half => {}
                // Also the second half of what is not there any more.
                Content::Nothing => line.push(' '),
                Content::Char(code) => line.extend(char::from_u32(code)),
                Content::Combined(index) => line.push_str(terminal.rare.combined(index)),
            }
        }
        text.push_str(line.trim_end_matches(' '));
        text.push('\n');
    }
    text.pop();
    text
}

#[cfg(test)]
mod tests {
    use crate::testing::Fed;

    #[test]
    fn rows_lose_the_blanks_at_their_end() {
        assert_eq!(Fed::new(5, 20, "a  \r\n\r\n 漢e\u{301} ").0.text(), "a\n\n 漢e\u{301}\n\n");
        assert_eq!(Fed::new(5, 20, "漢x\x1b[1;2H\x1b['}").0.text(), "   x\n\n\n\n");
    }
}
