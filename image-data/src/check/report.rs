//! What was found, as data and as text.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use super::file::Looked;
use super::kind::Kind;
use crate::dataset::Sample;
use crate::decode::Color;
use crate::folder::Folder;

/// One thing about one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What.
    pub kind: Kind,
    /// Which file.
    pub path: PathBuf,
    /// In words.
    pub detail: String,
}

/// Files of equal content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Duplicate {
    /// Two or more.
    pub paths: Vec<PathBuf>,
    /// They lie in folders of different classes: one of the labels is wrong.
    pub different_labels: bool,
    /// They lie in different data sets: validation leaks into training.
    pub different_folders: bool,
}

/// The result of a check.
#[derive(Clone, Debug, Serialize)]
pub struct CheckReport {
    /// Files looked at.
    pub images: usize,
    /// Bytes on disk.
    pub bytes: u64,
    /// Whether pixels were decoded, or only headers read.
    pub decoded: bool,
    /// Files by content format, `"JPEG": 1281166`.
    pub formats: BTreeMap<String, usize>,
    /// Grayscale files: decoded to three equal channels.
    pub gray: usize,
    /// Shortest and longest side met, in pixels; 0 when nothing could be read.
    pub side_range: [u32; 2],
    /// Fewest and most images of a class, over all folders given.
    pub images_per_class: [usize; 2],
    /// Everything about single files, worst first, then in the order of the data set.
    pub findings: Vec<Finding>,
    /// Equal files.
    pub duplicates: Vec<Duplicate>,
    /// Wall time.
    pub seconds: f64,
}

impl CheckReport {
    /// Files that training will leave out.
    pub fn errors(&self) -> usize {
        self.findings
            .iter()
            .filter(|finding| finding.kind.is_error())
            .count()
    }

    /// Nothing that needs a person: no errors, no damage, no equal files with different labels or across data sets.
    pub fn is_clean(&self) -> bool {
        let serious = |f: &Finding| f.kind <= Kind::Damaged;
        !self.findings.iter().any(serious)
            && !self
                .duplicates
                .iter()
                .any(|d| d.different_labels || d.different_folders)
    }

    /// As text, with at most `shown` files named under each heading.
    pub fn to_text(&self, shown: usize) -> String {
        let mut lines = Vec::new();
        let gigabytes = self.bytes as f64 / 1e9;
        let how = if self.decoded {
            "decoded"
        } else {
            "headers read"
        };
        lines.push(format!(
            "{} images, {gigabytes:.2} GB, {how} in {:.1} s",
            self.images, self.seconds
        ));
        let formats: Vec<String> = self
            .formats
            .iter()
            .map(|(name, count)| format!("{count} {name}"))
            .collect();
        lines.push(format!("  formats   {}", formats.join(", ")));
        lines.push(format!(
            "  sides     {} to {} pixels",
            self.side_range[0], self.side_range[1]
        ));
        lines.push(format!(
            "  classes   {} to {} images each",
            self.images_per_class[0], self.images_per_class[1]
        ));
        if self.gray > 0 {
            lines.push(format!("  gray      {} images", self.gray));
        }
        let mut by_kind: BTreeMap<Kind, Vec<&Finding>> = BTreeMap::new();
        for finding in &self.findings {
            by_kind.entry(finding.kind).or_default().push(finding);
        }
        for (kind, findings) in by_kind {
            lines.push(format!("{} {}", findings.len(), kind.title()));
            let named = findings.iter().take(shown);
            lines.extend(named.map(|f| format!("  {}: {}", f.path.display(), f.detail)));
            more(&mut lines, findings.len(), shown);
        }
        if !self.duplicates.is_empty() {
            lines.push(format!("{} groups of equal files", self.duplicates.len()));
            let mut serious_first: Vec<&Duplicate> = self.duplicates.iter().collect();
            serious_first.sort_by_key(|d| (!d.different_folders, !d.different_labels));
            for group in serious_first.iter().take(shown) {
                let names: Vec<String> = group
                    .paths
                    .iter()
                    .map(|p| p.display().to_string())
                    .collect();
                let note = match (group.different_folders, group.different_labels) {
                    (true, _) => " (in different data sets: validation leaks into training)",
                    (_, true) => " (different labels: one of them is wrong)",
                    _ => "",
                };
                lines.push(format!("  {}{note}", names.join(" = ")));
            }
            more(&mut lines, self.duplicates.len(), shown);
        }
        if self.findings.is_empty() && self.duplicates.is_empty() {
            lines.push("nothing to report".to_owned());
        }
        lines.join("\n")
    }
}

fn more(lines: &mut Vec<String>, count: usize, shown: usize) {
    if count > shown {
        lines.push(format!("  and {} more", count - shown));
    }
}

impl fmt::Display for CheckReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_text(10))
    }
}

pub(super) fn build(
    samples: &[(usize, &Sample)],
    files: Vec<Looked>,
    changed: Vec<(PathBuf, String)>,
    duplicates: Vec<Duplicate>,
    folders: &[&Folder],
    decoded: bool,
    elapsed: Duration,
) -> CheckReport {
    let counts: Vec<usize> = folders
        .iter()
        .flat_map(|folder| folder.images_per_class())
        .collect();
    let mut report = CheckReport {
        images: files.len(),
        bytes: files.iter().map(|file| file.bytes).sum(),
        decoded,
        formats: BTreeMap::new(),
        gray: 0,
        side_range: [0, 0],
        images_per_class: [counts.iter().min(), counts.iter().max()]
            .map(|n| n.copied().unwrap_or(0)),
        findings: Vec::new(),
        duplicates,
        seconds: elapsed.as_secs_f64(),
    };
    for ((_, sample), file) in samples.iter().zip(files) {
        if let Some(header) = file.header {
            *report.formats.entry(header.format.to_string()).or_default() += 1;
            report.gray += usize::from(header.color == Color::Gray);
            let [low, high] = report.side_range;
            let short = header.width.min(header.height);
            report.side_range = [
                if low == 0 { short } else { low.min(short) },
                high.max(header.width.max(header.height)),
            ];
        }
        let named = |(kind, detail)| Finding {
            kind,
            path: sample.path.clone(),
            detail,
        };
        report.findings.extend(file.kinds.into_iter().map(named));
    }
    let changed = changed.into_iter().map(|(path, detail)| Finding {
        kind: Kind::Changed,
        path,
        detail,
    });
    report.findings.extend(changed);
    report.findings.sort_by_key(|finding| finding.kind);
    report
}
