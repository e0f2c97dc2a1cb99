//! A stranger's text on its way to a terminal: nothing in it moves the cursor, changes a colour, or never ends.

/// What of an answer is shown, in bytes.
const LIMIT: usize = 64 << 10;
const CUT: &str = "… (the rest is not shown)";
const TAB: &str = "    ";

/// What was said so far, as it may be shown: lines of harmless characters.
#[derive(Clone, Debug, Default)]
pub(crate) struct Speech {
    text: String,
    is_cut: bool,
}

impl Speech {
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Adds text, and returns what is new to show.
    pub(crate) fn say(&mut self, text: &str) -> &str {
        let from = self.text.len();
        for letter in text.chars() {
            if self.is_cut {
                break;
            }
            match letter {
                '\n' | '\u{2028}' | '\u{2029}' => self.text.push('\n'),
                '\r' => {}
                '\t' => self.text.push_str(TAB),
                letter if is_harmless(letter) => self.text.push(letter),
                _ => self.text.push(' '),
            }
            if self.text.len() > LIMIT {
                self.is_cut = true;
                self.text.push_str(CUT);
            }
        }
        &self.text[from..]
    }

    /// Ends the line, if there is one.
    pub(crate) fn end_line(&mut self) -> &str {
        let from = self.text.len();
        if !self.text.is_empty() && !self.text.ends_with('\n') {
            self.text.push('\n');
        }
        &self.text[from..]
    }

    /// Adds a line of our own, also to one that is cut.
    pub(crate) fn note(&mut self, note: &str) -> &str {
        let from = self.text.len();
        self.end_line();
        let note: String = note.chars().map(|c| if is_harmless(c) { c } else { ' ' }).collect();
        self.text.push_str(&format!("· {note}\n"));
        &self.text[from..]
    }

    /// Forgets what was said.
    pub(crate) fn restart(&mut self) {
        *self = Speech::default();
    }
}

/// No control character, and none that turns the direction of those around it.
fn is_harmless(letter: char) -> bool {
    !letter.is_control()
        && !matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_moves_the_cursor_or_turns_the_text() {
        let mut speech = Speech::default();
        assert_eq!(speech.say("a\x1b[2J\u{9b}31mb\x07\x08\r\nc\td\u{202e}e\x7f"), "a [2J 31mb  \nc    d e ");
        assert_eq!(speech.note("odd\n\x1bname"), "\n· odd  name\n");
        assert_eq!(speech.note("next"), "· next\n");
        assert_eq!((speech.end_line(), Speech::default().end_line()), ("", ""));
    }

    #[test]
    fn an_answer_without_an_end_has_one_here() {
        let mut speech = Speech::default();
        for _ in 0..10_000 {
            speech.say("ä word and another ");
        }
        assert!(speech.text().len() <= LIMIT + 2 + CUT.len() && speech.text().ends_with(CUT));
        assert_eq!(speech.say("more"), "");
    }

    proptest! {
        #[test]
        fn of_any_text_only_lines_of_harmless_characters_are_left(text in any::<String>(), note in any::<String>()) {
            let mut speech = Speech::default();
            speech.say(&text);
            speech.note(&note);
            prop_assert!(speech.text().chars().all(|c| c == '\n' || is_harmless(c)));
        }
    }
}
