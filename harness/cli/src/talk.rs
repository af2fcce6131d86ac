//! What is said to people, on stderr: above the progress bars where there are any.

use std::io::{IsTerminal, Write};
use std::sync::LazyLock;

use indicatif::MultiProgress;

/// All progress bars; whatever is written to stderr goes through them.
pub(crate) static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// Whether to colour what goes to `stream` (<https://no-color.org>).
pub(crate) fn color(stream: &impl IsTerminal) -> bool {
    let forbidden = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !forbidden && stream.is_terminal()
}

/// A line, or several.
pub(crate) fn line(text: &str) {
    // Without a stderr there is nobody to tell that there is none.
    BARS.suspend(|| {
        let _ = writeln!(std::io::stderr(), "{text}");
    });
}

pub(crate) fn error(text: &str) {
    labelled("error", "1;31", text);
}

pub(crate) fn warning(text: &str) {
    labelled("warning", "33", text);
}

pub(crate) fn hint(text: &str) {
    labelled("hint", "36", text);
}

pub(crate) fn labelled(label: &str, code: &str, text: &str) {
    line(&format!(
        "{} {text}",
        paint(&format!("{label}:"), code, color(&std::io::stderr()))
    ));
}

/// `text` between ANSI's select graphic rendition `code` and its end.
pub(crate) fn paint(text: &str, code: &str, color: bool) -> String {
    if color {
        format!("\x1b[{code}m{text}\x1b[0m")
    } else {
        text.to_owned()
    }
}
