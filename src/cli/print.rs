//! Writes to standard output and standard error.
//!
//! On a terminal, control characters in the text are neutralised; a pipe or a file gets the text unchanged. After the
//! reader of a pipe has closed it, further output is dropped.

use std::io::{self, IsTerminal as _, Write};

use serde::Serialize;
use unicode_width::UnicodeWidthStr as _;

use crate::domain::excerpt;
use crate::domain::state::RowFault;
use crate::tui::text::clean::{clean, clean_line};

/// Standard output, or a replacement for it in tests.
pub struct Out {
    to: Box<dyn Write + Send>,
    terminal: bool,
    closed: bool,
}

impl Out {
    /// Opens standard output of this process.
    #[must_use]
    pub fn standard() -> Self {
        let out = io::stdout();
        Self::new(out.is_terminal(), Box::new(out))
    }

    /// Creates an output on `to`. With `terminal`, control characters are neutralised.
    #[must_use]
    pub fn new(terminal: bool, to: Box<dyn Write + Send>) -> Self {
        Self { to, terminal, closed: false }
    }

    /// Writes a text and flushes it.
    ///
    /// # Errors
    /// Standard output cannot be written. A closed pipe is not an error.
    pub fn text(&mut self, text: &str) -> io::Result<()> {
        if self.terminal { self.write(&clean(text)) } else { self.write(text) }
    }

    /// Writes a text and a line break.
    ///
    /// # Errors
    /// As [`Out::text`].
    pub fn line(&mut self, line: &str) -> io::Result<()> {
        self.text(&format!("{line}\n"))
    }

    /// Writes a value as JSON on one line.
    ///
    /// # Errors
    /// The value cannot be serialized, or as [`Out::text`].
    pub fn json(&mut self, value: &impl Serialize) -> io::Result<()> {
        let mut line = serde_json::to_string(value)?;
        if self.terminal && clean(&line) != line {
            line = escaped(&line);
        }
        line.push('\n');
        self.write(&line)
    }

    /// Writes rows in aligned columns with a header line. Writes nothing if there are no rows.
    ///
    /// # Errors
    /// As [`Out::text`].
    pub fn table<const N: usize>(&mut self, heads: [&str; N], rows: &[[String; N]]) -> io::Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let rows: Vec<[String; N]> = std::iter::once(heads.map(str::to_owned))
            .chain(rows.iter().map(|row| row.each_ref().map(|cell| clean_line(cell).into_owned())))
            .collect();
        let widest = |column: usize| rows.iter().map(|row| row[column].width()).max().unwrap_or_default();
        let widths: Vec<usize> = (0..N).map(widest).collect();
        for row in &rows {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                line.push_str(cell);
                line.extend(std::iter::repeat_n(' ', width.saturating_sub(cell.width()) + 2));
            }
            self.line(line.trim_end())?;
        }
        Ok(())
    }

    /// Writes names and values, one pair per line, without the empty values.
    ///
    /// # Errors
    /// As [`Out::text`].
    pub fn card(&mut self, lines: &[(&str, String)]) -> io::Result<()> {
        let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
        for (name, value) in lines.iter().filter(|(_, value)| !value.is_empty()) {
            let indented = value.trim_end().replace('\n', &format!("\n{:1$}", "", width + 2));
            self.line(&format!("{name:width$}  {indented}"))?;
        }
        Ok(())
    }

    fn write(&mut self, text: &str) -> io::Result<()> {
        if self.closed {
            return Ok(());
        }
        match self.to.write_all(text.as_bytes()).and_then(|()| self.to.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(())
            }
            other => other,
        }
    }
}

/// Formats a number of bytes: `840 B`, `12 kB`, `1.2 MB`.
#[must_use]
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if bytes < 1_000 {
        return format!("{bytes} B");
    }
    let mut unit = 1_000;
    let mut at = 0;
    while bytes >= unit * 1_000 && at + 1 < UNITS.len() {
        unit *= 1_000;
        at += 1;
    }
    let tenths = bytes / (unit / 10);
    if tenths < 100 {
        format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[at])
    } else {
        format!("{} {}", bytes / unit, UNITS[at])
    }
}

/// Replaces all characters outside printable ASCII by `\u…`. In JSON, they occur only inside strings.
fn escaped(json: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if matches!(c, ' '..='~') {
            out.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            let _ = write!(out, "\\u{unit:04x}");
        }
    }
    out
}

/// The most bytes of a text on standard error.
const LONGEST_NOTE: usize = 16 * 1024;

/// Writes a line to standard error, cut in the middle if it is very long. Ignores write errors, because they cannot be
/// reported anywhere.
pub fn note(line: &str) {
    let mut err = io::stderr();
    let line = excerpt::to_bytes(line, LONGEST_NOTE);
    let line = if err.is_terminal() { clean(&line) } else { line };
    let _ = writeln!(err, "{line}");
}

/// Reports unreadable rows on standard error: one line per row, then one line of advice.
pub fn unreadable<'a>(faults: impl IntoIterator<Item = &'a RowFault>) {
    let mut any = false;
    for fault in faults {
        any = true;
        note(&fault.to_string());
    }
    if any {
        note(RowFault::ADVICE);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Page {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Closed;

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    const HOSTILE: &str = "a\u{1b}]52;c;aGk=\u{7}b\u{9b}31mc\u{202e}d";

    #[test]
    fn nothing_controls_the_terminal() {
        let page = Page::default();
        let mut out = Out::new(true, Box::new(page.clone()));
        out.line(HOSTILE).unwrap();
        out.table(["NAME"], &[[HOSTILE.to_owned()]]).unwrap();
        out.card(&[("name", HOSTILE.to_owned())]).unwrap();
        out.json(&HOSTILE).unwrap();
        let text = page.text();
        assert!(text.chars().all(|c| c == '\n' || !c.is_control() && c != '\u{202e}'), "{text:?}");
        let json: String = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        assert_eq!(json, HOSTILE, "a program still reads what was said");
    }

    #[test]
    fn a_pipe_gets_what_was_said() {
        let page = Page::default();
        Out::new(false, Box::new(page.clone())).text(HOSTILE).unwrap();
        assert_eq!(page.text(), HOSTILE);
    }

    #[test]
    fn a_reader_that_has_left_is_no_fault() {
        let mut out = Out::new(false, Box::new(Closed));
        out.line("one").unwrap();
        out.json(&2).unwrap();
    }

    #[test]
    fn columns_stand_under_their_heads() {
        let page = Page::default();
        let rows = [["新聞".to_owned(), "x".to_owned()], ["a".to_owned(), "two\nlines".to_owned()]];
        Out::new(false, Box::new(page.clone())).table(["NAME", "WHAT"], &rows).unwrap();
        assert_eq!(page.text(), "NAME  WHAT\n新聞  x\na     two lines\n");
    }
}
