//! What comes in during a frame: drops, pastes, keys. Each becomes one of the window's actions.

use egui::{Event as UiEvent, Key, KeyboardShortcut, Modifiers, Ui};

use super::{App, Look, NoticeKind, Panel, View};
use crate::desk::{self, Pick};
use crate::intake;
use crate::photo::PhotoId;

/// The keyboard, in the order of the list the user sees.
pub(super) const SHORTCUTS: [(&str, &str); 18] = [
    ("Ctrl+O", "Open photos"),
    ("Ctrl+Shift+O", "Open a folder"),
    ("Ctrl+V", "Paste a picture, files or a path"),
    ("Ctrl+L", "Type a path"),
    ("Arrows, Enter", "Move in the grid, open a photo"),
    ("\u{2190} \u{2192}, Page up/down", "Previous and next photo"),
    ("1  2  3", "Photo, what the network saw, why"),
    ("Ctrl+C", "Copy the answer"),
    ("Ctrl+E", "Export the answers"),
    ("Delete", "Remove a photo from the list"),
    ("Ctrl+F", "Filter"),
    ("Esc", "Back, close, cancel"),
    ("Ctrl+G", "Go on after a cancel"),
    ("Ctrl+M", "Models"),
    ("Ctrl+,", "Settings"),
    ("F1", "This list"),
    ("Tab", "From control to control"),
    ("Ctrl + / Ctrl \u{2212}", "Larger, smaller"),
];

impl App {
    /// Drops, pastes and keys of this frame.
    pub(super) fn take_input(&mut self, ui: &Ui) {
        let (dropped, hovered) = ui.input(|input| {
            let dropped: Vec<_> = input
                .raw
                .dropped_files
                .iter()
                .map(|file| file.path().to_owned())
                .collect();
            (dropped, input.raw.hovered_files.len())
        });
        if !dropped.is_empty() {
            self.hovering = None;
            self.panel = None;
            self.bring(dropped);
        } else if hovered > 0 {
            self.hovering = Some(Some(hovered));
        } else if self.toolkit_hovered {
            self.hovering = None;
        }
        self.toolkit_hovered = hovered > 0;
        if !ui.ctx().text_edit_focused() {
            self.take_pastes(ui);
        }
        if self.panel.is_none() {
            self.take_keys(ui);
        }
    }

    fn take_pastes(&mut self, ui: &Ui) {
        if std::mem::take(&mut self.paste_wanted) {
            self.paste();
        }
        let events = ui.input(|input| input.events.clone());
        for event in events {
            match event {
                UiEvent::Paste(text) => match intake::paths_in_text(&text) {
                    paths if paths.is_empty() => {
                        let what = "Nothing to paste: the clipboard holds text that names no file.";
                        self.notify(NoticeKind::Note, what, "Copy a picture or a file first.");
                    }
                    paths => self.bring(paths),
                },
                UiEvent::PasteImage(image) => {
                    let rgba: Vec<u8> = image
                        .pixels
                        .iter()
                        .flat_map(egui::Color32::to_srgba_unmultiplied)
                        .collect();
                    match desk::encode_png(image.size[0] as u32, image.size[1] as u32, &rgba) {
                        Ok(bytes) => self.add_memory("Pasted picture", bytes),
                        Err(error) => self.notify(
                            NoticeKind::Error,
                            format!("The picture could not be pasted: {error}."),
                            "Save it as a file and open that.",
                        ),
                    }
                }
                UiEvent::Copy => self.copy_answer(),
                _ => {}
            }
        }
    }

    fn take_keys(&mut self, ui: &Ui) {
        let ctrl = |key| KeyboardShortcut::new(Modifiers::COMMAND, key);
        let pressed =
            |shortcut: &KeyboardShortcut| ui.input_mut(|input| input.consume_shortcut(shortcut));
        if pressed(&KeyboardShortcut::new(
            Modifiers::COMMAND | Modifiers::SHIFT,
            Key::O,
        )) {
            self.pick(Pick::Folder);
        }
        if pressed(&ctrl(Key::O)) {
            self.pick(Pick::Photos);
        }
        if pressed(&ctrl(Key::L)) {
            self.type_path(Pick::Photos, None);
        }
        if pressed(&ctrl(Key::M)) {
            self.panel = Some(Panel::Models);
        }
        if pressed(&ctrl(Key::Comma)) {
            self.panel = Some(Panel::Settings);
        }
        if pressed(&ctrl(Key::E)) && self.session.counts().done + self.session.counts().failed > 0 {
            self.pick(Pick::Save("answers.csv".to_owned()));
        }
        if pressed(&ctrl(Key::G)) && self.session.counts().stopped > 0 {
            self.resume();
        }
        if pressed(&ctrl(Key::F)) && !self.session.photos().is_empty() {
            self.show_list();
            self.focus_filter = true;
        }
        if pressed(&KeyboardShortcut::new(Modifiers::NONE, Key::F1)) {
            self.panel = Some(Panel::Shortcuts);
        }
        if ui.ctx().text_edit_focused() || egui::Popup::is_any_open(ui.ctx()) {
            return;
        }
        let key = |key| ui.input_mut(|input| input.consume_key(Modifiers::NONE, key));
        if key(Key::Escape) {
            match self.view {
                View::Photo(_) => self.show_list(),
                View::List if self.session.counts().pending > 0 => self.cancel(),
                View::List => {}
            }
        }
        if let View::Photo(id) = self.view {
            self.take_photo_keys(ui, id);
        }
    }

    fn take_photo_keys(&mut self, ui: &Ui, id: PhotoId) {
        let key = |key| ui.input_mut(|input| input.consume_key(Modifiers::NONE, key));
        let arrows_free = ui.memory(|memory| memory.focused().is_none());
        if key(Key::PageDown) || (arrows_free && key(Key::ArrowRight)) {
            self.go(1);
        }
        if key(Key::PageUp) || (arrows_free && key(Key::ArrowLeft)) {
            self.go(-1);
        }
        for (number, look) in [
            (Key::Num1, Look::Photo),
            (Key::Num2, Look::Crop),
            (Key::Num3, Look::Why),
        ] {
            if key(number) {
                self.look = look;
            }
        }
        if key(Key::Delete) {
            self.remove(&[id]);
        }
    }
}
