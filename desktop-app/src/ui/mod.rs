//! The window: its state, and the order of a frame: take in what happened, draw the views, do what was clicked.
//!
//! Each view is a module that draws what it is given and says what was clicked as `Action`s; `perform` and its
//! neighbors do them. Nothing here waits: slow work is in [`crate::worker`] and [`crate::desktop`].

mod action;
mod arrivals;
mod dialogs;
mod drop_target;
mod empty_view;
mod events;
mod grid;
mod icons;
mod input;
mod keywords;
mod model_slot;
mod models;
mod naming;
mod notices;
mod parts;
mod perform;
mod photo_view;
mod photos;
mod saved_classes;
mod saved_settings;
mod sort;
mod state;
mod teach;
mod teach_base;
mod teaching;
mod text_order;
mod top_bar;
mod undo;
mod views;
mod widgets;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use egui::{Context, Ui};

use crate::desktop::Desktop;
use crate::frames::{FrameLog, FrameStatus};
use crate::photo_list::PhotoList;
use crate::platform::{DropEvent, placement};
use crate::samples;
use crate::settings::Settings;
use crate::theme;
use crate::thumbnails::ThumbnailCache;
use crate::worker::Workers;
use action::Actions;
use dialogs::Dialogs;
use drop_target::DropTarget;
use grid::GridState;
use model_slot::{LoadReason, ModelSlot};
use notices::{Kind, Notices, Topic};
use photo_view::PhotoViewState;
use saved_classes::SavedClasses;
use saved_settings::SavedSettings;
use sort::Sorting;
use state::{Arrival, Environment, Message, Progress, View};
use teaching::Teaching;
use undo::UndoStep;

pub use parts::AppParts;

/// The name of the program, as the user sees it.
pub const APP_NAME: &str = "Photo Classifier";

/// A window manager has placed the window by then.
const SETTLING: Duration = Duration::from_secs(3);

/// The window.
pub struct App {
    context: Context,
    photos: PhotoList,
    undo_steps: Vec<UndoStep>,
    teaching: Teaching,
    sorting: Sorting,
    thumbnails: ThumbnailCache,
    workers: Workers,
    model: ModelSlot,
    settings: SavedSettings,
    view: View,
    grid: GridState,
    photo_view: PhotoViewState,
    dialogs: Dialogs,
    notices: Notices,
    drops: DropTarget,
    progress: Progress,
    desktop: Box<dyn Desktop>,
    messages: (Sender<Message>, Receiver<Message>),
    environment: Environment,
    /// What a screen reader is to say of the latest answer.
    spoken: String,
    paste_wanted: bool,
    frame_log: Option<FrameLog>,
}

impl App {
    /// The window's state; starts the threads and begins to load the model.
    ///
    /// # Errors
    /// When the system gives no threads.
    pub fn new(context: &Context, parts: AppParts) -> std::io::Result<Self> {
        theme::install(context);
        let (settings, warning) = SavedSettings::load(parts.store);
        let waker = context.clone();
        let keep_classes = settings.current.keep_classes;
        let (classes, board, lost) = SavedClasses::load(settings.folder(), keep_classes);
        let teaching = Teaching::new(Arc::clone(&parts.opener), board, classes);
        let workers = Workers::start(parts.opener, parts.threads, move || waker.request_repaint())?;
        let mut app = Self {
            context: context.clone(),
            photos: PhotoList::default(),
            undo_steps: Vec::new(),
            teaching,
            sorting: Sorting::default(),
            thumbnails: ThumbnailCache::default(),
            workers,
            model: ModelSlot::new(parts.default_model),
            settings,
            view: View::Grid,
            grid: GridState::default(),
            photo_view: PhotoViewState::default(),
            dialogs: Dialogs::default(),
            notices: Notices::default(),
            drops: DropTarget::default(),
            progress: Progress::default(),
            desktop: parts.desktop,
            messages: channel(),
            environment: Environment {
                window_system: parts.window_system,
                renderer: parts.renderer,
                own_drop_target: None,
                system_theme: None,
                placed: None,
            },
            spoken: String::new(),
            paste_wanted: false,
            frame_log: parts.frame_log,
        };
        app.apply_appearance();
        if let Some(warning) = warning {
            let (what, remedy) = warning.sentences();
            app.notices.add(Topic::Settings, Kind::Error, what, remedy);
        }
        app.welcome_classes(lost);
        let chosen = parts.model.or_else(|| app.settings.current.model.clone());
        let model = chosen.unwrap_or_else(|| app.model.default.clone());
        app.load_model(model, LoadReason::Start);
        app.read_samples()?;
        app.open_paths(parts.paths);
        Ok(app)
    }

    /// Reads the sample photos aside, so that the first frame does not wait for them.
    fn read_samples(&self) -> std::io::Result<()> {
        let (send, waker) = (self.messages.0.clone(), self.context.clone());
        let read = move || {
            for sample in samples::ALL {
                if let Some(image) = samples::small(sample) {
                    // The window may be gone; then nobody waits for it.
                    let _ = send.send(Message::Sample(sample, image));
                    waker.request_repaint();
                }
            }
        };
        std::thread::Builder::new()
            .name("samples".into())
            .spawn(read)
            .map(drop)
    }

    /// Puts the drop target of the platform on the window.
    pub fn attach_drop_target(&mut self, creation: &eframe::CreationContext<'_>) {
        let waker = self.context.clone();
        let attached = crate::platform::attach_drop_target(
            creation,
            self.environment.window_system,
            self.drops.sender(),
            move || waker.request_repaint(),
        );
        self.environment.own_drop_target = Some(attached);
    }

    /// Follows the system's light or dark where the toolkit does not.
    pub fn watch_appearance(&self) {
        let (send, waker) = (self.messages.0.clone(), self.context.clone());
        crate::platform::watch_appearance(move |dark| {
            // The window may be gone; then nobody waits for it.
            let _ = send.send(Message::SystemDark(dark));
            waker.request_repaint();
        });
    }

    /// The list of photos, for tests.
    pub fn photos(&self) -> &PhotoList {
        &self.photos
    }

    /// Bytes of thumbnails and number of textures held, for tests.
    pub fn thumbnails_held(&self) -> (usize, usize) {
        self.thumbnails.held()
    }

    /// How many photos were decoded so far, for tests.
    pub fn decodes(&self) -> usize {
        self.workers.decodes()
    }

    /// The settings, for tests.
    pub fn settings(&self) -> &Settings {
        &self.settings.current
    }

    /// A sender as the platform's drop target has one, for tests.
    pub fn drop_sender(&self) -> Sender<DropEvent> {
        self.drops.sender()
    }

    /// Brings a window that opened on a monitor that is gone back to one that is there. Where the user moves it later
    /// is the user's wish.
    fn keep_on_screen(&mut self, context: &Context) {
        let Some(place) = context.input(|input| input.viewport().outer_rect) else {
            return;
        };
        let since = match self.environment.placed {
            Some((since, seen)) if seen == place || since.elapsed() > SETTLING => return,
            Some((since, _)) => since,
            None => Instant::now(),
        };
        self.environment.placed = Some((since, place));
        let scale = context.pixels_per_point();
        let monitors = crate::platform::monitors(self.environment.window_system);
        if let Some(to) = placement::on_screen(place * scale, &monitors) {
            let to = egui::ViewportCommand::OuterPosition((to.to_vec2() / scale).to_pos2());
            context.send_viewport_cmd(to);
        }
    }

    fn log_frame(&mut self, frame: &eframe::Frame) {
        let status = FrameStatus {
            counts: self.photos.counts(),
            hovering: self.drops.is_hovered(),
            model: self.model.classifier().is_some(),
            last_whole: frame.info().cpu_usage,
        };
        // A full disk must not end the window.
        if let Some(log) = &mut self.frame_log
            && let Err(error) = log.end(&status)
        {
            self.frame_log = None;
            self.notices.add(
                Topic::System,
                Kind::Error,
                format!(
                    "The frame log could not be written on: {}.",
                    crate::problem::reason(&error)
                ),
                "Check that the disk is not full.",
            );
        }
    }
}

impl eframe::App for App {
    fn raw_input_hook(&mut self, context: &Context, input: &mut egui::RawInput) {
        self.filter_raw_input(context, input);
    }

    fn logic(&mut self, context: &Context, _: &mut eframe::Frame) {
        if let Some(log) = &mut self.frame_log {
            log.begin();
        }
        self.keep_on_screen(context);
        self.take_events();
        self.save_settings_soon();
        self.save_classes_soon();
        if let Some(log) = &mut self.frame_log {
            log.pause();
        }
    }

    fn ui(&mut self, ui: &mut Ui, frame: &mut eframe::Frame) {
        if let Some(log) = &mut self.frame_log {
            log.begin();
        }
        ui.ctx()
            .accesskit_node_builder(egui::accesskit_root_id(), |node| node.set_label(APP_NAME));
        self.thumbnails.begin_frame();
        let mut actions = Actions::new();
        self.take_input(ui, &mut actions);
        if self.dialogs.is_open() {
            // What lies behind a dialog shows no tooltip and takes no key, but looks as before under the veil.
            ui.visuals_mut().disabled_alpha = 1.0;
            ui.disable();
        }
        top_bar::show(
            ui,
            &top_bar::TopBarContent {
                view: self.view,
                photos: self.photos.photos().len(),
                model: &self.model,
            },
            &mut actions,
        );
        self.show_waiting();
        self.notices.show(ui, &mut actions);
        let p = theme::palette(ui);
        egui::CentralPanel::default()
            .frame(egui::Frame::new().fill(p.ground))
            .show(ui, |ui| self.show_view(ui, &mut actions));
        widgets::spoken_only(ui, "answer", &self.spoken);
        let content = dialogs::DialogContent {
            model: &self.model,
            environment: &self.environment,
            sorting: self.is_sorting(),
        };
        self.dialogs
            .show(ui, &content, &mut self.settings.current, &mut actions);
        let target = (self.view == View::Teach)
            .then(|| self.teaching.drop_words(self.drops.place(&self.context)));
        self.drops.show(ui, target);
        for action in actions {
            self.perform(action, &*frame);
        }
        self.apply_appearance();
        self.explain_if_wanted();
        // eframe takes a thread's wish for a repaint for an old one, and forgets it, when it came during a frame that
        // egui laid out twice. So what came during this frame is taken in now, and while more is awaited the window
        // looks up by itself now and then.
        if self.take_events() {
            ui.ctx().request_repaint();
        } else if self.is_waiting() {
            ui.ctx().request_repaint_after(Duration::from_millis(200));
        }
        self.log_frame(frame);
    }

    fn save(&mut self, _: &mut dyn eframe::Storage) {
        self.settings.save_now();
        self.teaching.memory.save_now(&self.teaching.board);
    }

    fn on_exit(&mut self, _: Option<&eframe::glow::Context>) {
        self.settings.save_now();
        self.teaching.memory.save_now(&self.teaching.board);
    }

    fn clear_color(&self, visuals: &egui::Visuals) -> [f32; 4] {
        visuals.panel_fill.to_normalized_gamma_f32()
    }

    fn persist_egui_memory(&self) -> bool {
        false
    }
}
