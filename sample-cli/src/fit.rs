//! Text in a given number of columns. Widths are those of a terminal: 2 for 漢, 0 for a combining accent.

use console::measure_text_width;

/// Lines of at most `width` columns, broken at spaces where there are some. A character that is wider than that is
/// left out. At least one line.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split_whitespace() {
        let wanted = measure_text_width(word);
        if used > 0 && used + 1 + wanted <= width {
            push(&mut lines, " ");
            push(&mut lines, word);
            used += 1 + wanted;
            continue;
        }
        if used > 0 {
            lines.push(String::new());
            used = 0;
        }
        for letter in word.chars() {
            let mut bytes = [0; 4];
            let letter: &str = letter.encode_utf8(&mut bytes);
            let wanted = measure_text_width(letter);
            if wanted > width {
                continue;
            }
            if used + wanted > width {
                lines.push(String::new());
                used = 0;
            }
            push(&mut lines, letter);
            used += wanted;
        }
    }
    lines
}

fn push(lines: &mut [String], text: &str) {
    if let Some(line) = lines.last_mut() {
        line.push_str(text);
    }
}

/// One line of at most `width` columns; colours in it stay whole.
pub(crate) fn cut(text: &str, width: usize) -> String {
    console::truncate_str(text, width, if width > 1 { "…" } else { "" }).into_owned()
}

/// `text` and spaces to `width` columns.
pub(crate) fn pad(text: &str, width: usize) -> String {
    let missing = width.saturating_sub(measure_text_width(text));
    format!("{text}{}", " ".repeat(missing))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_is_broken_at_spaces_and_within_words_that_are_too_long() {
        let check =
            |text: &str, width: usize, lines: &[&str]| assert_eq!(wrap(text, width), lines, "{text} in {width}");
        check("Root Workflow - Stage-wise demo", 16, &["Root Workflow -", "Stage-wise demo"]);
        check("Root Workflow - Stage-wise demo", 80, &["Root Workflow - Stage-wise demo"]);
        check("abcdefgh ij", 3, &["abc", "def", "gh", "ij"]);
        check("漢字漢字", 5, &["漢字", "漢字"]);
        check("", 5, &[""]);
        check("ab", 0, &[""]);
    }

    proptest! {
        #[test]
        fn no_line_is_wider_than_asked(text in any::<String>(), width in 0..40_usize) {
            let text: String = text.chars().filter(|c| !c.is_control()).collect();
            for line in wrap(&text, width) {
                prop_assert!(measure_text_width(&line) <= width, "{line:?}");
            }
            prop_assert!(measure_text_width(&cut(&text, width)) <= width);
        }
    }
}
