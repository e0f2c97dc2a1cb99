//! The audit by the Messages API: a loopback server that is slow, busy, broken or hostile.

use rustix::process::{Pid, Signal, kill_process};

use crate::{
    pty::Terminal,
    run::Run,
    screen::Screen,
    server::{Server, Step, answer, end, event, failure, head, words},
};

const KEY: &str = "planted-key-81c2";

fn start(server: &Server) -> Run {
    Run::start(&[("ANTHROPIC_BASE_URL", &server.url()), ("ANTHROPIC_API_KEY", KEY), ("SAMPLE_SILENCE", "1s")])
}

/// What is between the first and the last line of the audit, its margin taken off, and the sign and the exit code.
fn audit(run: Run) -> (String, char, Option<i32>) {
    let (code, output) = run.end();
    assert!(!output.contains(KEY), "{output}");
    assert!(output.ends_with("\n✔ Restore Task State\n"), "{output}");
    let (_, rest) = output.split_once("  ▸ AI-SECURITY-AUDIT\n").expect("it begins");
    let (said, sign) = ["✔", "✖"]
        .iter()
        .find_map(|sign| Some((rest.split_once(&format!("  {sign} AI-SECURITY-AUDIT"))?.0, sign)))
        .expect("it ends");
    (said.replace("\n    ", "\n").trim_start_matches(' ').to_owned(), sign.chars().next().expect("one"), code)
}

#[track_caller]
fn check(connections: Vec<Vec<Step>>, said: &str, sign: char) {
    let count = connections.len();
    let server = Server::start(connections);
    let (found, found_sign, code) = audit(start(&server));
    assert_eq!((found.as_str(), found_sign, code), (said, sign, Some(i32::from(sign == '✖'))));
    assert_eq!(server.requests().len(), count);
}

#[test]
fn words_are_shown_as_they_come() {
    let server = Server::start(vec![vec![head(), words("First"), Step::Await, words(" and last."), end()]]);
    let mut run = start(&server);
    run.shows("    First");
    assert!(!run.output().contains("last"));
    server.go();
    assert_eq!(audit(run), ("First and last.\n".to_owned(), '✔', Some(0)));
    let requests = server.requests();
    let (head, body) = requests[0].split_once("\r\n\r\n").expect("a body");
    let head = head.to_ascii_lowercase();
    assert!(head.starts_with("post /v1/messages http/1.1\r\n"), "{head}");
    for header in [&format!("x-api-key: {KEY}"), "anthropic-version: 2023-06-01", "content-type: application/json"] {
        assert!(head.contains(header), "{header} in {head}");
    }
    let body: serde_json::Value = serde_json::from_str(body).expect("JSON");
    assert_eq!((&body["stream"], &body["max_tokens"]), (&true.into(), &2048.into()));
    assert_eq!(body["messages"], serde_json::json!([{ "role": "user", "content": "find the hole" }]));
    assert_eq!(body["model"], "claude-sonnet-5-5");
}

#[test]
fn a_busy_server_is_asked_again_when_it_says() {
    let good = || vec![head(), words("Good."), end()];
    let limited = failure("429 Too Many Requests", "Retry-After: 0\r\n", "rate_limit_error", "slow down");
    check(
        vec![limited, good()],
        "· 127.0.0.1 answered 429 Too Many Requests: slow down (rate_limit_error); trying again in 0.0 s\nGood.\n",
        '✔',
    );
    let overloaded = answer("529 Overloaded", "retry-after: 1\r\n", "<html>");
    check(vec![overloaded, good()], "· 127.0.0.1 answered 529; trying again in 1.0 s\nGood.\n", '✔');
}

#[test]
fn a_server_that_stays_busy_is_given_up() {
    let busy = failure("429 Too Many Requests", "Retry-After: 0\r\n", "rate_limit_error", "no");
    let line = "· 127.0.0.1 answered 429 Too Many Requests: no (rate_limit_error)";
    let again = format!("{line}; trying again in 0.0 s\n").repeat(4);
    check(vec![busy; 5], &format!("{again}{line}\n"), '✖');
    let late = failure("429 Too Many Requests", "Retry-After: 3600\r\n", "rate_limit_error", "no");
    check(vec![late], &format!("{line}\n"), '✖');
}

#[test]
fn an_overload_in_mid_stream_begins_the_answer_anew() {
    let fault = event(r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#);
    let server = Server::start(vec![vec![head(), words("Half an"), fault], vec![head(), words("Whole."), end()]]);
    let (said, sign, code) = audit(start(&server));
    assert!(
        said.starts_with("Half an\n· 127.0.0.1 gave up with overloaded_error: Overloaded; trying again in "),
        "{said}"
    );
    assert!(said.ends_with(" s\nWhole.\n") && (sign, code) == ('✔', Some(0)), "{said}");
}

#[test]
fn every_other_failure_is_told_and_ends_the_audit() {
    let denied = failure("401 Unauthorized", "", "authentication_error", &format!("invalid x-api-key {KEY}\\u001b[2J"));
    check(
        vec![denied],
        "· 127.0.0.1 answered 401 Unauthorized: invalid x-api-key *** [2J (authentication_error)\n",
        '✖',
    );
    check(vec![answer("500 Internal Server Error", "", "")], "· 127.0.0.1 answered 500 Internal Server Error\n", '✖');
    let elsewhere = answer("307 Temporary Redirect", "Location: http://127.0.0.1:1/v1/messages\r\n", "");
    check(vec![elsewhere], "· 127.0.0.1 answered 307 Temporary Redirect\n", '✖');
    let fault = event(r#"{"type":"error","error":{"type":"api_error","message":"sorry"}}"#);
    check(vec![vec![head(), words("Half"), fault]], "Half\n· 127.0.0.1 gave up with api_error: sorry\n", '✖');
    check(vec![vec![head(), words("Half")]], "Half\n· the answer of 127.0.0.1 ends in the middle\n", '✖');
    let malformed = |data: &str| vec![head(), words("Half"), event(data), Step::Stall];
    for data in ["nonsense", "{\"type\":7}", r#"{"type":"content_block_delta","delta":{"type":"text_delta"}}"#] {
        let server = Server::start(vec![malformed(data)]);
        let (said, sign, code) = audit(start(&server));
        assert!(said.starts_with("Half\n· 127.0.0.1 sent an event that is none ("), "{said}");
        assert_eq!((sign, code), ('✖', Some(1)));
    }
    let declined = event(r#"{"type":"message_delta","delta":{"stop_reason":"refusal"}}"#);
    check(vec![vec![head(), words("Hm."), declined, end()]], "Hm.\n· The model declined to go on.\n", '✔');
}

#[test]
fn a_server_that_falls_silent_is_left() {
    let silent = "· 127.0.0.1 said nothing for 1s\n";
    check(vec![vec![Step::Stall]], silent, '✖');
    check(vec![vec![head(), Step::Stall]], silent, '✖');
    check(vec![vec![head(), words("Half"), Step::Stall]], &format!("Half\n{silent}"), '✖');
}

#[test]
fn an_answer_that_breaks_off_is_told() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\ndata:".to_owned();
    let server = Server::start(vec![vec![Step::Send(chunked)]]);
    let (said, sign, _) = audit(start(&server));
    assert!(said.starts_with("· the answer of 127.0.0.1 broke off ("), "{said}");
    assert_eq!(sign, '✖');
    let nobody = Server::start(vec![]).url();
    let run = Run::start(&[("ANTHROPIC_BASE_URL", &nobody), ("ANTHROPIC_API_KEY", KEY)]);
    let (said, sign, _) = audit(run);
    assert!(said.starts_with("· 127.0.0.1 cannot be reached (Connection refused"), "{said}");
    assert_eq!(sign, '✖');
}

#[test]
fn a_key_that_is_none_is_not_sent() {
    let server = Server::start(vec![]);
    let run = |key: &str| Run::start(&[("ANTHROPIC_BASE_URL", &server.url()), ("ANTHROPIC_API_KEY", key)]);
    assert_eq!(audit(run(" \n")).0, "[mock] No model was asked. Prompt: find the hole\n");
    assert_eq!(audit(run("a\nb")).0, "· ANTHROPIC_API_KEY holds characters that no key has\n");
}

#[test]
fn a_signal_ends_a_run_whose_model_is_slow() {
    let server = Server::start(vec![vec![head(), words("Wait"), Step::Stall]]);
    let mut run = Run::start(&[("ANTHROPIC_BASE_URL", &server.url()), ("ANTHROPIC_API_KEY", KEY)]);
    run.shows("Wait");
    kill_process(Pid::from_child(run.child()), Signal::TERM).expect("signalled");
    assert_eq!(run.end().0, Some(143));
}

#[test]
fn at_any_size_words_stay_within_the_window_and_move_no_cursor() {
    for (rows, columns, width) in [(0, 0, 80), (5, 30, 30), (24, 7, 7), (1, 1, 1), (60, 200, 200)] {
        let text = "A \\u001b[31;1Hred \\u009b2J herring\\r\\n\\n\\t- a point that goes on and on and on\\u0007\\u202e";
        let server = Server::start(vec![vec![head(), words(text), words(" 漢字漢字漢字 end."), end()]]);
        let env = [
            ("ANTHROPIC_BASE_URL", server.url()),
            ("ANTHROPIC_API_KEY", KEY.into()),
            ("SAMPLE_STEP_MILLIS", "1".into()),
        ];
        let env: Vec<(&str, &str)> = env.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let (status, output, _) = Terminal::start(rows, columns, &["run"], &env).wait();
        assert_eq!(status.code(), Some(0), "{rows}x{columns}: {output}");
        let screen = Screen::of(&output, width);
        if width >= 80 {
            let said = "    A [31;1Hred 2J herring\n\n        - a point that goes on and on and on";
            assert!(screen.text().contains(said), "{}", screen.text());
        }
    }
}
