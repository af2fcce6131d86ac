//! Words and columns of what is shown.

/// `rows` with their columns aligned to the left, two spaces between them; a `header` above.
pub(crate) fn aligned<const N: usize>(header: [&str; N], rows: &[[String; N]]) -> String {
    let header = header.map(str::to_owned);
    let mut widths = header.each_ref().map(|cell| cell.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in std::iter::once(&header).chain(rows) {
        let mut line = String::new();
        for (cell, &width) in row.iter().zip(&widths) {
            line += &format!("{cell:width$}  ");
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

/// `1 cell`, `2 cells`.
pub(crate) fn counted(n: usize, noun: &str) -> String {
    let s = if n == 1 { "" } else { "s" };
    format!("{n} {noun}{s}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest() {
        let rows = [["a".into(), "é".into()], ["long".into(), String::new()]];
        assert_eq!(aligned(["x", "yy"], &rows), "x     yy\na     é\nlong\n");
        assert_eq!(aligned(["x"], &[]), "x\n");
    }

    #[test]
    fn one_is_singular() {
        let all = [0, 1, 2].map(|n| counted(n, "cell"));
        assert_eq!(all, ["0 cells", "1 cell", "2 cells"]);
    }
}
