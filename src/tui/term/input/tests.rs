use crossterm::event::{MouseButton, MouseEventKind};
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const WAIT: Duration = Duration::from_millis(40);

fn all(bytes: &[u8]) -> Vec<Input> {
    let mut tokeniser = Tokeniser::new(WAIT);
    let events = tokeniser.feed(bytes, Instant::now());
    assert_eq!(tokeniser.deadline(), None, "{bytes:?} left something unfinished");
    events
}

fn plain(c: char) -> Input {
    key(KeyCode::Char(c), KeyModifiers::NONE)
}

fn bare(code: KeyCode) -> Input {
    key(code, KeyModifiers::NONE)
}

#[test]
fn keys_are_decoded() {
    let alt = KeyModifiers::ALT;
    let cases: &[(&[u8], Input)] = &[
        (b"q", plain('q')),
        (b"Q", key(KeyCode::Char('Q'), KeyModifiers::SHIFT)),
        ("\u{fc}".as_bytes(), plain('\u{fc}')),
        ("\u{1f600}".as_bytes(), plain('\u{1f600}')),
        (b"\r", bare(KeyCode::Enter)),
        (b"\x7f", bare(KeyCode::Backspace)),
        (b"\x03", key(KeyCode::Char('c'), KeyModifiers::CONTROL)),
        (b"\x1b[A", bare(KeyCode::Up)),
        (b"\x1bOA", bare(KeyCode::Up)),
        (b"\x1bOP", bare(KeyCode::F(1))),
        (b"\x1b[[A", bare(KeyCode::F(1))),
        (b"\x1b[15~", bare(KeyCode::F(5))),
        (b"\x1b[1;5C", key(KeyCode::Right, KeyModifiers::CONTROL)),
        (b"\x1b[1;2R", key(KeyCode::F(3), KeyModifiers::SHIFT)),
        (b"\x1b[Z", key(KeyCode::BackTab, KeyModifiers::SHIFT)),
        (b"\x1b[13;2u", key(KeyCode::Enter, KeyModifiers::SHIFT)),
        (b"\x1bx", key(KeyCode::Char('x'), alt)),
        (b"\x1b\r", key(KeyCode::Enter, alt)),
        (b"\x1b\x7f", key(KeyCode::Backspace, alt)),
        ("\x1b\u{e9}".as_bytes(), key(KeyCode::Char('\u{e9}'), alt)),
    ];
    for (bytes, expected) in cases {
        assert_eq!(all(bytes), std::slice::from_ref(expected), "{:?}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn replies_of_the_terminal_are_never_typed() {
    let replies: &[&[u8]] = &[
        b"\x1b[?2026;2$y",
        b"\x1b[?997;1n",
        b"\x1b[?62;22c",
        b"\x1b[>41;354;0c",
        b"\x1b[?1u",
        b"\x1b[24;80R",
        b"\x1b[8;24;80t",
        b"\x1b]11;rgb:0000/0000/0000\x1b\\",
        b"\x1b]11;rgb:0000/0000/0000\x07",
        b"\x1bP>|XTerm(370)\x1b\\",
        b"\x1b_Gi=31;OK\x1b\\",
    ];
    for reply in replies {
        let stream = [reply, b"q".as_slice()].concat();
        assert_eq!(all(&stream), [Input::Reply(reply.to_vec()), plain('q')], "{:?}", String::from_utf8_lossy(reply));
    }
}

#[test]
fn pastes_keep_their_text_and_get_one_kind_of_line_end() {
    assert_eq!(all(b"\x1b[200~a\r\nb\rc\nd\x1b[A\x1b[201~x"), [Input::Paste("a\nb\nc\nd\x1b[A".into()), plain('x')]);
    assert_eq!(all(b"\x1b[200~\x1b[201~"), [Input::Paste(String::new())]);
}

#[test]
fn a_long_paste_arrives_whole_in_pieces() {
    let text = "\u{e9}\r\nabc".repeat(400_000);
    let stream = ["\x1b[200~", &text, "\x1b[201~"].concat();
    let mut tokeniser = Tokeniser::new(WAIT);
    let now = Instant::now();
    let mut pieces = Vec::new();
    for chunk in stream.as_bytes().chunks(4093) {
        pieces.extend(tokeniser.feed(chunk, now));
    }
    assert!(pieces.len() > 2);
    let mut whole = String::new();
    for piece in &pieces {
        let Input::Paste(piece) = piece else { panic!("{piece:?}") };
        assert!(piece.len() <= PASTE_PIECE);
        whole.push_str(piece);
    }
    assert!(whole == text.replace("\r\n", "\n"));
    assert_eq!(all(stream.as_bytes()), pieces);
}

#[test]
fn mouse_and_focus_are_reported() {
    assert_eq!(all(b"\x1b[I\x1b[O"), [Input::Focus(true), Input::Focus(false)]);
    let events = all(b"\x1b[<0;3;5M");
    let [Input::Mouse(mouse)] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!((mouse.kind, mouse.column, mouse.row), (MouseEventKind::Down(MouseButton::Left), 2, 4));
}

#[test]
fn a_lone_escape_is_the_key_after_its_wait() {
    let mut tokeniser = Tokeniser::new(WAIT);
    let start = Instant::now();
    assert_eq!(tokeniser.feed(b"\x1b", start), []);
    assert_eq!(tokeniser.deadline(), Some(start + WAIT));
    assert_eq!(tokeniser.expire(start + WAIT / 2), []);
    assert_eq!(tokeniser.expire(start + WAIT), [bare(KeyCode::Esc)]);
    assert_eq!(tokeniser.deadline(), None);
    assert_eq!(tokeniser.feed(b"j", start + WAIT), [plain('j')]);
}

#[test]
fn a_split_sequence_is_never_an_escape() {
    let mut tokeniser = Tokeniser::new(WAIT);
    let start = Instant::now();
    assert_eq!(tokeniser.feed(b"\x1b", start), []);
    assert_eq!(tokeniser.feed(b"[", start + WAIT / 2), []);
    assert_eq!(tokeniser.expire(start + WAIT), []);
    assert_eq!(tokeniser.feed(b"A", start + WAIT * 2), [bare(KeyCode::Up)]);
}

#[test]
fn a_late_continuation_completes_the_escape_before_it() {
    for (rest, code) in [(b"[A".as_slice(), KeyCode::Up), (b"OB", KeyCode::Down), (b"[15~", KeyCode::F(5))] {
        let mut tokeniser = Tokeniser::new(WAIT);
        let start = Instant::now();
        tokeniser.feed(b"\x1b", start);
        assert_eq!(tokeniser.expire(start + WAIT), [bare(KeyCode::Esc)]);
        let mut events = tokeniser.feed(&rest[..1], start + WAIT * 2);
        events.extend(tokeniser.feed(&rest[1..], start + WAIT * 2));
        assert_eq!(events, [bare(code)]);
    }
}

#[test]
fn a_bracket_typed_after_the_escape_key_is_typed() {
    let start = Instant::now();
    let after_escape = || {
        let mut tokeniser = Tokeniser::new(WAIT);
        tokeniser.feed(b"\x1b", start);
        tokeniser.expire(start + WAIT);
        tokeniser
    };
    let mut soon = after_escape();
    assert_eq!(soon.feed(b"[", start + WAIT * 2), []);
    let deadline = soon.deadline().unwrap();
    assert_eq!(soon.expire(deadline), [plain('[')]);
    assert_eq!(after_escape().feed(b"[", start + WAIT * 4), [plain('[')]);
    let mut other = after_escape();
    assert_eq!(other.feed(b"x", start + WAIT * 2), [plain('x')]);
    assert_eq!(other.feed(b"[", start + WAIT * 2), [plain('[')]);
}

#[test]
fn two_escapes_are_the_key_twice_and_may_begin_an_arrow() {
    let mut tokeniser = Tokeniser::new(WAIT);
    let start = Instant::now();
    assert_eq!(tokeniser.feed(b"\x1b\x1b", start), [bare(KeyCode::Esc)]);
    assert_eq!(tokeniser.expire(start + WAIT), [bare(KeyCode::Esc)]);
    assert_eq!(all(b"\x1b\x1b[A"), [bare(KeyCode::Esc), bare(KeyCode::Up)]);
}

#[test]
fn alt_with_a_letter_that_opens_sequences_is_resolved_by_time() {
    for (letter, modifiers) in
        [(b'[', KeyModifiers::ALT), (b'O', KeyModifiers::ALT | KeyModifiers::SHIFT), (b']', KeyModifiers::ALT)]
    {
        let mut tokeniser = Tokeniser::new(WAIT);
        let start = Instant::now();
        assert_eq!(tokeniser.feed(&[ESC, letter], start), []);
        let deadline = tokeniser.deadline().unwrap();
        assert_eq!(tokeniser.expire(deadline), [key(KeyCode::Char(letter.into()), modifiers)]);
    }
}

#[test]
fn an_unfinished_paste_is_handed_over_after_its_stall() {
    let mut tokeniser = Tokeniser::new(WAIT);
    let start = Instant::now();
    assert_eq!(tokeniser.feed(b"\x1b[200~half", start), []);
    assert_eq!(tokeniser.expire(start + STALL), []);
    assert_eq!(tokeniser.expire(start + PASTE_STALL), [Input::Paste("half".into())]);
    assert_eq!(tokeniser.feed(b"q", start + PASTE_STALL), [plain('q')]);
}

#[test]
fn overlong_sequences_are_skipped_and_hold_no_memory() {
    let mut tokeniser = Tokeniser::new(WAIT);
    let now = Instant::now();
    assert_eq!(tokeniser.feed(b"\x1b]52;", now), []);
    for _ in 0..1000 {
        assert_eq!(tokeniser.feed(&[b'x'; 1000], now), []);
        assert!(tokeniser.pending.len() <= STRING_LIMIT + 2);
    }
    assert_eq!(tokeniser.feed(b"\x1b\\q", now), [plain('q')]);
    let digits = [b"\x1b[".as_slice(), &[b'1'; 500], b"Aq"].concat();
    assert_eq!(all(&digits), [plain('q')]);
}

fn piece() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => any::<char>().prop_filter("not a control", |c| !c.is_control()).prop_map(|c| c.to_string().into_bytes()),
        1 => (0u8..0x1b).prop_map(|control| vec![control]),
        3 => prop::sample::select(vec![
            "\x1b[A", "\x1bOB", "\x1b[15~", "\x1b[1;5C", "\x1bx", "\x1b\x7f", "\x1b[Z", "\x1b[[B", "\x1b[97;5u",
            "\x1b[I", "\x1b[<0;10;20M", "\x1b[<65;1;1m", "\x1b[M !!", "\x1b\u{e9}", "\x1b\x1b[A", "\x1b[200~a\r\nb\x1b[C\x1b[201~",
            "\x1b[?2026;2$y", "\x1b]11;rgb:00/00/00\x07", "\x1bP>|x\x1b\\", "\x1b[24;80R", "\x1b]8;;x\x1b[A",
        ]).prop_map(|text| text.as_bytes().to_vec()),
        1 => (60usize..70, any::<bool>()).prop_map(|(len, aborted)| {
            [b"\x1b[".as_slice(), &vec![b'1'; len], if aborted { b"\x07" } else { b"~" }].concat()
        }),
        1 => (4090usize..4100).prop_map(|len| [b"\x1b]".as_slice(), &vec![b'x'; len], b"\x1b\\"].concat()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_stream_cut_anywhere_gives_the_same_events(
        pieces in vec(piece(), 0..12),
        cuts in vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let stream = pieces.concat();
        let now = Instant::now();
        let mut whole = Tokeniser::new(WAIT);
        let expected = whole.feed(&stream, now);
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        cuts.push(stream.len());
        cuts.sort_unstable();
        let mut split = Tokeniser::new(WAIT);
        let mut events = Vec::new();
        let mut from = 0;
        for cut in cuts {
            events.extend(split.feed(&stream[from..cut], now));
            from = cut;
        }
        prop_assert_eq!(events, expected);
        prop_assert_eq!(split.deadline(), whole.deadline());
        prop_assert_eq!(split.expire(now + PASTE_STALL), whole.expire(now + PASTE_STALL));
    }

    #[test]
    fn after_any_bytes_a_later_key_still_arrives(
        bytes in vec(prop_oneof![any::<u8>(), prop::sample::select(b"\x1b[]PO~;20019M<?".to_vec())], 0..200),
    ) {
        let mut tokeniser = Tokeniser::new(WAIT);
        let start = Instant::now();
        tokeniser.feed(&bytes, start);
        let later = start + PASTE_STALL;
        tokeniser.expire(later);
        prop_assert_eq!(tokeniser.deadline(), None);
        prop_assert_eq!(tokeniser.feed(b"q", later), [plain('q')]);
    }
}
