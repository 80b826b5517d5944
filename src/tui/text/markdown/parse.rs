//! Conversion of markdown events to blocks, which do not depend on the width.

use pulldown_cmark::{Alignment, CodeBlockKind, Event, HeadingLevel, LinkType, Options, Parser, Tag, TagEnd};
use ratatui::style::Modifier;

use crate::tui::glyph::GlyphSet;
use crate::tui::text::clean::clean_line;
use crate::tui::text::{Role, Span, push_joined, width};

/// Levels of quotes and lists shown by indent; deeper ones share the last level. Bounds the cost of hostile
/// nesting.
const MAX_DEPTH: usize = 12;

/// Indent of code blocks.
pub(super) const CODE_INDENT: &str = "  ";

/// The cells of one table row.
pub(crate) type TableRow = Vec<Vec<Span>>;

/// One block, independent of the width.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Block {
    /// Prefix of the blank row above the block; `None` for no blank row.
    pub gap: Option<Vec<Span>>,
    /// Prefix of the first row.
    pub first: Vec<Span>,
    /// Prefix of the other rows.
    pub rest: Vec<Span>,
    /// Contents.
    pub body: Body,
    /// Index of the code fence, if the block is one.
    pub fence: Option<usize>,
}

/// Contents of a block.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Body {
    /// Text to be wrapped; `\n` is a line break.
    Flow(Vec<Span>),
    /// Code, not reflowed. `label` is the fence's info string.
    Verbatim { label: String, code: String },
    /// A horizontal rule.
    Rule,
    /// A table; the first row is the heading.
    Table { columns: Vec<Alignment>, rows: Vec<TableRow> },
}

/// State carried over from the blocks before a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Carry {
    /// Whether a blank row precedes the next block.
    pub gap: bool,
    /// Number of code fences so far.
    pub fences: usize,
}

/// Start of a top-level block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Start {
    /// Byte position in the text.
    pub at: usize,
    /// Number of blocks before it.
    pub blocks: usize,
    /// State after the blocks before it.
    pub carry: Carry,
    /// Whether a blank line always ends it; false for lists, code and HTML.
    pub ends_at_blank: bool,
}

/// A parsed text.
#[derive(Debug)]
pub(crate) struct Parsed {
    /// Blocks in order.
    pub blocks: Vec<Block>,
    /// Start of the last top-level block.
    pub last: Option<Start>,
    /// State after all blocks.
    pub carry: Carry,
}

/// Parses cleaned text; `carry` is the state after the blocks before it.
pub(crate) fn parse(text: &str, glyphs: &GlyphSet, carry: Carry) -> Parsed {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let mut builder = Builder::new(glyphs, carry);
    for (event, range) in Parser::new_ext(text, options).into_offset_iter() {
        if builder.depth == 0 {
            // The parser's range excludes the indent, which determines the kind of some blocks.
            let line = text.get(..range.start).and_then(|before| before.rfind('\n'));
            builder.outermost(line.map_or(0, |end| end + 1), &event);
        }
        builder.event(event);
    }
    builder.flush();
    Parsed { blocks: builder.blocks, last: builder.last, carry: builder.carry }
}

enum Container {
    Quote,
    List { number: Option<u64>, items: usize },
    Item { marker: String, cells: usize, shown: bool },
}

struct Builder<'g> {
    glyphs: &'g GlyphSet,
    carry: Carry,
    blocks: Vec<Block>,
    last: Option<Start>,
    depth: usize,
    containers: Vec<Container>,
    /// The flow or table cell being built; `open` is true if there is one, even an empty one.
    spans: Vec<Span>,
    open: bool,
    heading: bool,
    strong: usize,
    emphasis: usize,
    struck: usize,
    /// Links and images around the text, with their target unless the text is the target.
    links: Vec<Option<String>>,
    code: Option<(Option<String>, String)>,
    table: Option<(Vec<Alignment>, Vec<TableRow>)>,
}

impl<'g> Builder<'g> {
    fn new(glyphs: &'g GlyphSet, carry: Carry) -> Self {
        Self {
            glyphs,
            carry,
            blocks: Vec::new(),
            last: None,
            depth: 0,
            containers: Vec::new(),
            spans: Vec::new(),
            open: false,
            heading: false,
            strong: 0,
            emphasis: 0,
            struck: 0,
            links: Vec::new(),
            code: None,
            table: None,
        }
    }

    fn outermost(&mut self, at: usize, event: &Event<'_>) {
        self.flush();
        let ends_at_blank = matches!(
            event,
            Event::Rule | Event::Start(Tag::Paragraph | Tag::Heading { .. } | Tag::Table(_) | Tag::BlockQuote(_))
        );
        self.last = Some(Start { at, blocks: self.blocks.len(), carry: self.carry, ends_at_blank });
    }

    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => {
                self.depth += 1;
                self.start(tag);
            }
            Event::End(tag) => {
                self.depth = self.depth.saturating_sub(1);
                self.end(tag);
            }
            Event::Text(text) => match &mut self.code {
                Some((_, code)) => code.push_str(&text),
                None => self.text(&text),
            },
            Event::Code(text) => self.push(&text, Some(Role::Code)),
            Event::Html(html) | Event::InlineHtml(html) => self.text(&html),
            Event::InlineMath(text) | Event::DisplayMath(text) | Event::FootnoteReference(text) => self.text(&text),
            Event::SoftBreak | Event::HardBreak => self.text("\n"),
            Event::Rule => {
                self.flush();
                self.emit(Body::Rule, None);
            }
            Event::TaskListMarker(done) => self.text(if done { "[x] " } else { "[ ] " }),
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Paragraph | Tag::HtmlBlock => {
                self.flush();
                self.open = true;
            }
            Tag::Heading { level, .. } => {
                self.flush();
                self.heading = true;
                self.text(marks(level));
            }
            Tag::BlockQuote(_) => {
                self.flush();
                self.containers.push(Container::Quote);
            }
            Tag::CodeBlock(kind) => {
                self.flush();
                let label = match kind {
                    CodeBlockKind::Fenced(info) => Some(clean_line(info.trim()).into_owned()),
                    CodeBlockKind::Indented => None,
                };
                self.code = Some((label, String::new()));
            }
            Tag::List(first) => {
                self.flush();
                if matches!(self.containers.last(), Some(Container::Item { .. })) {
                    self.carry.gap = false;
                }
                self.containers.push(Container::List { number: first, items: 0 });
            }
            Tag::Item => self.item(),
            Tag::Table(columns) => {
                self.flush();
                self.table = Some((columns, Vec::new()));
            }
            Tag::TableHead | Tag::TableRow => {
                if let Some((_, rows)) = &mut self.table {
                    rows.push(Vec::new());
                }
            }
            Tag::TableCell => self.spans.clear(),
            Tag::Emphasis => self.emphasis += 1,
            Tag::Strong => self.strong += 1,
            Tag::Strikethrough => self.struck += 1,
            Tag::Link { link_type, dest_url, .. } => {
                let told = matches!(link_type, LinkType::Autolink | LinkType::Email);
                self.links.push((!told).then(|| clean_line(&dest_url).into_owned()));
            }
            Tag::Image { dest_url, .. } => {
                self.links.push(Some(clean_line(&dest_url).into_owned()));
                self.text("image: ");
            }
            Tag::FootnoteDefinition(_)
            | Tag::DefinitionList
            | Tag::DefinitionListTitle
            | Tag::DefinitionListDefinition
            | Tag::Superscript
            | Tag::Subscript
            | Tag::MetadataBlock(_) => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Paragraph | TagEnd::HtmlBlock => self.flush(),
            TagEnd::Heading(_) => {
                self.flush();
                self.heading = false;
                // No blank row between a heading and its text.
                self.carry.gap = false;
            }
            TagEnd::BlockQuote(_) | TagEnd::List(_) => {
                self.flush();
                self.containers.pop();
            }
            TagEnd::Item => {
                self.open |= matches!(self.containers.last(), Some(Container::Item { shown: false, .. }));
                self.flush();
                self.containers.pop();
            }
            TagEnd::CodeBlock => self.end_code(),
            TagEnd::Table => {
                if let Some((columns, rows)) = self.table.take() {
                    self.emit(Body::Table { columns, rows }, None);
                }
            }
            TagEnd::TableCell => {
                let mut cell = std::mem::take(&mut self.spans);
                for span in &mut cell {
                    span.text = span.text.replace('\n', " ");
                }
                self.open = false;
                if let Some(row) = self.table.as_mut().and_then(|(_, rows)| rows.last_mut()) {
                    row.push(cell);
                }
            }
            TagEnd::Emphasis => self.emphasis = self.emphasis.saturating_sub(1),
            TagEnd::Strong => self.strong = self.strong.saturating_sub(1),
            TagEnd::Strikethrough => self.struck = self.struck.saturating_sub(1),
            TagEnd::Link | TagEnd::Image => {
                if let Some(Some(target)) = self.links.pop() {
                    self.push(&format!(" ({target})"), Some(Role::Dim));
                }
            }
            TagEnd::TableHead
            | TagEnd::TableRow
            | TagEnd::FootnoteDefinition
            | TagEnd::DefinitionList
            | TagEnd::DefinitionListTitle
            | TagEnd::DefinitionListDefinition
            | TagEnd::Superscript
            | TagEnd::Subscript
            | TagEnd::MetadataBlock(_) => {}
        }
    }

    fn item(&mut self) {
        self.flush();
        let mut marker = format!("{} ", self.glyphs.bullet);
        if let Some(Container::List { number, items }) = self.containers.last_mut() {
            if let Some(number) = number {
                marker = format!("{number}. ");
                *number = number.saturating_add(1);
            }
            // No blank rows between items; only the list as a whole is set off from the text above.
            self.carry.gap &= *items == 0;
            *items += 1;
        }
        let cells = width::width(&marker);
        self.containers.push(Container::Item { marker, cells, shown: false });
    }

    fn end_code(&mut self) {
        let Some((label, mut code)) = self.code.take() else { return };
        if code.ends_with('\n') {
            code.pop();
        }
        let fence = label.as_ref().map(|_| self.carry.fences);
        self.carry.fences += usize::from(fence.is_some());
        self.emit(Body::Verbatim { label: label.unwrap_or_default(), code }, fence);
    }

    fn text(&mut self, text: &str) {
        self.push(text, None);
    }

    fn push(&mut self, text: &str, role: Option<Role>) {
        self.open = true;
        let mut modifier = Modifier::empty();
        modifier.set(Modifier::BOLD, self.strong > 0);
        modifier.set(Modifier::ITALIC, self.emphasis > 0);
        modifier.set(Modifier::CROSSED_OUT, self.struck > 0);
        let text = crate::tui::text::clean::clean(text);
        let role = role.unwrap_or_else(|| self.role());
        push_joined(&mut self.spans, Span::new(text, role).with(modifier));
    }

    fn role(&self) -> Role {
        match self {
            _ if !self.links.is_empty() => Role::Link,
            _ if self.heading => Role::Heading,
            _ if self.strong > 0 => Role::Strong,
            _ if self.emphasis > 0 => Role::Emphasis,
            _ if self.struck > 0 => Role::Struck,
            _ if self.containers.iter().any(|container| matches!(container, Container::Quote)) => Role::Quote,
            _ => Role::Text,
        }
    }

    /// Ends the open flow, if any.
    fn flush(&mut self) {
        if !std::mem::take(&mut self.open) || self.table.is_some() {
            return;
        }
        let mut spans = std::mem::take(&mut self.spans);
        while let Some(last) = spans.last_mut() {
            last.text.truncate(last.text.trim_end_matches(['\n', ' ']).len());
            if !last.text.is_empty() {
                break;
            }
            spans.pop();
        }
        self.emit(Body::Flow(spans), None);
    }

    fn emit(&mut self, body: Body, fence: Option<usize>) {
        let (mut first, mut rest, gap) = self.prefixes();
        if matches!(body, Body::Verbatim { .. }) {
            push_joined(&mut first, Span::new(CODE_INDENT, Role::Text));
            push_joined(&mut rest, Span::new(CODE_INDENT, Role::Text));
        }
        let gap = self.carry.gap.then_some(gap);
        self.blocks.push(Block { gap, first, rest, body, fence });
        self.carry.gap = true;
    }

    /// Returns the prefixes of the next block: of its first row, its other rows, and the blank row above it.
    fn prefixes(&mut self) -> (Vec<Span>, Vec<Span>, Vec<Span>) {
        let (mut first, mut rest, mut gap) = (Vec::new(), Vec::new(), Vec::new());
        for container in self.containers.iter_mut().take(MAX_DEPTH) {
            match container {
                Container::Quote => {
                    let bar = Span::new(format!("{} ", self.glyphs.vertical), Role::Border);
                    for prefix in [&mut first, &mut rest, &mut gap] {
                        push_joined(prefix, bar.clone());
                    }
                }
                Container::List { .. } => {}
                Container::Item { marker, cells, shown } => {
                    let blank = Span::new(" ".repeat(*cells), Role::Text);
                    let sign = if *shown { blank.clone() } else { Span::new(marker.as_str(), Role::Dim) };
                    *shown = true;
                    push_joined(&mut first, sign);
                    push_joined(&mut gap, blank.clone());
                    push_joined(&mut rest, blank);
                }
            }
        }
        (first, rest, gap)
    }
}

fn marks(level: HeadingLevel) -> &'static str {
    match level {
        HeadingLevel::H1 => "# ",
        HeadingLevel::H2 => "## ",
        HeadingLevel::H3 => "### ",
        HeadingLevel::H4 => "#### ",
        HeadingLevel::H5 => "##### ",
        HeadingLevel::H6 => "###### ",
    }
}
