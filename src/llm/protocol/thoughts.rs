//! Separates thoughts that a model writes into its text.
//!
//! A server without a reasoning parser forwards the raw output: `<think>…</think>` and then the answer, or only the
//! closing tag if the chat template wrote the opening one. An opening tag counts only at the start of a line and
//! outside code; a closing tag without an opening one turns everything before it into reasoning.

/// The names of tags that enclose reasoning.
const TAGS: [&str; 5] = ["think", "thinking", "thought", "thoughts", "reasoning"];
/// The length of the longest tag, `</reasoning>`, in bytes.
const LONGEST_TAG: usize = 12;

/// One classified piece of content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// Text.
    Text(String),
    /// Reasoning.
    Reasoning(String),
    /// All text so far was reasoning.
    TextWasReasoning,
}

/// Classifies content, however it is split into pieces.
#[derive(Debug, Default)]
pub(super) struct Thoughts {
    /// The name of the open tag; `None` outside a thought.
    open: Option<&'static str>,
    /// Held-back text that may become a tag.
    held: String,
    /// The current line of text.
    line: Line,
    /// True inside a fenced code block.
    fenced: bool,
    /// True after a thought was closed; a lone closing tag is then text.
    paired: bool,
    /// True if text was returned.
    said: bool,
    /// True after a closing tag: drops the white space that follows.
    trims: bool,
}

#[derive(Debug, Default)]
struct Line {
    words: bool,
    ticks: usize,
    last: Option<char>,
}

impl Thoughts {
    /// Adds content.
    pub fn push(&mut self, more: &str, out: &mut Vec<Piece>) {
        let text = std::mem::take(&mut self.held) + more;
        let mut rest = text.as_str();
        while let Some(at) = rest.find('<') {
            self.give(&rest[..at], out);
            rest = &rest[at..];
            match tag(rest) {
                Tag::Open(name, len) if self.open.is_none() && !self.line.words && !self.fenced => {
                    self.open = Some(name);
                    rest = &rest[len..];
                }
                Tag::Close(name, len) if self.open == Some(name) => {
                    self.open = None;
                    (self.paired, self.trims, self.line) = (true, true, Line::default());
                    rest = &rest[len..];
                }
                Tag::Close(_, len) if self.is_lone() => {
                    if self.said {
                        out.push(Piece::TextWasReasoning);
                    }
                    (self.said, self.paired, self.trims, self.line) = (false, true, true, Line::default());
                    rest = &rest[len..];
                }
                Tag::Unfinished => {
                    rest.clone_into(&mut self.held);
                    return;
                }
                _ => {
                    self.give("<", out);
                    rest = &rest[1..];
                }
            }
        }
        self.give(rest, out);
    }

    /// Ends the content: a held-back possible tag becomes text.
    pub fn finish(&mut self, out: &mut Vec<Piece>) {
        let held = std::mem::take(&mut self.held);
        self.give(&held, out);
    }

    /// Returns true if a closing tag matches an opening one of the chat template.
    fn is_lone(&self) -> bool {
        self.open.is_none() && !self.paired && !self.fenced && !matches!(self.line.last, Some('`' | '"' | '\''))
    }

    fn give(&mut self, text: &str, out: &mut Vec<Piece>) {
        if self.open.is_some() {
            if !text.is_empty() {
                out.push(Piece::Reasoning(text.to_owned()));
            }
            return;
        }
        let text = if self.trims { text.trim_start() } else { text };
        if text.is_empty() {
            return;
        }
        self.trims = false;
        self.said = true;
        for c in text.chars() {
            if c == '\n' {
                self.line = Line::default();
                continue;
            }
            let line = &mut self.line;
            line.ticks = if c == '`' && (!line.words || line.ticks > 0) { line.ticks + 1 } else { 0 };
            if line.ticks == 3 {
                self.fenced = !self.fenced;
            }
            line.words |= !c.is_whitespace();
            line.last = Some(c);
        }
        out.push(Piece::Text(text.to_owned()));
    }
}

enum Tag {
    Open(&'static str, usize),
    Close(&'static str, usize),
    Unfinished,
    None,
}

/// Parses the tag at the start of `text`, which starts with `<`.
fn tag(text: &str) -> Tag {
    let body = &text[1..];
    let (closes, body) = body.strip_prefix('/').map_or((false, body), |rest| (true, rest));
    let letters = body.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(body.len());
    let name = body[..letters].to_ascii_lowercase();
    if letters == body.len() {
        let may_go_on = text.len() < LONGEST_TAG && TAGS.iter().any(|tag| tag.starts_with(&name));
        return if may_go_on { Tag::Unfinished } else { Tag::None };
    }
    let Some(found) = TAGS.into_iter().find(|tag| *tag == name) else { return Tag::None };
    if !body[letters..].starts_with('>') {
        return Tag::None;
    }
    let len = text.len() - body.len() + letters + 1;
    if closes { Tag::Close(found, len) } else { Tag::Open(found, len) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Piece, Thoughts};

    /// The words and the reasoning of content that comes in these pieces.
    fn split(pieces: &[&str]) -> (String, String) {
        let (mut thoughts, mut out) = (Thoughts::default(), Vec::new());
        for piece in pieces {
            thoughts.push(piece, &mut out);
        }
        thoughts.finish(&mut out);
        let (mut text, mut reasoning) = (String::new(), String::new());
        for piece in out {
            match piece {
                Piece::Text(more) => text.push_str(&more),
                Piece::Reasoning(more) => reasoning.push_str(&more),
                Piece::TextWasReasoning => reasoning.push_str(&std::mem::take(&mut text)),
            }
        }
        (text, reasoning)
    }

    fn is(content: &str, text: &str, reasoning: &str) {
        assert_eq!(split(&[content]), (text.to_owned(), reasoning.to_owned()), "{content:?}");
        let letters: Vec<String> = content.chars().map(String::from).collect();
        let letters: Vec<&str> = letters.iter().map(String::as_str).collect();
        assert_eq!(split(&letters), (text.to_owned(), reasoning.to_owned()), "{content:?}, letter by letter");
    }

    #[test]
    fn thoughts_in_the_content_are_reasoning_and_what_follows_are_words() {
        is("<think>\nNot yet.\n</think>\n\nNine francs.", "Nine francs.", "\nNot yet.\n");
        is(" <Thinking>a</Thinking> b", " b", "a");
        is("<think></think>\n\nb", "b", "");
        is("a\n<think>b</think>\nc", "a\nc", "b");
        is("So it is.\n</think>\nYes.", "Yes.", "So it is.\n");
        is("<think>cut", "", "cut");
        is("<think>a <b> </thinking> c</think>d", "d", "a <b> </thinking> c");
    }

    #[test]
    fn tags_that_are_spoken_of_are_words() {
        for words in [
            "Write `<think>` and `</think>` around it.",
            "```\n<think>x</think>\n```",
            "a <think>b",
            "1 < 2, <thinker>, <th",
            "<",
            "<think",
            "<think >",
        ] {
            is(words, words, "");
        }
        is("<think>a</think>b </think>", "b </think>", "a");
    }

    proptest! {
        #[test]
        fn it_does_not_matter_where_the_content_is_cut(
            parts in prop::collection::vec(
                prop::sample::select(vec!["<think>", "</think>", "<", "/", "think", ">", "\n", " ", "a", "`", "```", "é"]),
                0..14,
            ),
            cuts in prop::collection::vec(0usize..60, 0..6),
        ) {
            let whole = parts.concat();
            let mut cuts: Vec<usize> = cuts.into_iter().filter(|at| whole.is_char_boundary(*at)).collect();
            cuts.sort_unstable();
            let mut pieces = Vec::new();
            let mut from = 0;
            for at in cuts {
                pieces.push(&whole[from..at]);
                from = at;
            }
            pieces.push(&whole[from..]);
            prop_assert_eq!(split(&pieces), split(&[&whole]));
        }
    }
}
