//! A terminal of endless height that knows the few sequences that the demo may use.

#[derive(Default)]
pub(crate) struct Screen {
    lines: Vec<Vec<char>>,
    row: usize,
    column: usize,
    pub(crate) cursor_hidden: bool,
}

impl Screen {
    /// Draws output in a window of this width. Panics at a line that is wider, and at an unknown sequence.
    pub(crate) fn of(output: &str, width: usize) -> Screen {
        let mut screen = Screen { lines: vec![vec![]], ..Screen::default() };
        let mut rest = output.chars();
        while let Some(letter) = rest.next() {
            match letter {
                '\r' => screen.column = 0,
                '\n' => screen.down(),
                '\x1b' => screen.obey(&sequence(&mut rest)),
                letter => screen.put(letter, width),
            }
        }
        screen
    }

    pub(crate) fn text(&self) -> String {
        let lines: Vec<String> = self.lines.iter().map(|line| line.iter().collect::<String>()).collect();
        lines.join("\n")
    }

    fn down(&mut self) {
        self.row += 1;
        if self.row == self.lines.len() {
            self.lines.push(vec![]);
        }
    }

    fn put(&mut self, letter: char, width: usize) {
        assert!(self.column < width, "wider than {width}: {}", self.lines[self.row].iter().collect::<String>());
        let line = &mut self.lines[self.row];
        line.resize(line.len().max(self.column + 1), ' ');
        line[self.column] = letter;
        self.column += 1;
    }

    fn obey(&mut self, sequence: &str) {
        let (body, end) = sequence.split_at(sequence.len() - 1);
        match (body, end) {
            (_, "m") => {}
            ("?25", "l") => self.cursor_hidden = true,
            ("?25", "h") => self.cursor_hidden = false,
            ("", "J") => {
                self.lines[self.row].truncate(self.column);
                self.lines.truncate(self.row + 1);
            }
            (rows, "A") => self.row = self.row.checked_sub(rows.parse().expect("a number")).expect("above the top"),
            _ => panic!("an unknown sequence: {sequence:?}"),
        }
    }
}

/// A control sequence without its introducer: parameters, then one letter.
fn sequence(rest: &mut impl Iterator<Item = char>) -> String {
    assert_eq!(rest.next(), Some('['), "only control sequences");
    let mut body = String::new();
    for letter in rest {
        body.push(letter);
        if letter.is_ascii_alphabetic() {
            break;
        }
    }
    body
}
