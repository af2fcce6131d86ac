//! CSV as text: one rule for every number, LF line ends, nothing of the locale.

use std::io;

use super::leaderboard::Board;

/// `value` to 6 significant digits: beyond what any interval here resolves, and short of the
/// last bits in which mathematics libraries differ.
pub(super) fn rounded(value: f64) -> f64 {
    // Formatting and reading back cannot fail; -0 becomes 0.
    format!("{value:.5e}").parse().unwrap_or(value) + 0.0
}

/// A number as CSV has it: 6 significant digits without trailing zeros, never an exponent;
/// nothing where it is missing or not finite.
pub(super) fn real(value: Option<f64>) -> String {
    match value {
        Some(value) if value.is_finite() => rounded(value).to_string(),
        _ => String::new(),
    }
}

/// A p-value as CSV has it: what is below 10^-12, which no test here can tell, is 10^-12.
pub(super) fn probability(value: Option<f64>) -> String {
    real(value.map(|value| value.max(1e-12)))
}

/// A count; nothing where it is missing.
pub(super) fn count(value: Option<u64>) -> String {
    value.map_or(String::new(), |value| value.to_string())
}

/// Text in one line, so that a row of the table is a line of the file.
pub(super) fn line(text: &str) -> String {
    text.split(char::is_control)
        .filter(|part| !part.trim().is_empty())
        .map(str::trim_end)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Distinct texts in the order in which they first come, empty ones left out.
pub(super) fn distinct(texts: impl IntoIterator<Item = String>, separator: &str) -> String {
    let mut seen: Vec<String> = Vec::new();
    for text in texts {
        if !text.is_empty() && !seen.contains(&text) {
            seen.push(text);
        }
    }
    seen.join(separator)
}

/// A column: its name and what stands in it.
pub(super) type Column<T> = (&'static str, fn(&Board, &T) -> String);

/// The table of `rows`, header first.
pub(super) fn table<T>(board: &Board, columns: &[Column<T>], rows: &[T]) -> io::Result<Vec<u8>> {
    let mut writer = csv::WriterBuilder::new()
        .terminator(csv::Terminator::Any(b'\n'))
        .from_writer(Vec::new());
    writer.write_record(columns.iter().map(|(name, _)| name))?;
    for row in rows {
        writer.write_record(columns.iter().map(|(_, cell)| line(&cell(board, row))))?;
    }
    writer.into_inner().map_err(|error| error.into_error())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_have_six_digits_and_no_exponent() {
        for (value, expected) in [
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1"),
            (1.0 / 3.0, "0.333333"),
            (0.1 + 0.2, "0.3"),
            (-2.0 / 3.0, "-0.666667"),
            (1_234_567.0, "1234570"),
            (1.234_567_8e-9, "0.00000000123457"),
        ] {
            assert_eq!(real(Some(value)), expected);
        }
        assert_eq!(real(None), "");
        assert_eq!(real(Some(f64::NAN)), "");
        assert_eq!(real(Some(f64::INFINITY)), "");
    }

    #[test]
    fn text_stays_in_one_line() {
        assert_eq!(line("one\r\n  two\n\n\tthree "), "one   two three");
        assert_eq!(line("as it is  here"), "as it is  here");
    }

    proptest! {
        #[test]
        fn rounding_is_close_and_settles(value in -1e9..1e9_f64) {
            let once = rounded(value);
            prop_assert!((once - value).abs() <= value.abs() * 5e-6);
            prop_assert_eq!(rounded(once).to_bits(), once.to_bits());
        }
    }
}
