//! The log, on stderr.

use std::fmt;
use std::io::{self, Write};

use anyhow::Context;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::args::Global;
use crate::exit::Failure;
use crate::talk;

const VARIABLE: &str = "EIDETIC_LOG";

/// Starts it. `EIDETIC_LOG` goes before the flags.
pub(crate) fn start(global: &Global) -> Result<(), Failure> {
    start_with(filter(global))
}

/// Starts that of a child: its last lines are kept where its cell fails, and the parent decides
/// which are shown.
pub(crate) fn start_of_child() -> Result<(), Failure> {
    start_with("info")
}

fn start_with(default: &str) -> Result<(), Failure> {
    let filter = match std::env::var(VARIABLE) {
        Ok(filter) if !filter.is_empty() => EnvFilter::try_new(&filter)
            .with_context(|| format!("{VARIABLE}: expected a filter such as debug, got {filter:?}"))
            .map_err(Failure::bad_input)?,
        _ => EnvFilter::new(default),
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(talk::color(&io::stderr()))
        .event_format(Plain)
        .with_writer(|| Lines)
        .init();
    Ok(())
}

/// A download is always told: it takes a while, and it leaves something behind.
fn filter(global: &Global) -> &'static str {
    match (global.quiet, global.verbose) {
        (true, _) => "error",
        (false, 0) => "warn,eidetic_runtime::fetch=info",
        (false, 1) => "info",
        (false, 2) => "debug",
        (false, _) => "trace",
    }
}

/// Lines as the rest of stderr has them: no time, and no target where it is only ours.
struct Plain;

impl<S, N> FormatEvent<S, N> for Plain
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let (label, code) = match *event.metadata().level() {
            Level::ERROR => ("error", "1;31"),
            Level::WARN => ("warning", "33"),
            Level::INFO => ("note", "2"),
            Level::DEBUG => ("debug", "2"),
            Level::TRACE => ("trace", "2"),
        };
        let label = talk::paint(&format!("{label}:"), code, writer.has_ansi_escapes());
        write!(writer, "{label} ")?;
        let target = event.metadata().target();
        if !target.starts_with("eidetic") {
            write!(writer, "{target}: ")?;
        }
        context.format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}

/// Writes between progress bars.
struct Lines;

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        talk::BARS.suspend(|| io::stderr().write_all(bytes))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
