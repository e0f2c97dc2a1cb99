//! The emulator answers a program's questions as xterm.js does, where that answers at all.

use podling_screen::Screen;
use podling_session::size::WindowSize;
use proptest::{
    collection::vec,
    prelude::*,
    sample::select,
    test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner},
};

use crate::{
    grammar,
    oracle::{Case, Oracle},
};

/// After what is written, the one answer. Both this emulator and xterm.js are held to it.
const ANSWERS: [(&str, &str); 32] = [
    ("\x1b[c", "\x1b[?1;2c"),
    ("\x1b[0c", "\x1b[?1;2c"),
    ("\x1b[1c", ""),
    ("\x1b[>c", "\x1b[>0;276;0c"),
    ("\x1b[5n", "\x1b[0n"),
    ("\x1b[6n", "\x1b[1;1R"),
    ("\x1b[3;7H\x1b[6n", "\x1b[3;7R"),
    ("\x1b[3;7H\x1b[?6n", "\x1b[?3;7R"),
    ("\x1b[5;10r\x1b[?6h\x1b[2;3H\x1b[6n", "\x1b[6;3R"),
    ("\x1b[4$p", "\x1b[4;2$y"),
    ("\x1b[4h\x1b[4$p", "\x1b[4;1$y"),
    ("\x1b[20$p", "\x1b[20;2$y"),
    ("\x1b[?1$p", "\x1b[?1;2$y"),
    ("\x1b[?7$p", "\x1b[?7;1$y"),
    ("\x1b[?7l\x1b[?7$p", "\x1b[?7;2$y"),
    ("\x1b[?12$p", "\x1b[?12;1$y"),
    ("\x1b[?25$p", "\x1b[?25;1$y"),
    ("\x1b[?25l\x1b[?25$p", "\x1b[?25;2$y"),
    ("\x1b[?47$p", "\x1b[?47;2$y"),
    ("\x1b[?1049h\x1b[?1049$p", "\x1b[?1049;1$y"),
    ("\x1b[?1002h\x1b[?1000$p\x1b[?1002$p", "\x1b[?1000;2$y\x1b[?1002;1$y"),
    ("\x1b[?1006$p", "\x1b[?1006;2$y"),
    ("\x1b[?1006h\x1b[?1006$p", "\x1b[?1006;1$y"),
    ("\x1b[?2004h\x1b[?2004$p", "\x1b[?2004;1$y"),
    ("\x1b[?2026$p", "\x1b[?2026;2$y"),
    ("\x1b[?9999$p", "\x1b[?9999;0$y"),
    ("\x1bP$qr\x1b\\", "\x1bP1$r1;24r\x1b\\"),
    ("\x1b[3;9r\x1bP$qr\x1b\\", "\x1bP1$r3;9r\x1b\\"),
    ("\x1bP$q\"p\x1b\\", "\x1bP1$r61;1\"p\x1b\\"),
    ("\x1bP$q\"q\x1b\\", "\x1bP1$r0\"q\x1b\\"),
    ("\x1bP$qx\x1b\\", "\x1bP0$r\x1b\\"),
    // Cut off, so nobody asks.
    ("\x1bP$qr\x18\x1b[6\x1a", ""),
];

#[test]
fn a_question_has_the_answer_of_xterm_js() {
    for (question, answer) in ANSWERS {
        let mut screen = Screen::new(WindowSize::DEFAULT);
        screen.feed(question.as_bytes());
        assert_eq!(
            screen.take_answers().escape_ascii().to_string(),
            answer.escape_debug().to_string().replace("\\u{1b}", "\\x1b")
        );
        assert!(screen.take_answers().is_empty(), "an answer is given once");
    }
}

#[test]
fn the_table_of_answers_is_that_of_xterm_js() {
    let mut oracle = Oracle::start();
    for (question, answer) in ANSWERS {
        let mut case = Case::new(WindowSize::DEFAULT);
        case.write("A", question.as_bytes());
        assert_eq!(oracle.judge(&case).answers.a, answer, "{}", question.escape_debug());
    }
}

/// Named exclusions, where xterm.js without a browser does not answer and the emulator does: colours (`OSC 4 10 11 12`),
/// sizes (`CSI t`), the name (`CSI > q`). `DCS $ q m` and `DCS $ q SP q`: xterm.js tells neither its attributes nor its style.
/// Behind the last column xterm.js reports a column that does not exist, so the cursor steps back before it is asked for.
fn question() -> impl Strategy<Value = Vec<u8>> {
    let mode = select(vec![
        1, 3, 6, 7, 8, 9, 12, 25, 45, 47, 66, 67, 1000, 1002, 1003, 1004, 1005, 1006, 1015, 1016, 1047, 1048, 1049,
        2004, 2026, 5, 69, 9999,
    ]);
    let fixed = select(vec![
        "\x1b[c",
        "\x1b[>c",
        "\x1b[5n",
        "\x1b[D\x1b[6n",
        "\x1b[D\x1b[?6n",
        "\x1bP$qr\x1b\\",
        "\x1bP$q\"q\x1b\\",
        "\x1bP$q\"p\x07\x1b\\",
        "\x1bP$qr\u{9c}",
    ]);
    prop_oneof![
        mode.prop_map(|mode| format!("\x1b[?{mode}$p").into_bytes()),
        select(vec![2, 4, 12, 20, 3]).prop_map(|mode| format!("\x1b[{mode}$p").into_bytes()),
        fixed.prop_map(|text| text.as_bytes().to_vec()),
    ]
}

#[test]
fn questions_in_a_random_stream_have_the_answers_of_xterm_js() {
    let oracle = std::cell::RefCell::new(Oracle::start());
    let token = prop_oneof![3 => grammar::silent_token(), 1 => question()];
    let config = Config { cases: 500, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &[4; 32]));
    let outcome = runner.run(&vec(token.prop_map(crate::viewers::Event::Output), 1..30), |events| {
        let size = WindowSize::new(8, 30).expect("within range");
        let (mut case, mut screen) = (Case::new(size), Screen::new(size));
        for event in &events {
            if let crate::viewers::Event::Output(bytes) = event {
                case.write("A", bytes);
                screen.feed(bytes);
            }
        }
        let (theirs, ours) = (oracle.borrow_mut().judge(&case).answers.a, screen.take_answers());
        let same = theirs.as_bytes() == ours;
        same.then_some(())
            .ok_or_else(|| TestCaseError::fail(format!("xterm.js {theirs:?}, ours {}", ours.escape_ascii())))
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}
