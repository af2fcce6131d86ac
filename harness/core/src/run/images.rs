//! Images that some other program made, scored like the findings of a cell.

use std::fs;
use std::path::Path;

use super::assess::{Assessor, Data};
use super::error::{Error, at};
use super::job::Environment;
use super::lock::lock;
use super::quality::examine;
use crate::cell::{Extracted, Findings, Record, Status};
use crate::files::remove_temporary;
use crate::plan::Plan;

/// Stores and scores `images`, the findings of the one cell of a plan from
/// [`images_plan`](crate::plan::images_plan), in the results folder `folder`; with `jobs` sessions of the
/// plan's embedder, if it has one.
///
/// Every figure is that of a cell with the same findings.
///
/// # Errors
/// [`Error::Busy`], [`Error::Io`], [`Error::Data`], [`Error::Score`]; with an embedder
/// [`Error::NoRuntime`], [`Error::Runtime`] and [`Error::Embed`].
pub fn score_images(
    plan: &Plan,
    images: Extracted,
    environment: &Environment,
    folder: &Path,
    jobs: usize,
) -> Result<(), Error> {
    let cells = folder.join("cells");
    fs::create_dir_all(&cells).map_err(at("cannot create", &cells))?;
    let _lock = lock(folder)?;
    for folder in [folder, &cells] {
        remove_temporary(folder).map_err(at("cannot clear", folder))?;
    }
    let data = Data::load(plan, environment)?;
    let assessor = Assessor {
        data: &data,
        cells: &cells,
    };
    let findings = Findings::Extraction(images);
    for cell in &plan.cells {
        let mut record = Record::new(cell.spec.clone(), Status::Ok, String::new());
        assessor.keep(&mut record, &findings)?;
        let path = cells.join(format!("{}.json", record.id));
        record.write(&path).map_err(at("cannot write", &path))?;
    }
    examine(plan, environment, jobs, &data, &cells, &mut |_, _, _| true)?;
    Ok(())
}
