//! The board as a table for people.

use super::csv_text::{distinct, line};
use super::leaderboard::Board;
use super::mitigations::MitigationRow;
use super::row::{Row, RowStatus};
use super::trends::TrendRow;

/// The last is left out where no row has one.
const HEADER: [&str; COLUMNS] = [
    "#",
    "model",
    "mitigation",
    "attack",
    "status",
    "score [95 %]",
    "control",
    "excess",
    "twin",
    "n",
    "calls",
    "utility",
];
const COLUMNS: usize = 12;
const UTILITY: usize = COLUMNS - 1;
const LABELS: std::ops::Range<usize> = 1..4;
const STATUS: usize = 4;
const SCORE: usize = 5;
/// Beside the status of a row whose score is not the model's doing, and before the sentence that
/// says why.
const MARK: char = '!';
const FLAGGED: &str = "33";
/// From the roomiest to the tightest: the gap between columns, whether scores have intervals,
/// and how short labels may be cut.
const LAYOUTS: [(usize, bool, usize); 4] =
    [(2, true, 12), (1, true, 12), (1, false, 12), (1, false, 6)];

/// The board in lines of at most `width` columns, of 67 or more: where it is narrow, gaps, then
/// intervals, then labels give way. Grouped by dataset and goal, with a legend and the reasons of
/// what is not ok. `color` adds ANSI colours.
pub fn render(board: &Board, width: usize, color: bool) -> String {
    let table = Table::fitting(board, width);
    let paint = |text: &str, code: &str| {
        if color {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    };
    let mut out = String::new();
    let mut group = None;
    for (row, cells) in board.rows.iter().zip(&table.rows) {
        let of_row = (&row.dataset, &row.goal);
        if group != Some(of_row) {
            if group.is_some() {
                out.push('\n');
            }
            group = Some(of_row);
            let title = format!("{}, {}", row.dataset, row.goal);
            out += &paint(&cut(&line(&title), width), "1");
            out.push('\n');
            let header = table.aligned(&table.header, |_, text| text);
            out += &paint(&header, "2");
            out.push('\n');
        }
        out += &table.aligned(cells, |column, text| {
            if column == STATUS {
                let flagged = row.status == RowStatus::Ok && !row.flag.is_empty();
                paint(&text, if flagged { FLAGGED } else { code(row.status) })
            } else {
                text
            }
        });
        out.push('\n');
    }
    if board.rows.is_empty() {
        out += "no rows\n";
    }
    for flag in flags(board) {
        out += &paint(&cut(&line(&flag), width), FLAGGED);
        out.push('\n');
    }
    for row in board.rows.iter().filter(|row| !row.reason.is_empty()) {
        let note = format!(
            "{}: {} x {} x {}: {}",
            row.status.as_str(),
            row.model,
            row.mitigation,
            row.attack,
            row.reason
        );
        out += &paint(&cut(&line(&note), width), code(row.status));
        out.push('\n');
    }
    let legend = legend(board);
    out += &paint(&cut(&legend, width), "2");
    out.push('\n');
    for set in pareto_sets(board) {
        out += &cut(&line(&set), width);
        out.push('\n');
    }
    for trend in &board.trends {
        let color = match trend.holds {
            Some(true) => "32",
            Some(false) => "31",
            None => FLAGGED,
        };
        out += &paint(&cut(&line(&told(trend)), width), color);
        out.push('\n');
    }
    out
}

/// `pass: memorization falls with n: 0.930 [0.890, 0.950]`, and what breaks it.
fn told(trend: &TrendRow) -> String {
    let mut text = format!("{}: {}", trend.verdict(), trend.trend);
    if let (Some(value), Some(low), Some(high)) = (trend.value, trend.low, trend.high) {
        text += &format!(": {value:.3} [{low:.3}, {high:.3}]");
    }
    if !trend.reason.is_empty() {
        text += &format!("; {}", trend.reason);
    }
    text
}

/// Of each dataset, model and goal where mitigations can be compared, those that none betters in both
/// leakage and utility: `best by worst excess and kid_e, unet, extraction: none (0.488, 1.2), ..`.
fn pareto_sets(board: &Board) -> Vec<String> {
    let mut sets: Vec<(_, Vec<&MitigationRow>)> = Vec::new();
    for row in board.mitigations.iter().filter(|row| row.pareto.is_some()) {
        let key = (&row.dataset, &row.goal, &row.model);
        match sets.last_mut() {
            Some((last, rows)) if *last == key => rows.push(row),
            _ => sets.push((key, vec![row])),
        }
    }
    sets.retain(|(_, rows)| rows.len() > 1);
    let told = sets.into_iter().map(|((_, goal, model), rows)| {
        let best = rows.iter().filter(|row| row.pareto == Some(true));
        let each = best.map(|row| {
            let (excess, utility) = (optional(row.excess), optional(row.utility.figure.value));
            format!("{} ({excess}, {utility})", row.mitigation)
        });
        let each: Vec<String> = each.collect();
        let metric = &rows[0].utility.metric;
        format!(
            "best by worst excess and {metric}, {model}, {goal}: {}",
            each.join(", ")
        )
    });
    told.collect()
}

/// What the mark stands for, once for all rows of a dataset and model that say the same.
fn flags(board: &Board) -> Vec<String> {
    let mut flags = Vec::new();
    for row in board.rows.iter().filter(|row| !row.flag.is_empty()) {
        let flag = format!("{MARK} {}, {}: {}", row.dataset, row.model, row.flag);
        if !flags.contains(&flag) {
            flags.push(flag);
        }
    }
    flags
}

fn legend(board: &Board) -> String {
    let mut headlines: Vec<&str> = Vec::new();
    for row in &board.rows {
        if !row.headline.is_empty() && !headlines.contains(&row.headline.as_str()) {
            headlines.push(&row.headline);
        }
    }
    let score = match headlines.as_slice() {
        [] => "headline".to_owned(),
        names => names.join(" or "),
    };
    let utilities = board.rows.iter().map(|row| row.utility.metric.clone());
    let utility = match distinct(utilities, " or ") {
        metric if metric.is_empty() => metric,
        metric => format!("; utility: {metric}, less is better"),
    };
    format!(
        "score: {score}; control: on holdout; excess: score - control; twin: score on the clean twin{utility}"
    )
}

fn cells(row: &Row, intervals: bool) -> [String; COLUMNS] {
    [
        row.rank.map_or(String::new(), |rank| rank.to_string()),
        line(&row.model),
        line(&row.mitigation),
        line(&row.attack),
        if row.flag.is_empty() {
            row.status.as_str().to_owned()
        } else {
            format!("{} {MARK}", row.status.as_str())
        },
        match (row.figure.value, row.figure.low, row.figure.high) {
            (Some(value), Some(low), Some(high)) if intervals => {
                format!("{} [{}, {}]", figure(value), figure(low), figure(high))
            }
            (value, ..) => optional(value),
        },
        optional(row.figure.control),
        optional(row.excess),
        optional(row.twin_score),
        row.n.map_or(String::new(), short),
        row.model_calls.map_or(String::new(), short),
        optional(row.utility.figure.value),
    ]
}

fn optional(value: Option<f64>) -> String {
    value.map_or(String::new(), figure)
}

/// Three decimals, without a minus before nothing.
fn figure(value: f64) -> String {
    let text = format!("{value:.3}");
    if text == "-0.000" {
        "0.000".into()
    } else {
        text
    }
}

/// A count in at most five characters up to 10^15, three digits being exact.
fn short(count: u64) -> String {
    if count < 10_000 {
        return count.to_string();
    }
    let mut value = count as f64;
    let mut unit = "";
    for next in ["k", "M", "G", "T"] {
        if value < 999.5 {
            break;
        }
        value /= 1e3;
        unit = next;
    }
    let decimals = match value {
        v if v < 9.995 => 2,
        v if v < 99.95 => 1,
        _ => 0,
    };
    format!("{value:.decimals$}{unit}")
}

/// The table's cells and the width of each column.
struct Table {
    header: [String; COLUMNS],
    rows: Vec<[String; COLUMNS]>,
    widths: [usize; COLUMNS],
    gap: usize,
}

impl Table {
    /// In the first layout that fits, or else the last.
    fn fitting(board: &Board, width: usize) -> Self {
        let [roomy, others @ ..] = LAYOUTS;
        let mut table = Self::new(board, width, roomy);
        for layout in others {
            if table.width() <= width {
                break;
            }
            table = Self::new(board, width, layout);
        }
        table
    }

    /// Labels give way, the longest first, until all fits or all are `shortest`.
    fn new(board: &Board, width: usize, (gap, intervals, shortest): (usize, bool, usize)) -> Self {
        let mut header = HEADER.map(String::from);
        if !intervals {
            header[SCORE] = "score".into();
        }
        if board
            .rows
            .iter()
            .all(|row| row.utility.figure.value.is_none())
        {
            header[UTILITY].clear();
        }
        let rows: Vec<[String; COLUMNS]> =
            board.rows.iter().map(|row| cells(row, intervals)).collect();
        let widths = std::array::from_fn(|column| {
            let cells = rows.iter().map(|row| length(&row[column]));
            cells.max().unwrap_or(0).max(length(&header[column]))
        });
        let mut table = Self {
            header,
            rows,
            widths,
            gap,
        };
        while table.width() > width {
            let Some(longest) = LABELS
                .filter(|&column| table.widths[column] > shortest)
                .max_by_key(|&column| (table.widths[column], usize::MAX - column))
            else {
                break;
            };
            table.widths[longest] -= 1;
        }
        table
    }

    fn width(&self) -> usize {
        let shown = self.widths.iter().filter(|&&width| width > 0).count();
        self.widths.iter().sum::<usize>() + self.gap * (shown - 1)
    }

    /// Labels and status to the left, numbers to the right.
    fn aligned(
        &self,
        cells: &[String; COLUMNS],
        paint: impl Fn(usize, String) -> String,
    ) -> String {
        let mut out = String::new();
        for (column, (cell, &width)) in cells.iter().zip(&self.widths).enumerate() {
            if width == 0 {
                continue;
            }
            let text = cut(cell, width);
            let pad = " ".repeat(width - length(&text));
            let text = paint(column, text);
            if column > 0 {
                out += &" ".repeat(self.gap);
            }
            if LABELS.contains(&column) || column == STATUS {
                out += &text;
                out += &pad;
            } else {
                out += &pad;
                out += &text;
            }
        }
        out.truncate(out.trim_end().len());
        out
    }
}

/// At most `width` characters, the last a `~` where some were left out.
fn cut(text: &str, width: usize) -> String {
    if length(text) <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{kept}~")
}

fn length(text: impl AsRef<str>) -> usize {
    text.as_ref().chars().count()
}

fn code(status: RowStatus) -> &'static str {
    match status {
        RowStatus::Ok => "32",
        RowStatus::NotApplicable => "2",
        RowStatus::NotRun | RowStatus::TimedOut => "33",
        RowStatus::Failed => "31",
    }
}
