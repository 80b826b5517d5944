//! What hostile providers answer: without end, badly, and with the key they were sent.

use std::time::Duration;

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use serde_json::json;
use strum::IntoEnumIterator as _;

use crate::support::misbehaviour::{Marks, Quirk};
use crate::support::wire::{Behaviour, Call, Protocol, Request, Wire};

/// One way to answer.
#[derive(Debug, Clone, Copy)]
pub enum Attack {
    Text,
    Reasoning,
    Arguments,
    Line,
    Drip,
    ErrorBody,
    GzipBomb,
    Key(usize, Way),
    Quirk(Quirk),
}

/// Where a server tells the key.
#[derive(Debug, Clone, Copy, strum::EnumIter)]
pub enum Way {
    Json,
    Html,
    Plain,
    Header,
    Text,
    Letters,
    Reasoning,
    Call,
    CutShort,
}

/// The forms in which a server could repeat a key.
pub fn forms(key: &str) -> Vec<String> {
    let each = |form: fn(u32) -> String| key.chars().map(|c| form(u32::from(c))).collect::<String>();
    vec![
        key.to_owned(),
        key.chars().flat_map(|c| [c, '\u{200b}']).collect(),
        each(|c| format!("%{c:02X}")),
        each(|c| format!("&#{c};")),
        each(|c| format!("\\u{c:04x}")),
    ]
}

/// A block of deflate that unpacks to 64 KiB of one letter; it can be repeated.
const BLOCK: &[u8] = b"\xec\xc1\x81\0\0\0\0\x80\x20\xd6\xfd\x25\x16\xa9\x0a";
const ZEROS: usize = 84 - BLOCK.len() - 6;
const BLOCK_END: &[u8] = b"\x6a\0\0\0\xff\xff";
/// The header of a gzip file.
const GZIP: &[u8] = b"\x1f\x8b\x08\0\0\0\0\0\0\x03";

impl Attack {
    /// All of them that a server of this protocol can do.
    pub fn all(protocol: Protocol) -> Vec<Self> {
        let endless =
            [Self::Text, Self::Reasoning, Self::Arguments, Self::Line, Self::Drip, Self::ErrorBody, Self::GzipBomb];
        let keys = Way::iter().flat_map(|way| (0..forms("").len()).map(move |form| Self::Key(form, way)));
        // These take their time and nothing else.
        let slow = [Quirk::LongSilence, Quirk::Stall, Quirk::Silent, Quirk::HeldLine];
        let quirks = Quirk::iter().filter(|quirk| quirk.concerns(protocol) && !slow.contains(quirk));
        endless.into_iter().chain(keys).chain(quirks.map(Self::Quirk)).collect()
    }

    /// The answer to a request.
    pub fn answer(self, protocol: Protocol, request: &Request, key: &str, seed: u64) -> Behaviour {
        if request.body.is_null() {
            // A list of models, or what one of them holds.
            let models = json!({"data": [{"id": key, "name": key, "context_length": 9_000}],
                "models": [{"name": key, "inputTokenLimit": 9_000}], "error": {"message": key}});
            return Behaviour::Status { code: 200, headers: vec![], body: models.to_string() };
        }
        match self {
            Self::Key(form, way) => way.behaviour(&forms(key)[form]),
            Self::Quirk(quirk) => {
                let mut dice = StdRng::seed_from_u64(seed);
                let marks = Marks {
                    word: format!("word-{seed}"),
                    thought: format!("thought-{seed}"),
                    note: format!("note-{seed}"),
                };
                quirk.behaviour(protocol, &marks, &mut dice)
            }
            other => other.behaviour(protocol),
        }
    }

    /// What has no end.
    pub fn behaviour(self, protocol: Protocol) -> Behaviour {
        let wire = Wire(protocol);
        let much = "x".repeat(4_096);
        let endless = |begin: Vec<u8>, piece: Vec<u8>| Behaviour::Endless { begin, piece, pause: Duration::ZERO };
        match self {
            Self::Text => endless(Vec::new(), wire.text(&much)),
            Self::Reasoning => endless(Vec::new(), wire.reasoning(&much)),
            Self::Arguments => {
                let call = Call { id: "call-1".into(), name: "pass".into(), arguments: format!("{{\"why\": \"{much}") };
                let mut frames = wire.call(0, &call, false);
                let piece = frames.pop().unwrap();
                endless(frames.concat(), piece)
            }
            Self::Line => endless(b"data: {\"choices\": \"".to_vec(), much.into_bytes()),
            Self::Drip => {
                let pause = Duration::from_millis(100);
                Behaviour::Endless { begin: Vec::new(), piece: wire.text("x"), pause }
            }
            Self::GzipBomb => {
                let headers = vec![("content-encoding".to_owned(), "gzip".to_owned())];
                let piece = [BLOCK, &[0; ZEROS], BLOCK_END].concat().repeat(64);
                Behaviour::EndlessStatus { code: 400, headers, begin: GZIP.to_vec(), piece }
            }
            _ => Behaviour::EndlessStatus { code: 500, headers: vec![], begin: vec![], piece: much.into_bytes() },
        }
    }
}

impl Way {
    fn behaviour(self, key: &str) -> Behaviour {
        let status = |headers: Vec<(String, String)>, body: String| Behaviour::Status { code: 400, headers, body };
        match self {
            Self::Json => status(vec![], json!({"error": {"message": format!("bad key {key} given")}}).to_string()),
            Self::Html => status(vec![], format!("<html><title>bad key {key}</title><body>{key}</body></html>")),
            Self::Plain => status(vec![], format!("bad key {key}")),
            Self::Header => {
                let key: String = key.chars().filter(char::is_ascii).collect();
                status(vec![("x-error".into(), key.clone()), ("www-authenticate".into(), key)], String::new())
            }
            Self::Text => Behaviour::say(&format!("It is {key}.")),
            Self::Letters => Behaviour::Text {
                chunks: format!("It is {key}.").chars().map(String::from).collect(),
                delay: Duration::ZERO,
            },
            Self::Reasoning => Behaviour::Reasoning { reasoning: key.to_owned(), text: key.to_owned() },
            Self::Call => {
                let call = Call::new(key, "pass", &json!({ "why": key, key: [key] }));
                Behaviour::Calls { text: String::new(), calls: vec![call, Call::new("call-2", key, &json!({}))] }
            }
            // Across the place where long errors are cut.
            Self::CutShort => status(vec![], format!("{}{key}", "x ".repeat(140))),
        }
    }
}
