//! What comes in during a frame: drops, pastes, keys. Each becomes one of the window's actions.

use egui::{Context, Event, Key, KeyboardShortcut, Modifiers, Ui};

use super::action::{Action, Actions};
use super::dialogs::Dialog;
use super::notices::{Kind, Topic};
use super::photo_view::Picture;
use super::{App, View};
use crate::clipboard;
use crate::desktop::{ClipboardContent, ClipboardProblem, FileRequest};
use crate::paths::paths_in_text;
use crate::photo::PhotoId;

/// The keyboard, in the order of the list the user sees.
pub(super) const SHORTCUTS: [(&str, &str); 25] = [
    ("Ctrl+O", "Open photos"),
    ("Ctrl+Shift+O", "Open a folder"),
    ("Ctrl+V", "Paste a picture, files or a path"),
    ("Ctrl+L", "Type a path"),
    ("Arrows, Enter", "Move in the grid, open a photo"),
    ("Space, Ctrl+A", "Select a photo, select all"),
    ("\u{2190} \u{2192}, Page up/down", "Previous and next photo"),
    ("1  2  3", "Photo, what the network saw, why"),
    ("+  \u{2212}  0", "Zoom in, zoom out, fit"),
    ("Ctrl+C", "Copy the answers"),
    ("Ctrl+E", "Export the answers"),
    ("Delete", "Remove from the list"),
    ("F2", "Say what it is: \u{201c}This is a\u{2026}\u{201d}"),
    ("Ctrl+S", "Sort photos into folders"),
    ("Ctrl+T", "Teach classes of your own"),
    ("Ctrl+Z", "Undo"),
    ("Ctrl+F", "Filter"),
    ("Esc", "Back, close, cancel"),
    ("Ctrl+G", "Go on after a cancel"),
    ("Menu, Shift+F10", "Everything one can do with a photo"),
    ("Ctrl+M", "Models"),
    ("Ctrl+,", "Settings"),
    ("F1", "This list"),
    ("Tab", "From control to control"),
    ("Ctrl+Plus, Ctrl+Minus", "Larger and smaller letters"),
];

impl App {
    /// eframe reads the clipboard on this thread, and only text and pictures: we read it aside, files too.
    pub(super) fn filter_raw_input(&mut self, context: &Context, input: &mut egui::RawInput) {
        let in_text = context.text_edit_focused();
        let mut more = Vec::new();
        input.events.retain(|event| {
            let Event::Key {
                key,
                pressed: true,
                modifiers,
                ..
            } = event
            else {
                return true;
            };
            match key {
                Key::V if modifiers.command_only() => {
                    if in_text {
                        context.send_viewport_cmd(egui::ViewportCommand::RequestPaste);
                    } else {
                        self.paste_wanted = true;
                    }
                    false
                }
                Key::C if modifiers.command_only() => {
                    more.push(Event::Copy);
                    false
                }
                Key::X if modifiers.command_only() => {
                    more.push(Event::Cut);
                    false
                }
                _ => true,
            }
        });
        input.events.append(&mut more);
        if self.environment.system_theme.is_some() {
            input.system_theme = self.environment.system_theme;
        }
    }

    /// Drops, pastes and keys of this frame.
    pub(super) fn take_input(&mut self, ui: &Ui, actions: &mut Actions) {
        let dropped = self.drops.take_toolkit_input(ui);
        if !dropped.is_empty() {
            actions.push(Action::CloseDialog);
            actions.push(Action::Dropped(dropped));
        }
        if !ui.ctx().text_edit_focused() {
            self.take_clipboard_events(ui, actions);
        }
        if !self.dialogs.is_open() {
            self.take_keys(ui, actions);
        }
        if ui.input(|input| {
            input
                .raw
                .events
                .iter()
                .any(|event| matches!(event, Event::WindowFocused(true)))
        }) {
            self.check_shown_photo();
        }
    }

    fn take_clipboard_events(&mut self, ui: &Ui, actions: &mut Actions) {
        if std::mem::take(&mut self.paste_wanted) {
            actions.push(Action::Paste);
        }
        for event in ui.input(|input| input.events.clone()) {
            match event {
                Event::Paste(text) => self.take_pasted(match paths_in_text(&text) {
                    paths if paths.is_empty() => {
                        ClipboardContent::Nothing(ClipboardProblem::OnlyText)
                    }
                    paths => ClipboardContent::Files(paths),
                }),
                Event::PasteImage(image) => {
                    let rgba: Vec<u8> = image
                        .pixels
                        .iter()
                        .flat_map(egui::Color32::to_srgba_unmultiplied)
                        .collect();
                    let [width, height] = image.size.map(|side| side as u32);
                    self.take_pasted(match clipboard::encode_png(width, height, &rgba) {
                        Some(bytes) => ClipboardContent::Picture(bytes),
                        None => ClipboardContent::Nothing(ClipboardProblem::Unavailable),
                    });
                }
                Event::Copy => actions.push(Action::Copy(self.photos_meant())),
                _ => {}
            }
        }
    }

    pub(super) fn cannot_paste(&mut self, problem: &ClipboardProblem) {
        let (what, remedy) = problem.sentences();
        self.notices.add(Topic::Paste, Kind::Info, what, remedy);
    }

    /// The photo that is shown, the selected ones, or the one the keyboard is on.
    fn photos_meant(&self) -> Vec<PhotoId> {
        match self.view {
            View::Photo(id) => vec![id],
            View::Grid => self.grid.meant(),
            View::Teach => Vec::new(),
        }
    }

    /// The selected photos, or all that the grid shows.
    fn photos_to_sort(&mut self) -> Vec<PhotoId> {
        if !self.grid.selection().is_empty() {
            return self.grid.meant();
        }
        let threshold = self.settings.current.sure_from;
        let (filter, order) = (&self.grid.filter, self.grid.order);
        self.photos.shown(filter, order, threshold).to_vec()
    }

    fn take_keys(&mut self, ui: &Ui, actions: &mut Actions) {
        let ctrl = |key| KeyboardShortcut::new(Modifiers::COMMAND, key);
        let pressed =
            |shortcut: &KeyboardShortcut| ui.input_mut(|input| input.consume_shortcut(shortcut));
        let with_shift = KeyboardShortcut::new(Modifiers::COMMAND | Modifiers::SHIFT, Key::O);
        if pressed(&with_shift) {
            actions.push(Action::ChooseFiles(FileRequest::Folder));
        }
        if pressed(&ctrl(Key::O)) {
            actions.push(Action::ChooseFiles(FileRequest::Photos));
        }
        for (key, dialog) in [
            (ctrl(Key::L), Dialog::type_path(FileRequest::Photos, None)),
            (ctrl(Key::M), Dialog::Models),
            (ctrl(Key::Comma), Dialog::Settings),
            (
                KeyboardShortcut::new(Modifiers::NONE, Key::F1),
                Dialog::Shortcuts,
            ),
        ] {
            if pressed(&key) {
                actions.push(Action::OpenDialog(dialog));
            }
        }
        if pressed(&ctrl(Key::S)) && self.view == View::Grid {
            actions.push(Action::Sort(self.photos_to_sort()));
        }
        if pressed(&ctrl(Key::T)) {
            actions.push(Action::ShowTeaching);
        }
        let counts = self.photos.counts();
        if pressed(&ctrl(Key::E)) && counts.done + counts.failed > 0 {
            actions.push(Action::ChooseFiles(FileRequest::Export(
                "answers.csv".to_owned(),
            )));
        }
        if pressed(&ctrl(Key::G)) && counts.stopped > 0 {
            actions.push(Action::Resume);
        }
        if pressed(&ctrl(Key::F)) && !self.photos.photos().is_empty() {
            actions.push(Action::FocusFilter);
        }
        if ui.ctx().text_edit_focused() || egui::Popup::is_any_open(ui.ctx()) {
            return;
        }
        if pressed(&ctrl(Key::Z)) {
            actions.push(Action::Undo);
        }
        let key = |key| ui.input_mut(|input| input.consume_key(Modifiers::NONE, key));
        // There Esc takes back what was typed.
        let typing = self.view == View::Teach && self.teaching.is_typing();
        if !typing && key(Key::Escape) {
            match self.view {
                View::Photo(_) => actions.push(Action::ShowGrid),
                View::Grid if self.grid.clear_selection() => {}
                View::Grid if counts.pending > 0 || self.progress.scans > 0 => {
                    actions.push(Action::Cancel);
                }
                View::Grid => {}
                View::Teach => actions.push(Action::ShowGrid),
            }
        }
        if key(Key::F2) {
            actions.push(Action::AskWhat(self.photos_meant()));
        }
        if let View::Photo(id) = self.view {
            self.take_photo_keys(ui, id, actions);
        }
    }

    fn take_photo_keys(&mut self, ui: &Ui, id: PhotoId, actions: &mut Actions) {
        let key = |key| ui.input_mut(|input| input.consume_key(Modifiers::NONE, key));
        let arrows_free = ui.memory(|memory| memory.focused().is_none());
        if key(Key::PageDown) || (arrows_free && key(Key::ArrowRight)) {
            actions.push(Action::ShowNeighbor(1));
        }
        if key(Key::PageUp) || (arrows_free && key(Key::ArrowLeft)) {
            actions.push(Action::ShowNeighbor(-1));
        }
        for (number, picture) in [
            (Key::Num1, Picture::Photo),
            (Key::Num2, Picture::Crop),
            (Key::Num3, Picture::HeatMap),
        ] {
            if key(number) {
                self.photo_view.picture = picture;
            }
        }
        if key(Key::Plus) || key(Key::Equals) {
            self.photo_view.zoom.step(1);
        }
        if key(Key::Minus) {
            self.photo_view.zoom.step(-1);
        }
        if key(Key::Num0) {
            self.photo_view.zoom.reset();
        }
        if key(Key::Delete) {
            actions.push(Action::Remove(vec![id]));
        }
    }
}
