use futures_util::FutureExt;

use super::*;

const WINDOW: usize = 256 << 10;

type Requests = Pin<Box<dyn Stream<Item = AttachRequest> + Send>>;

fn now(stream: &mut Requests) -> Option<Message> {
    stream.next().now_or_never().flatten().and_then(|request| request.message)
}

/// An opened stream, and how much input counts as taken by then.
fn opened(inbox: &Inbox) -> (Requests, u64) {
    let (requests, opening) = inbox.requests(Open::default());
    let mut requests: Requests = Box::pin(requests);
    assert!(matches!(now(&mut requests), Some(Message::Open(_))));
    (requests, opening.opened())
}

fn input(text: &'static str) -> Option<Message> {
    Some(Message::Input(Bytes::from_static(text.as_bytes())))
}

#[test]
fn nothing_waits_behind_input() {
    let (post, inbox) = inbox();
    post.input_within_credit(&vec![b'x'; WINDOW].into()).expect("its whole credit");
    (5..8).for_each(|offset| post.ack(offset));
    post.ack(3);
    post.resume_ack(2);
    post.resize(WindowSize { rows: 24, cols: 80 });
    post.focus();
    post.fetch(1, 2).expect("the first");
    let (mut stream, _) = opened(&inbox);
    assert_eq!(now(&mut stream), Some(Message::Ack(7)));
    assert_eq!(now(&mut stream), Some(Message::ResumeAck(2)));
    assert_eq!(now(&mut stream), Some(Message::Resize(WindowSize { rows: 24, cols: 80 })));
    assert_eq!(now(&mut stream), Some(Message::Focus(Focus {})));
    assert_eq!(now(&mut stream), Some(Message::Fetch(Range { from: 1, to: 2 })));
    assert!(matches!(now(&mut stream), Some(Message::Input(chunk)) if chunk.len() == INPUT_CHUNK_BYTES));
    assert_eq!(inbox.held(), 2);
}

#[test]
fn a_new_stream_takes_over_what_is_typed() {
    let (post, inbox) = inbox();
    let (mut first, _) = opened(&inbox);
    post.input_within_credit(&Bytes::from_static(b"a")).expect("credit");
    assert_eq!(now(&mut first), input("a"));
    let (mut second, _) = opened(&inbox);
    post.input_within_credit(&Bytes::from_static(b"b")).expect("credit");
    assert_eq!(now(&mut first), None, "the first stream is over");
    assert_eq!(now(&mut second), input("b"));
}

#[test]
fn a_stream_that_is_not_opened_takes_nothing() {
    let (post, inbox) = inbox();
    post.input_within_credit(&Bytes::from_static(b"typed early")).expect("credit");
    for _ in 0..3 {
        let (failed, opening) = inbox.requests(Open::default());
        let mut failed: Requests = Box::pin(failed);
        assert!(matches!(now(&mut failed), Some(Message::Open(_))));
        assert_eq!(now(&mut failed), None);
        drop(opening);
        assert_eq!(now(&mut failed), None);
    }
    assert_eq!(now(&mut opened(&inbox).0), input("typed early"));
}

#[test]
fn input_has_a_credit_that_the_program_refills_and_a_new_stream_starts_afresh() {
    let (post, inbox) = inbox();
    let (mut stream, _) = opened(&inbox);
    let send = |count: usize| post.input_within_credit(&vec![b'x'; count].into());
    send(WINDOW).expect("its whole credit");
    assert_eq!(send(1), Err(Overrun));
    assert_eq!(inbox.taken(9), 0, "no program takes what no stream was given");
    assert!(now(&mut stream).is_some());
    assert_eq!(inbox.taken(9), 9);
    assert_eq!((send(9), send(1)), (Ok(()), Err(Overrun)));
    let (mut second, before) = opened(&inbox);
    assert_eq!(before, INPUT_CHUNK_BYTES as u64);
    assert!(now(&mut second).is_some());
    assert_eq!(inbox.taken(1), before + 1);
}

#[tokio::test]
async fn a_viewer_that_knows_of_no_credit_waits_for_the_program() {
    let (post, inbox) = inbox();
    let (mut stream, _) = opened(&inbox);
    let typed = post.input(vec![b'x'; WINDOW + 1].into());
    tokio::pin!(typed);
    assert!(typed.as_mut().now_or_never().is_none());
    assert!(now(&mut stream).is_some());
    inbox.taken(1);
    assert!(typed.now_or_never().is_some());
}

#[test]
fn the_stream_ends_with_the_inbox() {
    let (_post, inbox) = inbox();
    let (mut stream, _) = opened(&inbox);
    assert!(stream.next().now_or_never().is_none(), "it waits");
    drop(inbox);
    assert!(matches!(stream.next().now_or_never(), Some(None)));
}

#[test]
fn fetches_that_nobody_takes_are_bounded() {
    let (post, _inbox) = inbox();
    (0..16).for_each(|from| post.fetch(from, from + 1).expect("few"));
    assert_eq!(post.fetch(16, 17), Err(Overrun));
}
