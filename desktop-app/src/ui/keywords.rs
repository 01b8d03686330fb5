//! Labels become keywords beside photos: looked at first, then written, and taken back.

use std::path::PathBuf;

use photos::sort::keywords::Tagged;
use photos::teach::NONE_ID;

use super::App;
use super::dialogs::{Dialog, KeywordsPreview};
use super::notices::{Kind, Topic};
use super::sort::{Running, SortMessage};
use super::undo::UndoStep;
use crate::classify::Answers;
use crate::photo::{Photo, PhotoId};
use crate::problem::thousands;
use crate::sorting::{self, KeywordPreview, Keywords};

impl App {
    /// Looks which labels of photos would be written as keywords beside them.
    pub(super) fn plan_keywords(&mut self, ids: &[PhotoId]) {
        if ids.is_empty() || self.is_sorting() {
            return;
        }
        let tagged: Vec<Tagged> = ids
            .iter()
            .filter_map(|id| self.tagged_photo(self.photos.photo(*id)?))
            .collect();
        let left_out = ids.len() - tagged.len();
        let running = Running::new("Looking which keywords there are\u{2026}", 0);
        self.in_sort_thread(running, move || {
            let preview = sorting::preview_keywords(&tagged);
            SortMessage::KeywordsPlanned(preview, tagged, left_out)
        });
    }

    pub(super) fn keywords_planned(
        &mut self,
        preview: KeywordPreview,
        tagged: Vec<Tagged>,
        left_out: usize,
    ) {
        let preview = KeywordsPreview::new(preview, tagged, left_out);
        self.dialogs
            .open(&self.context, Dialog::Keywords(Box::new(preview)));
    }

    /// Writes them.
    pub(super) fn write_keywords(&mut self, tagged: Vec<Tagged>, left_out: usize) {
        self.dialogs.close(&self.context);
        if self.is_sorting() {
            return;
        }
        let running = Running::new("Writing keywords\u{2026}", 0);
        self.in_sort_thread(running, move || {
            SortMessage::Tagged(sorting::write_keywords(&tagged), left_out)
        });
    }

    pub(super) fn undo_keywords(&mut self, folders: Vec<PathBuf>) {
        let running = Running::new("Taking the keywords back\u{2026}", 0);
        self.in_sort_thread(running, move || {
            SortMessage::KeywordsTakenBack(sorting::take_keywords_back(&folders))
        });
    }

    /// The keyword of a photo, below the wider words that the model knows. None where there is no single sure label.
    fn tagged_photo(&self, photo: &Photo) -> Option<Tagged> {
        let path = photo.source.path()?;
        let label = self.sure_label(photo)?;
        let mut keyword = Vec::new();
        if photo.said.is_none() {
            let answer = photo.answer()?;
            let best = answer.best()?;
            let none = best.id.as_deref() == Some(NONE_ID);
            if answer.kind != Answers::SingleLabel || none {
                return None;
            }
            let everyday = answer.everyday.as_ref().filter(|word| word.sure);
            let classes = everyday.map_or_else(|| vec![best.index], |word| word.classes.clone());
            if let Some(model) = self.model.classifier()
                && model.card().name == answer.model
            {
                keyword = model.above(&classes);
            }
        }
        keyword.retain(|word| *word != label);
        keyword.push(label);
        Some(Tagged {
            photo: std::path::absolute(path).unwrap_or_else(|_| path.to_owned()),
            keyword,
        })
    }

    pub(super) fn tagged(&mut self, keywords: Keywords, left_out: usize) {
        let mut words = match keywords.written {
            1 => "1 photo got its label as a keyword, in a file beside it.".to_owned(),
            n => format!(
                "{} photos got their label as a keyword, in a file beside them.",
                thousands(n)
            ),
        };
        if keywords.unchanged > 0 {
            words += &format!(" {} had it already.", thousands(keywords.unchanged));
        }
        if left_out > 0 {
            let n = thousands(left_out);
            words += &format!(" {n} were left out: no file, or no single sure label.");
        }
        if keywords.folders.is_empty() {
            self.notices.add(Topic::Sorting, Kind::Info, words, "");
        } else {
            self.push_undo(UndoStep::Keywords(keywords.folders), words);
        }
        if let Some(problem) = keywords.problem {
            self.notices
                .add(Topic::Sorting, Kind::Error, problem.what, problem.remedy);
        } else if let Some(first) = keywords.refused.first() {
            let what = format!("{} is not understood and stays as it is.", first.display());
            let more = match keywords.refused.len() {
                1 => String::new(),
                n => format!("And {} more.", thousands(n - 1)),
            };
            self.notices.add(Topic::Sorting, Kind::Error, what, more);
        }
    }
}
