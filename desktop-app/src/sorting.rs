//! Photos into folders, and labels into keywords: what the window plans and carries out with `photos::sort`. It reads
//! and writes files, so none of it runs in the window's own thread.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use photos::sort::keywords::{self, KeywordPlan, Tagged};
use photos::sort::{
    Item, Plan, SortError, Template, TemplateError, Undone, carry_out_until, taken_on, undo,
};

use crate::classify::Cancel;
use crate::problem::{Problem, reason};

pub use photos::sort::Mode;

/// The folder of photos whose label is not likely enough.
pub const NOT_SURE: &str = "not sure";

/// A photo that is to be sorted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sortable {
    /// The file.
    pub path: PathBuf,
    /// Its label; none where that is not sure.
    pub label: Option<String>,
}

/// Where each photo goes, in folders named by a template. Reads names and contents, changes nothing.
pub fn plan(photos: &[Sortable], into: &Path, template: &Template) -> Plan {
    let items: Vec<Item> = photos
        .iter()
        .map(|photo| {
            let day = template.needs_day().then(|| taken_on(&photo.path));
            let label = photo.label.as_deref().unwrap_or(NOT_SURE);
            Item {
                from: photo.path.clone(),
                folder: template.folder(label, day.flatten()),
            }
        })
        .collect();
    Plan::new(&items, into, Mode::Copy)
}

/// What is wrong with a template, in words for the window.
pub fn words_for_template(error: &TemplateError) -> String {
    match error {
        TemplateError::UnknownName(name) => format!(
            "{{{name}}} means nothing here. {{label}}, {{date}}, {{year}}, {{month}} and {{day}} do."
        ),
        TemplateError::OpenBrace(_) => "A { needs a } after it.".to_owned(),
        TemplateError::NoFolder(_) => "Each folder between slashes needs a name.".to_owned(),
    }
}

/// The folders of a plan and how many photos come into each.
pub fn folders(plan: &Plan) -> Vec<(String, usize)> {
    let mut folders: BTreeMap<String, usize> = BTreeMap::new();
    for step in &plan.steps {
        let folder = step.to.parent().unwrap_or(&step.to);
        let folder = folder.strip_prefix(&plan.into).unwrap_or(folder);
        *folders.entry(folder.display().to_string()).or_default() += 1;
    }
    let mut folders: Vec<(String, usize)> = folders.into_iter().collect();
    folders.sort_by_cached_key(|(name, _)| name.to_lowercase());
    folders
}

/// Carries a plan out; `each` hears how many steps are done. Gives their number, also where it failed or was stopped.
pub fn carry_out(
    plan: &Plan,
    cancel: &Cancel,
    mut each: impl FnMut(usize),
) -> (usize, Option<Problem>) {
    let mut done = 0;
    let result = carry_out_until(plan, |_| {
        done += 1;
        each(done);
        if cancel.is_cancelled() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    (done, result.err().map(|error| problem_of(&error)))
}

/// Takes the newest sorting into a folder back.
///
/// # Errors
/// A [`Problem`] in words for the window.
pub fn take_back(into: &Path) -> Result<Undone, Problem> {
    undo(into).map_err(|error| problem_of(&error))
}

/// What came of writing keywords.
#[derive(Debug, Default)]
pub struct Keywords {
    /// Sidecars that were written.
    pub written: usize,
    /// Photos that have their keyword already.
    pub unchanged: usize,
    /// Sidecars that are not understood and stay as they are.
    pub refused: Vec<PathBuf>,
    /// Folders with a journal, for the way back.
    pub folders: Vec<PathBuf>,
    /// Why it broke off, if it did.
    pub problem: Option<Problem>,
}

/// A keyword that would be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeywordWrite {
    /// The photo.
    pub photo: PathBuf,
    /// The file beside it.
    pub sidecar: PathBuf,
    /// The keyword below wider ones, the widest first.
    pub keyword: Vec<String>,
    /// Whether the file is there already; it keeps all that it holds.
    pub merges: bool,
}

/// What writing keywords would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeywordPreview {
    /// What would be written.
    pub writes: Vec<KeywordWrite>,
    /// Photos that have their keyword already.
    pub unchanged: usize,
    /// Sidecars that are not understood and would stay as they are.
    pub refused: Vec<PathBuf>,
}

/// Looks what writing these keywords would do; changes nothing.
pub fn preview_keywords(tagged: &[Tagged]) -> KeywordPreview {
    let mut preview = KeywordPreview::default();
    for (folder, tagged) in by_folder(tagged) {
        let plan = KeywordPlan::new(&tagged, &folder);
        let keywords: HashMap<&Path, &Tagged> = tagged
            .iter()
            .map(|one| (one.photo.as_path(), one))
            .collect();
        preview.unchanged += plan.unchanged;
        preview
            .refused
            .extend(plan.refused.iter().map(|(sidecar, _)| sidecar.clone()));
        preview.writes.extend(plan.edits.iter().map(|edit| {
            KeywordWrite {
                photo: edit.photo.clone(),
                sidecar: edit.sidecar.clone(),
                keyword: keywords
                    .get(edit.photo.as_path())
                    .map(|one| one.keyword.clone())
                    .unwrap_or_default(),
                merges: edit.merges(),
            }
        }));
    }
    preview
}

fn by_folder(tagged: &[Tagged]) -> BTreeMap<PathBuf, Vec<Tagged>> {
    let mut by_folder: BTreeMap<PathBuf, Vec<Tagged>> = BTreeMap::new();
    for one in tagged {
        let folder = one.photo.parent().unwrap_or(Path::new("")).to_owned();
        by_folder.entry(folder).or_default().push(one.clone());
    }
    by_folder
}

/// Writes keywords into sidecars beside the photos; each folder keeps a journal of its own.
pub fn write_keywords(tagged: &[Tagged]) -> Keywords {
    let mut written = Keywords::default();
    for (folder, tagged) in by_folder(tagged) {
        let plan = KeywordPlan::new(&tagged, &folder);
        written.unchanged += plan.unchanged;
        written
            .refused
            .extend(plan.refused.iter().map(|(sidecar, _)| sidecar.clone()));
        if plan.edits.is_empty() {
            continue;
        }
        let mut done = 0;
        let result = keywords::write(&plan, |_| done += 1);
        written.written += done;
        if done > 0 {
            written.folders.push(folder);
        }
        if let Err(error) = result {
            written.problem = Some(problem_of(&error));
            break;
        }
    }
    written
}

/// Takes the newest keywords in these folders back.
///
/// # Errors
/// A [`Problem`] in words for the window; what was taken back until then stays so.
pub fn take_keywords_back(folders: &[PathBuf]) -> Result<Undone, Problem> {
    let mut all = Undone::default();
    for folder in folders.iter().rev() {
        match keywords::undo(folder) {
            Ok(undone) => {
                all.files += undone.files;
                all.left.extend(undone.left);
            }
            // It broke off before its journal was on the disk, so before anything was written.
            Err(SortError::NothingToUndo { .. }) => {}
            Err(error) => return Err(problem_of(&error)),
        }
    }
    Ok(all)
}

fn problem_of(error: &SortError) -> Problem {
    match error {
        SortError::File {
            action,
            path,
            reason: why,
        } => Problem::new(
            format!("Could not {action} {}: {}.", path.display(), reason(why)),
            "Check that the folder can be written and the disk is not full.",
        ),
        SortError::NothingToUndo { path } => Problem::new(
            format!("{} holds no record of a sorting.", path.display()),
            "It may have been taken back already.",
        ),
        SortError::Journal { path, .. } => Problem::new(
            format!("The record of the sorting, {}, is damaged.", path.display()),
            "The photos stay where they are.",
        ),
        SortError::SidecarChanged { path } => Problem::new(
            format!("Another program changed {} meanwhile.", path.display()),
            "Try again when it has finished.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_carried_out_stopped_and_taken_back() {
        let dir = tempfile::tempdir().unwrap();
        let (from, into) = (dir.path().join("from"), dir.path().join("into"));
        std::fs::create_dir(&from).unwrap();
        let photo = |name: &str, label: Option<&str>| {
            let path = from.join(name);
            std::fs::write(&path, name).unwrap();
            Sortable {
                path,
                label: label.map(str::to_owned),
            }
        };
        let photos = [
            photo("1.jpg", Some("cat")),
            photo("2.jpg", Some("a/b")),
            photo("3.jpg", None),
            photo("4.jpg", Some("cat")),
        ];
        let dated = Template::parse("{year}/{label}").unwrap();
        assert_eq!(
            folders(&plan(&photos[..1], &into, &dated)),
            [(Path::new("no date").join("cat").display().to_string(), 1)]
        );
        let mut plan = plan(&photos, &into, &Template::default());
        let named = |name: &str, count| (name.to_owned(), count);
        assert_eq!(
            folders(&plan),
            [named("a_b", 1), named("cat", 2), named(NOT_SURE, 1)]
        );
        plan.mode = Mode::Move;
        let cancel = Cancel::default();
        let stopped = carry_out(&plan, &cancel, |done| {
            if done == 2 {
                cancel.cancel();
            }
        });
        assert_eq!(stopped, (2, None));
        assert!(!photos[0].path.exists() && photos[3].path.exists());
        assert_eq!(take_back(&into).unwrap().files, 2);
        assert!(photos.iter().all(|photo| photo.path.exists()));
        assert!(take_back(&into).is_err());
    }
}
