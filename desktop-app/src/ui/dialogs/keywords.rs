//! Labels as keywords: which are written beside which photo, before anything is done.

use std::collections::BTreeMap;

use egui::{CollapsingHeader, RichText, TextStyle, Ui};
use photos::sort::keywords::Tagged;

use super::sort::{LISTED, table};
use crate::problem::thousands;
use crate::sorting::KeywordPreview;
use crate::theme::{self, space};
use crate::ui::action::{Action, Actions};
use crate::ui::widgets;

/// What would be written, and what is left out of it.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::ui) struct KeywordsPreview {
    preview: KeywordPreview,
    tagged: Vec<Tagged>,
    /// Each keyword, and how many photos get it.
    keywords: Vec<(String, usize)>,
    /// Photos without a file, or without a single sure label.
    left_out: usize,
}

impl KeywordsPreview {
    pub(in crate::ui) fn new(
        preview: KeywordPreview,
        tagged: Vec<Tagged>,
        left_out: usize,
    ) -> Self {
        let mut keywords: BTreeMap<String, usize> = BTreeMap::new();
        for write in &preview.writes {
            *keywords.entry(path(&write.keyword)).or_default() += 1;
        }
        Self {
            preview,
            tagged,
            keywords: keywords.into_iter().collect(),
            left_out,
        }
    }

    /// Whether there is something to do, which a row below this carries out.
    pub(super) fn has_work(&self) -> bool {
        !self.preview.writes.is_empty()
    }

    pub(super) fn show(&self, ui: &mut Ui) {
        widgets::muted(
            ui,
            "Each label goes into a file beside its photo, where other photo programs find it. The photos stay as they are.",
        );
        ui.add_space(space::XS);
        table(ui, &self.keywords);
        for line in self.notes() {
            widgets::small(ui, &line);
        }
        self.each(ui);
        if !self.has_work() {
            ui.add_space(space::S);
            widgets::muted(ui, "There is nothing to do.");
        }
    }

    /// The row that writes them.
    pub(super) fn show_action(&self, ui: &mut Ui, actions: &mut Actions) {
        let files = match self.preview.writes.len() {
            1 => "Write 1 keyword".to_owned(),
            n => format!("Write {} keywords", thousands(n)),
        };
        widgets::small(ui, "It can be undone.");
        ui.add_space(space::XS);
        if widgets::primary_button(ui, &files).clicked() {
            let tagged = self.tagged.clone();
            actions.push(Action::WriteKeywords(tagged, self.left_out));
        }
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let merges = self.preview.writes.iter().filter(|write| write.merges);
        match merges.count() {
            0 => {}
            1 => {
                notes.push("1 of these files is there already, and keeps all it holds.".to_owned())
            }
            n => notes.push(format!(
                "{} of these files are there already, and keep all they hold.",
                thousands(n)
            )),
        }
        match self.preview.unchanged {
            0 => {}
            1 => notes.push("1 photo has its keyword already.".to_owned()),
            n => notes.push(format!(
                "{} photos have their keyword already.",
                thousands(n)
            )),
        }
        match self.left_out {
            0 => {}
            1 => notes.push("1 photo has no file, or no single sure label.".to_owned()),
            n => notes.push(format!(
                "{} photos have no file, or no single sure label.",
                thousands(n)
            )),
        }
        for sidecar in self.preview.refused.iter().take(3) {
            let name = sidecar.display();
            notes.push(format!("{name} is not understood, and stays as it is."));
        }
        if let Some(more @ 1..) = self.preview.refused.len().checked_sub(3) {
            notes.push(format!("And {} more.", thousands(more)));
        }
        notes
    }

    /// What each photo gets.
    fn each(&self, ui: &mut Ui) {
        let p = theme::palette(ui);
        let title = RichText::new("Each photo\u{2019}s keyword")
            .text_style(TextStyle::Small)
            .color(p.muted);
        CollapsingHeader::new(title).show(ui, |ui| {
            let writes = &self.preview.writes;
            for write in writes.iter().take(LISTED) {
                let (photo, keyword) = (write.photo.display(), path(&write.keyword));
                let file = write.sidecar.file_name().unwrap_or_default();
                let file = file.to_string_lossy();
                widgets::small(ui, &format!("{photo}: {keyword} \u{2192} {file}"));
            }
            if writes.len() > LISTED {
                let more = thousands(writes.len() - LISTED);
                widgets::small(ui, &format!("and {more} more"));
            }
        });
    }
}

/// `animal > cat`.
fn path(keyword: &[String]) -> String {
    keyword.join(" \u{203a} ")
}
