//! Which sequences ask the terminal for an answer.

/// `body` is what stands after `CSI`.
pub(super) fn is_csi_query(body: &[u8]) -> bool {
    let Some((&last, rest)) = body.split_last() else { return false };
    let (prefix, rest) = match rest.split_first() {
        Some((&first @ b'<'..=b'?', rest)) => (Some(first), rest),
        _ => (None, rest),
    };
    let parameters = rest.iter().position(|byte| !matches!(byte, b'0'..=b';')).unwrap_or(rest.len());
    let (parameters, intermediates) = rest.split_at(parameters);
    if intermediates.iter().any(|byte| !matches!(byte, b' '..=b'/')) {
        return false;
    }
    match (intermediates, last) {
        (b"", b'c') => true,                 // DA1, DA2, DA3
        (b"", b'n') => prefix != Some(b'>'), // DSR and CPR; with `>` it switches key modifiers off
        (b"$", b'p' | b'w' | b'u') => true,  // DECRQM, DECRQPSR, DECRQTSR
        (b"*", b'y') => true,                // DECRQCRA
        (b"&", b'u') => true,                // DECRQUPSS
        (b"+", b'x') => true,                // DECRQPKFM
        (b"", b'x') => prefix.is_none(),     // DECREQTPARM
        (b"", b'q') => prefix == Some(b'>'), // XTVERSION; without `>` it sets the cursor's style or LEDs
        // The kitty keyboard's state, XTQMODKEYS, XTSMGRAPHICS; without `?` they restore, colour and scroll.
        (b"", b'u' | b'm' | b'S') => prefix == Some(b'?'),
        // Reports of window and title; the others move things.
        (b"", b't') => prefix.is_none() && matches!(number(parameters), Some(11 | 13..=16 | 18..=21)),
        _ => false,
    }
}

/// The first number of a list.
fn number(text: &[u8]) -> Option<u32> {
    let digits = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    std::str::from_utf8(&text[..digits]).ok()?.parse().ok()
}

/// `body` is what stands between `OSC` and its end.
pub(super) fn is_osc_query(body: &[u8]) -> bool {
    asked(body) && body.split(|byte| *byte == b';').skip(1).any(|field| field == b"?" || field.ends_with(b"=?"))
}

/// Whether the beginning of a long OSC may still turn out to be a query.
pub(super) fn may_become_query(body: &[u8]) -> bool {
    // Text for the clipboard is long; a question is one character.
    let mut fields = body.split(|byte| *byte == b';');
    let is_clipboard = fields.next().and_then(number) == Some(52);
    let text = fields.nth(1).and_then(|text| text.first());
    asked(body) && !(is_clipboard && text.is_some_and(|first| *first != b'?'))
}

/// Colours (4, 5, 10 to 19, 21) and the clipboard (52).
fn asked(body: &[u8]) -> bool {
    let digits = body.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(body.len());
    body.get(digits) == Some(&b';') && matches!(number(body), Some(4 | 5 | 10..=19 | 21 | 52))
}

/// DECRQSS and XTGETTCAP; `header` is what stands between `DCS` and its data.
pub(super) fn is_dcs_query(header: &[u8]) -> bool {
    let Some(parameters) = header.strip_suffix(b"$q").or_else(|| header.strip_suffix(b"+q")) else { return false };
    parameters.iter().all(|byte| byte.is_ascii_digit() || *byte == b';')
}
