//! The escape sequences sent besides frames: enter, leave, bell, clipboard, status report.
//!
//! Only [`DSR_STATUS`] makes the terminal reply. It is sent over SSH only, to learn when a large frame has
//! arrived; all other sequences here produce no reply.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Begins a synchronised update (mode 2026): the terminal shows the following output only at [`SYNC_END`].
pub const SYNC_BEGIN: &[u8] = b"\x1b[?2026h";
/// Ends a synchronised update.
pub const SYNC_END: &[u8] = b"\x1b[?2026l";
/// Device status report (DSR): the terminal replies [`DSR_OK`] after it has processed all bytes before this one.
pub const DSR_STATUS: &[u8] = b"\x1b[5n";
/// The terminal's reply to [`DSR_STATUS`].
pub const DSR_OK: &[u8] = b"\x1b[0n";
/// Cancels an incomplete escape sequence or synchronised update, and resets the style.
pub const CANCEL_SEQUENCE: &[u8] = b"\x18\x1b[?2026l\x1b[m";

/// Longest text that [`copy`] accepts, in bytes: common terminals silently drop longer requests.
pub const COPY_LIMIT: usize = 74_994;

/// Alternate screen, bracketed paste, focus events.
const BASE_MODES: [u16; 3] = [1049, 2004, 1004];
/// Buttons, drags, and coordinates above 223. Not 1003, which would wake the program at every mouse motion.
const MOUSE_MODES: [u16; 3] = [1000, 1002, 1006];

/// Optional terminal modes, set by [`enter`] and reset by [`leave`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Modes {
    /// Report mouse clicks, drags and the wheel.
    pub mouse: bool,
}

impl Modes {
    fn numbers(self) -> Vec<u16> {
        let mut numbers = BASE_MODES.to_vec();
        if self.mouse {
            numbers.extend(MOUSE_MODES);
        }
        numbers
    }
}

/// Returns the sequence that enters the workbench: alternate screen, bracketed paste, focus events, the mouse if
/// enabled in `modes`, cursor hidden.
#[must_use]
pub fn enter(modes: Modes) -> Vec<u8> {
    let mut bytes: Vec<u8> = modes.numbers().iter().flat_map(|mode| format!("\x1b[?{mode}h").into_bytes()).collect();
    bytes.extend(b"\x1b[?25l");
    bytes
}

/// Returns the sequence that restores the terminal: the inverse of [`enter`], in reverse order.
#[must_use]
pub fn leave(modes: Modes) -> Vec<u8> {
    let mut bytes = b"\x1b[?25h".to_vec();
    bytes.extend(modes.numbers().iter().rev().flat_map(|mode| format!("\x1b[?{mode}l").into_bytes()));
    bytes
}

/// Returns the sequence that turns the mouse modes on or off while the workbench runs.
#[must_use]
pub fn mouse(on: bool) -> Vec<u8> {
    let action = if on { 'h' } else { 'l' };
    MOUSE_MODES.iter().flat_map(|mode| format!("\x1b[?{mode}{action}").into_bytes()).collect()
}

/// The text exceeds [`COPY_LIMIT`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "{bytes} bytes are too many for the terminal's clipboard (at most {COPY_LIMIT}): copy less; in the conversation, s writes it to a file"
)]
pub struct CopyTooLarge {
    /// Length of the text in bytes.
    pub bytes: usize,
}

/// Returns the request to set the user's clipboard to `text` (OSC 52), which also works over SSH.
///
/// Inside tmux the request is included twice, plain and wrapped for the outer terminal, because tmux's settings
/// decide which of the two passes.
///
/// # Errors
/// [`CopyTooLarge`] if `text` is longer than [`COPY_LIMIT`].
pub fn copy(text: &str, in_tmux: bool) -> Result<Vec<u8>, CopyTooLarge> {
    if text.len() > COPY_LIMIT {
        return Err(CopyTooLarge { bytes: text.len() });
    }
    let request = format!("\x1b]52;c;{}\x1b\\", STANDARD.encode(text));
    let mut bytes = request.clone().into_bytes();
    if in_tmux {
        bytes.extend(format!("\x1bPtmux;{}\x1b\\", request.replace('\x1b', "\x1b\x1b")).into_bytes());
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parses a string that consists of private mode settings into `(mode, set)` pairs.
    fn settings(bytes: &[u8]) -> Vec<(u16, bool)> {
        let text = std::str::from_utf8(bytes).unwrap();
        text.split("\x1b[?")
            .skip(1)
            .map(|part| {
                let (number, action) = part.split_at(part.len() - 1);
                (number.parse().unwrap(), action == "h")
            })
            .collect()
    }

    #[test]
    fn leaving_is_the_exact_inverse_of_entering() {
        for mouse in [false, true] {
            let entered = settings(&enter(Modes { mouse }));
            let mut undone: Vec<_> = entered.iter().map(|(mode, set)| (*mode, !set)).collect();
            undone.reverse();
            assert_eq!(settings(&leave(Modes { mouse })), undone);
            assert_eq!(entered.contains(&(1006, true)), mouse);
            assert_eq!(settings(&super::mouse(mouse)), MOUSE_MODES.map(|mode| (mode, mouse)));
        }
    }

    #[test]
    fn copied_text_is_base64_and_wrapped_for_tmux() {
        assert_eq!(copy("h\u{e9}llo", false).unwrap(), b"\x1b]52;c;aMOpbGxv\x1b\\");
        let inside = String::from_utf8(copy("hi", true).unwrap()).unwrap();
        assert_eq!(inside, "\x1b]52;c;aGk=\x1b\\\x1bPtmux;\x1b\x1b]52;c;aGk=\x1b\x1b\\\x1b\\");
    }

    #[test]
    fn text_beyond_the_limit_is_refused_with_a_sentence() {
        assert!(copy(&"x".repeat(COPY_LIMIT), false).is_ok());
        let refused = copy(&"x".repeat(COPY_LIMIT + 1), false).unwrap_err();
        assert!(refused.to_string().starts_with("74995 bytes are too many"));
    }
}
