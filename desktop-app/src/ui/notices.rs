//! Messages under the bar on top. Each belongs to a topic and ends with it: a newer message of the topic replaces it,
//! and what repairs its cause takes it away. What needs no answer goes by itself after a while, but not from under
//! the pointer.

use std::time::{Duration, Instant};

use egui::{Align, Layout, Margin, Panel, Sense, TextStyle, Ui, vec2};

use super::action::{Action, Actions};
use super::icons::{self, Icon};
use super::widgets::{self, Live};
use crate::theme::{self, radius, space};

/// What a notice is about. There is at most one notice of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Topic {
    /// Entries of a drop that are no files.
    Drop,
    /// What a search through folders found.
    Scan,
    /// The model.
    Model,
    /// The clipboard.
    Paste,
    /// An export.
    Export,
    /// Reading or saving the settings.
    Settings,
    /// What was done last and can be undone.
    Undo,
    /// What is taught.
    Taught,
    /// Photos that are sorted, or get keywords.
    Sorting,
    /// Files that changed on disk.
    Changed,
    /// The system gives no threads, or a log cannot be written.
    System,
}

/// How a notice looks and how long it stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Something was done.
    Success,
    /// Something worth knowing.
    Info,
    /// Something did not work.
    Error,
}

impl Kind {
    fn lifetime(self) -> Duration {
        match self {
            Self::Success | Self::Info => Duration::from_secs(15),
            Self::Error => Duration::from_secs(60),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
struct Notice {
    topic: Topic,
    kind: Kind,
    what: String,
    remedy: String,
    button: Option<(&'static str, Action)>,
    until: Instant,
}

/// The notices that hold now.
#[derive(Default)]
pub(super) struct Notices {
    notices: Vec<Notice>,
    /// Something is being waited for.
    pub(super) waiting: Option<Waiting>,
}

/// Something that is being waited for.
pub(super) struct Waiting {
    pub(super) words: &'static str,
    /// How far it is, 0 to 1, where that is known.
    pub(super) part: Option<f32>,
    /// What stops it, where it can be stopped.
    pub(super) stop: Option<Action>,
}

/// Windows less high than this show one notice at a time.
const LOW_WINDOW: f32 = 560.0;
const SHOWN_AT_ONCE: usize = 3;

impl Notices {
    /// Adds a notice in place of the one its topic has.
    pub(super) fn add(
        &mut self,
        topic: Topic,
        kind: Kind,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.push(topic, kind, what.into(), remedy.into(), None);
    }

    /// Adds a notice with a button.
    pub(super) fn add_with_button(
        &mut self,
        topic: Topic,
        what: String,
        button: &'static str,
        action: Action,
    ) {
        self.push(
            topic,
            Kind::Info,
            what,
            String::new(),
            Some((button, action)),
        );
    }

    /// Adds a notice of some kind with a button.
    pub(super) fn add_button(
        &mut self,
        topic: Topic,
        kind: Kind,
        what: String,
        button: &'static str,
        action: Action,
    ) {
        self.push(topic, kind, what, String::new(), Some((button, action)));
    }

    fn push(
        &mut self,
        topic: Topic,
        kind: Kind,
        what: String,
        remedy: String,
        button: Option<(&'static str, Action)>,
    ) {
        self.end(topic);
        self.notices.push(Notice {
            topic,
            kind,
            what,
            remedy,
            button,
            until: Instant::now() + kind.lifetime(),
        });
    }

    /// What this topic's notice said no longer holds.
    pub(super) fn end(&mut self, topic: Topic) {
        self.notices.retain(|notice| notice.topic != topic);
    }

    fn expire(&mut self, now: Instant) {
        self.notices.retain(|notice| notice.until > now);
    }

    /// Draws the newest notices.
    pub(super) fn show(&mut self, ui: &mut Ui, actions: &mut Actions) {
        let now = Instant::now();
        self.expire(now);
        if let Some(next) = self.notices.iter().map(|notice| notice.until).min() {
            ui.ctx().request_repaint_after(next - now);
        }
        if self.notices.is_empty() && self.waiting.is_none() {
            return;
        }
        let p = theme::palette(ui);
        let at_once = if ui.ctx().content_rect().height() < LOW_WINDOW {
            1
        } else {
            SHOWN_AT_ONCE
        };
        let frame = egui::Frame::new().fill(p.ground).inner_margin(Margin {
            left: theme::side_margin(ui) as i8,
            right: theme::side_margin(ui) as i8,
            top: 0,
            bottom: 8,
        });
        let shown = Panel::top("notices")
            .show_separator_line(false)
            .frame(frame)
            .show(ui, |ui| {
                if let Some(waiting) = &self.waiting {
                    waiting_line(ui, waiting, actions);
                }
                let hidden = self.notices.len().saturating_sub(at_once);
                for notice in self.notices.iter().skip(hidden) {
                    notice_line(ui, notice, actions);
                }
            });
        if shown.response.contains_pointer() {
            for notice in &mut self.notices {
                notice.until = notice.until.max(now + Duration::from_secs(5));
            }
        }
    }
}

fn waiting_line(ui: &mut Ui, waiting: &Waiting, actions: &mut Actions) {
    let p = theme::palette(ui);
    egui::Frame::new()
        .fill(p.raised)
        .corner_radius(radius::M)
        .inner_margin(Margin::symmetric(14, 9))
        .show(ui, |ui| {
            ui.horizontal(|ui| {
                ui.add(egui::Spinner::new().size(16.0).color(p.accent));
                let response = ui.add(egui::Label::new(waiting.words).wrap());
                widgets::announce(ui, &response, waiting.words, Live::Polite);
                if let Some(stop) = &waiting.stop {
                    widgets::at_the_end(ui, "stop", |ui| {
                        if ui.button("Stop").clicked() {
                            actions.push(stop.clone());
                        }
                    });
                }
            });
            if let Some(part) = waiting.part {
                widgets::progress(ui, part, waiting.words);
            }
        });
}

fn notice_line(ui: &mut Ui, notice: &Notice, actions: &mut Actions) {
    let p = theme::palette(ui);
    let (color, ground, icon) = match notice.kind {
        Kind::Success => (p.accent, p.accent_soft, Icon::Tick),
        Kind::Info => (p.accent, p.accent_soft, Icon::Info),
        Kind::Error => (p.error, p.error_soft, Icon::Warning),
    };
    egui::Frame::new()
        .fill(ground)
        .corner_radius(radius::M)
        .inner_margin(Margin::symmetric(14, 9))
        .show(ui, |ui| {
            ui.set_width(ui.available_width());
            ui.horizontal_top(|ui| {
                let (rect, _) = ui.allocate_exact_size(vec2(18.0, 20.0), Sense::hover());
                icons::paint(ui.painter(), rect.shrink(1.0), icon, color);
                ui.add_space(space::XS);
                let button = notice.button.as_ref();
                let button = button.map_or(0.0, |(words, _)| button_width(ui, words));
                let dismiss = 24.0 + ui.spacing().item_spacing.x;
                let room = (ui.available_width() - button - dismiss).max(80.0);
                ui.allocate_ui_with_layout(vec2(room, 0.0), Layout::top_down(Align::Min), |ui| {
                    ui.set_width(room);
                    ui.spacing_mut().item_spacing.y = 2.0;
                    let response = widgets::text(ui, &notice.what, TextStyle::Body, p.text);
                    let live = match notice.kind {
                        Kind::Error => Live::Assertive,
                        Kind::Success | Kind::Info => Live::Polite,
                    };
                    let spoken = format!("{} {}", notice.what, notice.remedy);
                    widgets::announce(ui, &response, spoken.trim(), live);
                    if !notice.remedy.is_empty() {
                        widgets::small(ui, &notice.remedy);
                    }
                });
                if let Some((words, action)) = &notice.button
                    && ui.button(*words).clicked()
                {
                    actions.push(action.clone());
                }
                if widgets::icon_button_sized(ui, Icon::Close, "Dismiss", 24.0).clicked() {
                    actions.push(Action::Dismiss(notice.topic));
                }
            });
        });
}

/// How wide a button with these words is, with the space before it.
fn button_width(ui: &Ui, words: &str) -> f32 {
    let font = TextStyle::Button.resolve(ui.style());
    let color = theme::palette(ui).text;
    let galley = ui.painter().layout_no_wrap(words.to_owned(), font, color);
    let spacing = ui.spacing();
    galley.size().x + 2.0 * spacing.button_padding.x + spacing.item_spacing.x + 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_has_one_notice_which_ends_with_it_or_by_itself() {
        let mut notices = Notices::default();
        notices.add(Topic::Paste, Kind::Info, "first", "");
        notices.add(Topic::Paste, Kind::Info, "second", "");
        notices.add(Topic::Model, Kind::Error, "wrong", "");
        assert_eq!(notices.notices.len(), 2);
        assert_eq!(notices.notices[0].what, "second");
        let later = Instant::now() + Duration::from_secs(20);
        notices.expire(later);
        assert_eq!(notices.notices.len(), 1, "an error stays longer");
        notices.end(Topic::Model);
        assert!(notices.notices.is_empty());
        notices.add(Topic::Model, Kind::Error, "wrong", "");
        notices.expire(later + Duration::from_secs(60));
        assert!(notices.notices.is_empty(), "but not for ever");
    }
}
