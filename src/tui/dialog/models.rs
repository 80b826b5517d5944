//! Dialog that connects a language model (F2): provider, address, key, model and name. It tests the model, writes it
//! to the configuration and offers it to the agents that run without one.
//!
//! Testing is a chain of requests: write the provider, reload the configuration, probe the model. Accepting the
//! model writes it as the default and reloads again. If a request fails, the form stays as it is and shows the error.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Frame;
use ratatui::layout::Rect;

use super::confirm::{Choice, Confirm};
use super::{Modal, frame_box};
use crate::config::{KeySource, Limits, Provider, ProviderKind};
use crate::engine::protocol::{Reply, Request, RequestError};
use crate::tui::command::Command;
use crate::tui::effect::{AppAction, Connect, Context, Requester};
use crate::tui::field::Field;
use crate::tui::model::Model;
use crate::tui::pane::{RenderContext, put, put_row};
use crate::tui::text::Span;
use crate::tui::text::clean::clean;
use crate::tui::text::wrap::{Shape, wrap};
use crate::tui::theme::Role;

/// Size of the dialog in cells.
const SIZE: (u16, u16) = (76, 17);
/// Width of the label column in cells.
const LABEL: u16 = 11;
/// Labels of the rows, in order.
const LABELS: [&str; 5] = ["Provider", "Address", "Key", "Model", "Name"];

/// Preset values for a provider.
struct Preset {
    title: &'static str,
    kind: ProviderKind,
    /// Provider name in the configuration.
    name: &'static str,
    address: &'static str,
    /// Example of a model name.
    example: &'static str,
}

const OFFERS: [Preset; 5] = [
    Preset { title: "OpenAI", kind: ProviderKind::OpenAi, name: "openai", address: "", example: "gpt-4.1-mini" },
    Preset {
        title: "Anthropic",
        kind: ProviderKind::Anthropic,
        name: "anthropic",
        address: "",
        example: "claude-sonnet-4-5",
    },
    Preset { title: "Gemini", kind: ProviderKind::Gemini, name: "gemini", address: "", example: "gemini-2.5-flash" },
    Preset { title: "Ollama", kind: ProviderKind::Ollama, name: "ollama", address: "", example: "llama3.2" },
    Preset {
        title: "another server with an OpenAI-compatible API",
        kind: ProviderKind::OpenAi,
        name: "local",
        address: "http://127.0.0.1:8080/v1",
        example: "qwen3-8b",
    },
];

/// Stage of the dialog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The user fills in the form.
    Form,
    /// The configuration is being written, to test or to use the model.
    Writing(Purpose),
    /// The engine is reloading the configuration.
    Reading(Purpose),
    /// The model is being probed.
    Testing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Test,
    Use,
}

/// The dialog's state.
#[derive(Debug, Clone, PartialEq)]
pub struct Models {
    offer: usize,
    /// Address, key, model and name.
    fields: [Field; 4],
    /// Index of the focused row.
    row: usize,
    stage: Stage,
    serial: u64,
    /// Result of the last test: success flag and text.
    verdict: Option<(bool, String)>,
}

impl Models {
    /// Creates the dialog, preset to the provider in use.
    #[must_use]
    pub fn new(model: &Model) -> Self {
        let (provider, name) = model.default_model.split_once('/').unwrap_or(("openai", ""));
        let offer = OFFERS.iter().position(|offer| offer.name == provider).unwrap_or(0);
        let mut dialog = Self {
            offer,
            fields: [Field::line(""), Field::line(""), Field::line(""), Field::line("")],
            row: 0,
            stage: Stage::Form,
            serial: 0,
            verdict: None,
        };
        dialog.offered();
        if OFFERS[offer].name == provider {
            dialog.fields[2].set(name);
        }
        dialog
    }

    /// Fills the form with the values of the selected preset.
    fn offered(&mut self) {
        let offer = &OFFERS[self.offer];
        let own = !offer.address.is_empty();
        let key = if own { "" } else { offer.kind.usual_key().unwrap_or_default() };
        for (field, text) in self.fields.iter_mut().zip([offer.address, key, "", offer.name]) {
            field.set(text);
        }
        self.verdict = None;
    }

    fn value(&self, row: usize) -> String {
        self.fields[row - 1].text().trim().to_owned()
    }

    /// Returns the full model name, `provider/model`.
    fn model_name(&self) -> String {
        format!("{}/{}", self.value(4), self.value(3))
    }

    /// Returns the provider to write, or an error text naming the missing field.
    fn connect(&self, aim: Purpose) -> Result<Connect, String> {
        let (address, key, model, name) = (self.value(1), self.value(2), self.value(3), self.value(4));
        if model.is_empty() {
            return Err(format!("the model is missing: name one, for example {}", OFFERS[self.offer].example));
        }
        if name.is_empty() {
            return Err("the name is missing: it is the prefix of the model, as in local/NAME".to_owned());
        }
        let provider = Provider {
            kind: OFFERS[self.offer].kind,
            base_url: (!address.is_empty()).then_some(address),
            key: match key.as_str() {
                "" => KeySource::None,
                path if path.starts_with(['/', '~']) => KeySource::File(path.into()),
                name => KeySource::Env(name.to_owned()),
            },
            max_parallel: None,
            limits: Limits::default(),
        };
        Ok(Connect { name, provider, model: (aim == Purpose::Use).then(|| self.model_name()) })
    }

    fn begin(&mut self, aim: Purpose, cx: &mut Context<'_>) {
        if self.stage != Stage::Form {
            return;
        }
        match self.connect(aim) {
            Ok(connect) => {
                self.verdict = None;
                self.stage = Stage::Writing(aim);
                self.serial = cx.connect(connect);
            }
            Err(text) => self.verdict = Some((false, text)),
        }
    }

    /// The model is now the default: closes the dialog and offers to set it for the agents that are set to `offline`.
    fn finish(&self, cx: &mut Context<'_>) {
        let name = self.model_name();
        cx.act(AppAction::Close);
        cx.act(AppAction::Ask(Requester::App, Box::new(Request::Overview)));
        cx.toast(format!("agents without a model of their own now use {name}"));
        let offline: Vec<_> =
            cx.model.agents.iter().filter(|agent| agent.model.as_deref() == Some("offline")).collect();
        if offline.is_empty() {
            return;
        }
        let set = offline.iter().map(|agent| {
            let request = Request::SetModel { agent: agent.id.clone(), model: Some(name.clone()) };
            AppAction::Ask(Requester::App, Box::new(request))
        });
        let (agents, are) = if offline.len() == 1 { ("agent", "is") } else { ("agents", "are") };
        let question = format!("{} {agents} {are} set to offline, which is not a language model.", offline.len());
        let choices = vec![
            Choice::new('y', format!("set them to {name}"), set.collect()),
            Choice::new('n', "leave them; m in the agents sets one by one", Vec::new()),
        ];
        cx.open(Confirm::new(question, choices));
    }

    fn turn(&mut self, forward: bool) {
        let step = if forward { 1 } else { OFFERS.len() - 1 };
        self.offer = (self.offer + step) % OFFERS.len();
        self.offered();
    }

    /// Returns the placeholder of an empty row.
    fn placeholder(&self, row: usize) -> String {
        match row {
            1 => "the provider's default".to_owned(),
            2 => "none; or an environment variable, or the path of a file".to_owned(),
            3 => format!("for example {}", OFFERS[self.offer].example),
            _ => "prefix of the model, as in local/NAME".to_owned(),
        }
    }

    fn tested(&self) -> bool {
        self.verdict.as_ref().is_some_and(|(ok, _)| *ok)
    }
}

impl Modal for Models {
    fn key(&mut self, key: KeyEvent, cx: &mut Context<'_>) -> bool {
        match key.code {
            KeyCode::Tab => self.row = (self.row + 1) % LABELS.len(),
            KeyCode::BackTab => self.row = (self.row + LABELS.len() - 1) % LABELS.len(),
            KeyCode::Char('s') if key.modifiers == KeyModifiers::CONTROL => self.begin(Purpose::Use, cx),
            KeyCode::Left | KeyCode::Right if self.row == 0 && self.stage == Stage::Form => {
                self.turn(key.code == KeyCode::Right);
            }
            _ if self.row > 0 && self.stage == Stage::Form && Field::takes(&key) => {
                if self.fields[self.row - 1].key(key) {
                    self.verdict = None;
                }
            }
            _ => return false,
        }
        true
    }

    fn paste(&mut self, text: &str, _cx: &mut Context<'_>) {
        if let Some(field) = self.row.checked_sub(1).and_then(|at| self.fields.get_mut(at)) {
            field.paste(text.trim());
            self.verdict = None;
        }
    }

    fn command(&mut self, command: Command, cx: &mut Context<'_>) {
        match command {
            Command::Up => self.row = self.row.saturating_sub(1),
            Command::Down => self.row = (self.row + 1).min(LABELS.len() - 1),
            Command::Open if self.tested() => self.begin(Purpose::Use, cx),
            Command::Open => self.begin(Purpose::Test, cx),
            _ => {}
        }
    }

    fn answered(&mut self, serial: u64, reply: Result<Reply, RequestError>, cx: &mut Context<'_>) {
        if serial != self.serial {
            return;
        }
        match (self.stage, reply) {
            (_, Err(fault)) => {
                self.stage = Stage::Form;
                self.verdict = Some((false, fault.text));
            }
            (Stage::Writing(aim), Ok(_)) => {
                self.stage = Stage::Reading(aim);
                self.serial = cx.ask(Request::Reconfigure);
            }
            (Stage::Reading(Purpose::Test), Ok(_)) => {
                self.stage = Stage::Testing;
                self.serial = cx.ask(Request::Probe { model: self.model_name() });
            }
            (Stage::Reading(Purpose::Use), Ok(_)) => self.finish(cx),
            (Stage::Testing, Ok(reply)) => {
                self.stage = Stage::Form;
                self.verdict = match reply {
                    Reply::Probed { text, tools: true } => Some((true, text)),
                    Reply::Probed { text, tools: false } => {
                        Some((true, format!("{text}. It calls no tools, so it is of little use as a memory agent.")))
                    }
                    _ => None,
                };
            }
            (Stage::Form, Ok(_)) => {}
        }
    }

    fn draw(&self, frame: &mut Frame<'_>, screen: Rect, look: &RenderContext, model: &Model) {
        let inside = frame_box(frame, screen, SIZE, "Connect a language model", look);
        let (theme, glyphs) = (&look.theme, look.glyphs);
        let (x, room) = (inside.x + 1, inside.width.saturating_sub(2));
        let now = match model.default_model.as_str() {
            "offline" => "Now: offline, rule-based, not a language model.".to_owned(),
            name => format!("Now: {}", clean(name)),
        };
        put(frame.buffer_mut(), (x, inside.y), room, &now, Role::Dim, theme);
        for (row, y) in (0..LABELS.len()).zip(inside.y + 2..) {
            let here = row == self.row;
            let (mark, role) = if here { (glyphs.prompt, Role::Accent) } else { (" ", Role::Dim) };
            put(frame.buffer_mut(), (inside.x, y), 1, mark, Role::Accent, theme);
            put(frame.buffer_mut(), (x, y), room, LABELS[row], role, theme);
            let value = Rect { x: x + LABEL, y, width: room.saturating_sub(LABEL), height: 1 };
            if row == 0 {
                let text = format!("{} {} {}", glyphs.left, OFFERS[self.offer].title, glyphs.right);
                put(frame.buffer_mut(), (value.x, y), value.width, &text, Role::Text, theme);
            } else {
                if self.value(row).is_empty() {
                    let text = self.placeholder(row);
                    put(frame.buffer_mut(), (value.x, y), value.width, &text, Role::Dim, theme);
                }
                self.fields[row - 1].draw_bare(frame, value, look, here && self.stage == Stage::Form);
            }
        }
        self.draw_verdict(frame, Rect { y: inside.y + 8, height: inside.height.saturating_sub(10), ..inside }, look);
        let enter = if self.tested() { "Enter use it" } else { "Enter test" };
        let hint = format!(
            "{enter}   Ctrl-S use it untested   {}{} provider   Tab next   Esc leave",
            glyphs.left, glyphs.right
        );
        let hint = if self.tested() { hint.replace("   Ctrl-S use it untested", "") } else { hint };
        put(frame.buffer_mut(), (x, inside.bottom().saturating_sub(1)), room, &hint, Role::Dim, theme);
    }
}

impl Models {
    fn draw_verdict(&self, frame: &mut Frame<'_>, area: Rect, look: &RenderContext) {
        let glyphs = look.glyphs;
        let (sign, role, text) = match (&self.stage, &self.verdict) {
            (Stage::Writing(_) | Stage::Reading(_), _) => {
                (glyphs.waiting, Role::Dim, "writing the configuration".to_owned())
            }
            (Stage::Testing, _) => (glyphs.thinking, Role::Dim, format!("testing {}", self.model_name())),
            (Stage::Form, Some((true, text))) => (glyphs.done, Role::Success, text.clone()),
            (Stage::Form, Some((false, text))) => (glyphs.failed, Role::Error, text.clone()),
            (Stage::Form, None) => {
                (" ", Role::Dim, "The key is read from the variable or file you name and never stored.".to_owned())
            }
        };
        let shape = Shape {
            first: vec![Span::new(format!(" {sign} "), role)],
            rest: vec![Span::new("   ", role)],
            ..Shape::plain(usize::from(area.width).saturating_sub(1))
        };
        let rows = wrap(&[Span::new(clean(&text), role)], &shape);
        for (row, y) in rows.iter().zip(area.y..area.bottom()) {
            put_row(frame.buffer_mut(), (area.x, y), area.width, row, &look.theme);
        }
    }
}
