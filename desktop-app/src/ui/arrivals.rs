//! Photos and models that come in, however they come: searched for, added, and shown; and what is said of the rest.

use std::path::PathBuf;
use std::sync::Arc;

use super::notices::{Kind, Topic};
use super::{App, Arrival, LoadReason};
use crate::classify::ModelChoice;
use crate::photo::PhotoSource;
use crate::problem::thousands;
use crate::scan::{FoundFile, ScanReport};

impl App {
    /// Takes dropped, pasted, typed or opened files and folders in.
    pub(super) fn open_paths(&mut self, paths: Vec<PathBuf>) {
        if paths.is_empty() {
            return;
        }
        // What arrives is to be seen.
        self.dialogs.close(&self.context);
        for topic in [Topic::Drop, Topic::Scan, Topic::Paste] {
            self.notices.end(topic);
        }
        // One photo alone opens at once.
        let alone = paths.len() == 1 && !paths[0].is_dir();
        self.progress.arrival = if alone {
            Arrival::OpenFirst
        } else {
            Arrival::Reveal
        };
        match self.workers.scan(paths) {
            Ok(()) => self.progress.scans += 1,
            Err(error) => self.notices.add(
                Topic::System,
                Kind::Error,
                format!(
                    "The files could not be read: {}.",
                    crate::problem::reason(&error)
                ),
                "Close other programs and try again.",
            ),
        }
    }

    /// Says which entries of a drop were no files.
    pub(super) fn say_refused(&mut self, refused: &[String], kept: usize) {
        let Some(first) = refused.first() else {
            return;
        };
        let more = match refused.len() {
            1 => String::new(),
            n => format!(" (and {} more)", n - 1),
        };
        let kept = match kept {
            0 => "Nothing else was in the drop.".to_owned(),
            1 => "The other file was taken.".to_owned(),
            n => format!("The other {n} files were taken."),
        };
        self.notices.add(
            Topic::Drop,
            Kind::Error,
            format!("{first}{more}."),
            format!("Save it on this computer first. {kept}"),
        );
    }

    pub(super) fn add_files(&mut self, files: Vec<FoundFile>) {
        let added = self.photos.add_files(files);
        for id in &added.again {
            self.forget_pixels(*id);
        }
        let arrival = std::mem::take(&mut self.progress.arrival);
        match (arrival, added.first) {
            (Arrival::OpenFirst, Some(first)) => self.show_photo(first),
            (Arrival::Reveal, Some(first)) => {
                self.show_grid();
                let first_new = added.new.first().or(added.again.first());
                self.grid.reveal(first_new.copied().unwrap_or(first));
            }
            (arrival, _) => self.progress.arrival = arrival,
        }
        let ids: Vec<_> = added.new.into_iter().chain(added.again).collect();
        self.start(&ids);
    }

    /// Takes a picture in memory in.
    pub(super) fn add_picture(&mut self, name: &str, bytes: Arc<[u8]>) {
        self.dialogs.close(&self.context);
        self.notices.end(Topic::Paste);
        let taken = self
            .photos
            .photos()
            .iter()
            .filter(|photo| photo.source.name().starts_with(name))
            .count();
        let name = if taken == 0 {
            name.to_owned()
        } else {
            format!("{name} {}", taken + 1)
        };
        let id = self.photos.add(PhotoSource::Memory { name, bytes });
        self.show_photo(id);
        self.start(&[id]);
    }

    pub(super) fn scanned(&mut self, report: ScanReport) {
        self.progress.scans = self.progress.scans.saturating_sub(1);
        self.progress.arrival = Arrival::Stay;
        if let Some(first) = report.unreadable.first() {
            let more = match report.unreadable.len() {
                1 => String::new(),
                n => format!(" And {} more.", n - 1),
            };
            self.notices.add(
                Topic::Scan,
                Kind::Error,
                format!("A part of a folder could not be read. {first}{more}"),
                "Check that you may read it.",
            );
        } else if report.folders > 0 && report.photos == 0 && !report.stopped {
            self.notices.add(
                Topic::Scan,
                Kind::Info,
                "No photos were found in that folder.",
                "JPEG, PNG, WebP, GIF, BMP and TIFF files are looked for.",
            );
        } else if report.passed_over > 0 {
            let words = passed_over(report.passed_over);
            self.notices.add(Topic::Scan, Kind::Info, words, "");
        }
        if let Some(model) = report.models.first() {
            if report.models.len() > 1 {
                self.notices.add(
                    Topic::Scan,
                    Kind::Info,
                    format!(
                        "{} models were dropped; {} is tried.",
                        report.models.len(),
                        model.display()
                    ),
                    "",
                );
            }
            self.load_model(ModelChoice::File(model.clone()), LoadReason::Chosen);
        }
    }
}

/// What is said of files in folders that are no photos.
pub(super) fn passed_over(files: usize) -> String {
    match files {
        1 => "1 other file was passed over: no photo.".to_owned(),
        n => format!("{} other files were passed over: no photos.", thousands(n)),
    }
}
