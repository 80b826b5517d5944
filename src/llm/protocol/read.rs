//! Reads an answer, with limits: bytes to frames to deltas.
//!
//! `sse-stream` decodes event streams and does nothing else (no reconnecting, strict UTF-8, no limits). So bytes pass
//! [`Source`] first: it counts them, replaces invalid UTF-8 with U+FFFD, ends an unfinished last event, and records
//! every sign of life, including comments.

use std::io::Cursor;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::Stream;
use futures::stream::StreamExt as _;
use sse_stream::SseByteStream;
use tokio::time::{Instant, timeout_at};

use super::answer::Answer;
use super::{Fault, Names, Protocol, Reader, json};
use crate::llm::Delta;

/// The most bytes received for one answer, whatever is in them; ends what brings no content that could be counted
/// ([`crate::llm::answer_size`]), such as comments and keys that nobody reads.
const RECEIVED_BYTES: usize = 64 << 20;
/// The most bytes of one piece: an event, a line, or an answer that is not streamed.
const PIECE_BYTES: usize = 4 << 20;
/// The most commas in one piece, because a parsed value takes up to 30 times the bytes of its text.
const PIECE_PARTS: usize = 400_000;
/// The most bytes read of anything that is not an answer.
pub(in crate::llm) const ERROR_BYTES: usize = 64 << 10;
/// How long to wait for the rest, such as token counts, once the reason for the stop is known.
const AFTER_STOP: Duration = Duration::from_secs(2);
/// How many bytes of the beginning are kept, to quote them if no answer was found.
const HEAD_BYTES: usize = 2 << 10;

/// Bytes as received, or the fault that ended them.
pub(in crate::llm) type Incoming = Pin<Box<dyn Stream<Item = Result<Vec<u8>, Fault>> + Send>>;

/// State of a source, readable while a decoder owns it.
#[derive(Default)]
struct Watch {
    alive: AtomicBool,
    ended: AtomicBool,
    head: Mutex<String>,
}

/// What ends a piece of an answer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum PieceEnd {
    /// An empty line.
    EmptyLine,
    /// The end of a line.
    Line,
    /// The end of the answer.
    Answer,
}

/// Bytes, limited and converted to UTF-8.
struct Source {
    incoming: Incoming,
    /// Text already read, to be returned first.
    ahead: Option<String>,
    decoder: encoding_rs::Decoder,
    all: usize,
    /// Bytes of the unfinished piece.
    piece: usize,
    /// What ends a piece.
    end: PieceEnd,
    /// True if the last character ended a line.
    blank: bool,
    watch: Arc<Watch>,
}

impl Source {
    fn decode(&mut self, bytes: &[u8], last: bool) -> Result<String, Fault> {
        self.all += bytes.len();
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.piece += line.len();
            if self.piece > PIECE_BYTES {
                return Err(Fault::Endless("a piece of it is longer than 4 MiB"));
            }
            let ended = line.ends_with(b"\n");
            let empty = ended && self.blank && matches!(line, b"\n" | b"\r\n");
            if self.end == PieceEnd::Line && ended || self.end == PieceEnd::EmptyLine && empty {
                self.piece = 0;
            }
            self.blank = ended || self.blank && line == b"\r";
        }
        if self.all > RECEIVED_BYTES {
            return Err(Fault::Endless("it is longer than 64 MiB"));
        }
        let mut text = String::new();
        text.reserve(self.decoder.max_utf8_buffer_length(bytes.len()).unwrap_or(bytes.len() * 3 + 3));
        // The buffer is large enough to decode everything.
        let _ = self.decoder.decode_to_string(bytes, &mut text, last);
        let mut head = self.watch.head.lock().unwrap_or_else(PoisonError::into_inner);
        let room = HEAD_BYTES.saturating_sub(head.len());
        head.extend(text.chars().take(room));
        Ok(text)
    }

    fn poll_text(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<String, Fault>>> {
        if let Some(ahead) = self.ahead.take() {
            return Poll::Ready(Some(Ok(ahead)));
        }
        if self.watch.ended.load(Ordering::Relaxed) {
            return Poll::Ready(None);
        }
        // A server that is always faster than the reader must not keep a thread.
        let proceed = futures::ready!(tokio::task::coop::poll_proceed(cx));
        let next = futures::ready!(self.incoming.as_mut().poll_next(cx));
        proceed.made_progress();
        match next {
            Some(Ok(bytes)) => {
                self.watch.alive.store(true, Ordering::Relaxed);
                Poll::Ready(Some(self.decode(&bytes, false)))
            }
            Some(Err(fault)) => Poll::Ready(Some(Err(fault))),
            None => {
                self.watch.ended.store(true, Ordering::Relaxed);
                // An event without its final empty line still counts.
                Poll::Ready(Some(self.decode(&[], true).map(|rest| rest + "\n\n")))
            }
        }
    }

    async fn text(&mut self) -> Option<Result<String, Fault>> {
        std::future::poll_fn(|cx| self.poll_text(cx)).await
    }
}

impl Stream for Source {
    type Item = Result<Cursor<Vec<u8>>, Fault>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_text(cx).map(|item| item.map(|text| text.map(|text| Cursor::new(text.into_bytes()))))
    }
}

/// How bytes are split into frames; depends on the first character.
enum Frames {
    Unknown(Source, String),
    Events(SseByteStream<Source>),
    /// The text so far, how much of it was read, and how much of it has no further line end.
    Lines(Source, String, usize, usize),
    Whole(Source, String),
    Over,
}

enum Got {
    Frame { event: String, data: String, whole: bool },
    Alive,
    End,
}

impl Frames {
    async fn next(&mut self, lines: bool, first: bool, watch: &Watch) -> Result<Got, Fault> {
        match self {
            Self::Unknown(source, begun) => {
                match source.text().await {
                    Some(text) => begun.push_str(&text?),
                    None => return Ok(Got::End),
                }
                let start = begun.trim_start_matches(['\u{feff}', ' ', '\n', '\r', '\t']);
                let Some(beginning) = start.chars().next() else {
                    begun.clear();
                    return Ok(Got::Alive);
                };
                self.decide(beginning, lines);
                Ok(Got::Alive)
            }
            Self::Events(events) => events_next(events, watch).await,
            Self::Lines(source, buffer, read, searched) => {
                let Some(end) = buffer[*searched..].find('\n').map(|at| *searched + at) else {
                    buffer.drain(..std::mem::take(read));
                    *searched = buffer.len();
                    return match source.text().await {
                        Some(text) => {
                            buffer.push_str(&text?);
                            Ok(Got::Alive)
                        }
                        None => Ok(Got::End),
                    };
                };
                let begin = std::mem::replace(read, end + 1);
                *searched = *read;
                let text = buffer[begin..end].trim_start_matches('\u{feff}').trim();
                if first && text.starts_with('{') && json::parse(text).is_err_and(|error| error.is_eof()) {
                    // The JSON spans several lines.
                    let all = buffer.split_off(begin);
                    let Self::Lines(mut source, ..) = std::mem::replace(self, Self::Over) else { return Ok(Got::End) };
                    source.end = PieceEnd::Answer;
                    source.piece = all.len();
                    *self = Self::Whole(source, all);
                    return Ok(Got::Alive);
                }
                Ok(Got::Frame { event: String::new(), data: text.to_owned(), whole: false })
            }
            Self::Whole(source, all) => {
                if let Some(text) = source.text().await {
                    all.push_str(&text?);
                    if all.len() > ERROR_BYTES && all.trim_start().starts_with('<') {
                        return Err(Fault::Page(page_words(all)));
                    }
                    return Ok(Got::Alive);
                }
                let data = std::mem::take(all).trim_matches(|c: char| c == '\u{feff}' || c.is_whitespace()).to_owned();
                *self = Self::Over;
                if data.starts_with('<') {
                    return Err(Fault::Page(page_words(&data)));
                }
                Ok(Got::Frame { event: String::new(), data, whole: true })
            }
            Self::Over => Ok(Got::End),
        }
    }

    fn decide(&mut self, beginning: char, lines: bool) {
        let Self::Unknown(mut source, begun) = std::mem::replace(self, Self::Over) else { return };
        *self = match beginning {
            '<' => Self::Whole(source, begun),
            _ if lines => {
                source.end = PieceEnd::Line;
                Self::Lines(source, begun, 0, 0)
            }
            '{' | '[' => Self::Whole(source, begun),
            _ => {
                source.ahead = Some(begun);
                source.end = PieceEnd::EmptyLine;
                Self::Events(SseByteStream::new(source))
            }
        };
    }
}

/// Returns the next event, or a sign of life if bytes arrived without completing one.
async fn events_next(events: &mut SseByteStream<Source>, watch: &Watch) -> Result<Got, Fault> {
    let next = std::future::poll_fn(|cx| match events.poll_next_unpin(cx) {
        Poll::Ready(item) => Poll::Ready(Some(item)),
        Poll::Pending if watch.alive.swap(false, Ordering::Relaxed) => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    });
    Ok(match next.await {
        None => Got::Alive,
        Some(None) => Got::End,
        Some(Some(Ok(event))) => match event.data {
            Some(data) => Got::Frame { event: event.event.unwrap_or_default(), data, whole: false },
            None => Got::Alive,
        },
        Some(Some(Err(sse_stream::Error::Body(error)))) => {
            return Err(match error.downcast::<Fault>() {
                Ok(fault) => *fault,
                Err(other) => Fault::Broken(other.to_string()),
            });
        }
        Some(Some(Err(other))) => return Err(Fault::Broken(other.to_string())),
    })
}

/// Returns the title of a web page, or its text without tags.
fn page_words(page: &str) -> String {
    let title = page.find("<title>").map(|at| &page[at + 7..]);
    let title = title.and_then(|rest| rest.split('<').next()).map(str::trim).filter(|title| !title.is_empty());
    if let Some(title) = title {
        return title.to_owned();
    }
    let mut words = String::new();
    let mut inside = false;
    for c in page.chars().take(ERROR_BYTES) {
        match c {
            '<' => inside = true,
            '>' => {
                inside = false;
                words.push(' ');
            }
            c if !inside => words.push(c),
            _ => {}
        }
    }
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// An answer being read.
pub(in crate::llm) struct Reading {
    protocol: Protocol,
    frames: Frames,
    reader: Reader,
    answer: Answer,
    watch: Arc<Watch>,
    /// The deadline for the rest; `None` before the stop.
    until: Option<Instant>,
    seen: bool,
    ended: bool,
    over: bool,
}

impl Reading {
    pub fn new(protocol: Protocol, names: Names, incoming: Incoming) -> Self {
        let watch = Arc::<Watch>::default();
        let source = Source {
            incoming,
            ahead: None,
            decoder: encoding_rs::UTF_8.new_decoder_without_bom_handling(),
            all: 0,
            piece: 0,
            end: PieceEnd::Answer,
            blank: true,
            watch: Arc::clone(&watch),
        };
        Self {
            protocol,
            frames: Frames::Unknown(source, String::new()),
            reader: Reader::new(protocol),
            answer: Answer::new(names),
            watch,
            until: None,
            seen: false,
            ended: false,
            over: false,
        }
    }

    /// Returns the next delta. Exactly one [`Delta::Done`] or one fault ends the answer; then returns `None`.
    pub async fn next(&mut self) -> Option<Result<Delta, Fault>> {
        while !self.over {
            if let Some(delta) = self.answer.pop() {
                return Some(Ok(delta));
            }
            if self.ended {
                self.over = true;
                return Some(self.answer.finish().map(Delta::Done));
            }
            if self.answer.is_closed() {
                self.end();
                continue;
            }
            match self.read().await {
                Ok(true) => return Some(Ok(Delta::Alive)),
                Ok(false) => {}
                Err(fault) => {
                    self.over = true;
                    return Some(Err(fault));
                }
            }
        }
        None
    }

    fn end(&mut self) {
        self.answer.flush();
        self.ended = true;
    }

    /// Reads one step. Returns true if it brought only a sign of life.
    async fn read(&mut self) -> Result<bool, Fault> {
        tokio::task::coop::consume_budget().await;
        let next = self.frames.next(self.protocol == Protocol::Ollama, !self.seen, &self.watch);
        let got = match self.until {
            Some(until) => timeout_at(until, next).await.unwrap_or(Ok(Got::End)),
            None => next.await,
        };
        match got {
            Ok(Got::Alive) => return Ok(self.until.is_none()),
            Ok(Got::Frame { event, data, whole }) => self.take(&event, &data, whole)?,
            Ok(Got::End) => {
                let head = self.watch.head.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let fields = ["data", "event", "id", "retry", ":"];
                if !self.seen && !head.trim().is_empty() && !fields.iter().any(|field| head.trim().starts_with(field)) {
                    return Err(Fault::Words(head));
                }
                self.end();
            }
            // The answer is already complete: only optional data is lost.
            Err(_) if self.answer.has_stopped() => self.end(),
            Err(fault) => return Err(fault),
        }
        if self.answer.has_stopped() && self.until.is_none() {
            self.until = Some(Instant::now() + AFTER_STOP);
        }
        // A frame without content, such as a ping, is a sign of life.
        Ok(!self.ended && self.answer.has_nothing_new())
    }

    fn take(&mut self, event: &str, data: &str, whole: bool) -> Result<(), Fault> {
        let data = data.trim();
        if data.is_empty() {
            return Ok(());
        }
        self.seen = true;
        if data == "[DONE]" {
            self.answer.close();
            return Ok(());
        }
        if data.bytes().filter(|byte| *byte == b',').count() > PIECE_PARTS {
            return Err(Fault::Endless("a piece of it has more than 400,000 parts"));
        }
        let frame = match json::parse(data) {
            Ok(frame) => frame,
            Err(_) if event == "error" => return Err(Fault::Words(data.to_owned())),
            Err(error) if error.is_eof() && self.watch.ended.load(Ordering::Relaxed) => return Err(Fault::Cut),
            Err(error) => return Err(Fault::Broken(format!("a piece of it is no JSON ({error})"))),
        };
        if frame.is_object() || frame.is_array() {
            self.reader.frame(&mut self.answer, event, &frame)?;
            self.answer.check_size()?;
        } else if event == "error" {
            return Err(Fault::Words(data.to_owned()));
        }
        if whole && !self.answer.is_empty() {
            self.answer.close();
        }
        Ok(())
    }
}
