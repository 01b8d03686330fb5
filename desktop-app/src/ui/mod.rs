//! The window: what it holds, what it does with what happens, and which view is drawn.
//!
//! Drawing is in the submodules, one per view. Nothing here waits: slow work is in [`crate::worker`] and [`crate::desk`].

mod actions;
mod empty;
mod grid;
mod icons;
mod keyboard;
mod news;
mod panels;
mod single;
mod tile;
mod top;
mod widgets;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use egui::{Context, TextureHandle, Ui};
use model_core::RgbImage;

use crate::classify::{Classify, ModelSource, OpenModel, Problem};
use crate::desk::{Desk, Pasted, Pick, Picked};
use crate::frames::{self, FrameLog};
use crate::heat::Heat;
use crate::photo::PhotoId;
use crate::pictures::Pictures;
use crate::platform::{DropEvent, WindowSystem};
use crate::samples::{self, Sample};
use crate::session::Session;
use crate::settings::{Settings, Store};
use crate::theme;
use crate::view::{Filter, Sort};
use crate::worker::{Detail, Workers};

/// The name of the program, as the user sees it.
pub const APP_NAME: &str = "Photo Classifier";

/// Notices shown at once at most.
const NOTICES: usize = 3;

/// What the window needs from outside.
pub struct Parts {
    /// Opens models.
    pub opener: Arc<dyn OpenModel>,
    /// Dialogs and clipboard.
    pub desk: Box<dyn Desk>,
    /// Where the settings live.
    pub store: Store,
    /// Photos and folders from the command line.
    pub paths: Vec<PathBuf>,
    /// A model from the command line; wins over the remembered one.
    pub model: Option<ModelSource>,
    /// The model where none was ever chosen.
    pub default_model: ModelSource,
    /// The windowing system in use.
    pub window_system: WindowSystem,
    /// The renderer in use, in words.
    pub renderer: String,
    /// Threads for photos.
    pub threads: usize,
    /// Where to write the times of the frames.
    pub frame_log: Option<FrameLog>,
}

/// What comes back from the desktop.
enum Mail {
    Picked(Pick, Picked),
    Pasted(Pasted),
    Exported(PathBuf, Result<usize, String>),
    SettingsNotSaved(String),
    SystemDark(bool),
    Sample(&'static Sample, RgbImage),
}

/// What fills the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum View {
    /// The grid, or the empty state when there is no photo.
    List,
    /// One photo.
    Photo(PhotoId),
}

/// A dialog over the window.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Panel {
    Models,
    Settings,
    Shortcuts,
    WaysIn,
    /// Type a path: for what, and why if no dialog came.
    TypePath(Pick, Option<String>),
}

/// A message that stays until it is dismissed.
#[derive(Clone, Debug, PartialEq)]
struct Notice {
    kind: NoticeKind,
    what: String,
    remedy: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NoticeKind {
    Note,
    Error,
}

/// The model in use, or on its way.
enum ModelState {
    Loading,
    Ready(Arc<dyn Classify>),
    Missing(Problem),
}

/// What to show when the next files arrive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum After {
    /// What is shown now.
    #[default]
    Stay,
    /// The first of them.
    Open,
    /// The grid.
    List,
}

/// Which picture the single view shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Look {
    #[default]
    Photo,
    Crop,
    Why,
}

/// The photo in the single view.
struct Shown {
    id: PhotoId,
    detail: Option<Result<Detail, Problem>>,
    photo: Option<TextureHandle>,
    crop: Option<TextureHandle>,
    heat: HeatState,
    heat_texture: Option<TextureHandle>,
}

enum HeatState {
    NotAsked,
    Working,
    Ready(Heat),
    Failed(String),
}

/// The window.
pub struct App {
    context: Context,
    session: Session,
    settings: Settings,
    saved: Settings,
    settings_changed: Option<Instant>,
    store: Store,
    workers: Workers,
    desk: Box<dyn Desk>,
    mail: Receiver<Mail>,
    post: Sender<Mail>,
    drops: Receiver<DropEvent>,
    drop_post: Sender<DropEvent>,
    own_target: Option<Result<(), String>>,
    hovering: Option<Option<usize>>,
    toolkit_hovered: bool,
    pictures: Pictures,
    model: ModelState,
    loading: Option<ModelSource>,
    default_model: ModelSource,
    view: View,
    panel: Option<Panel>,
    notices: Vec<Notice>,
    filter: Filter,
    sort: Sort,
    look: Look,
    shown: Option<Shown>,
    typed: String,
    cursor: Option<PhotoId>,
    focus_tile: Option<PhotoId>,
    focus_filter: bool,
    gathering: usize,
    after: After,
    queued: usize,
    paste_wanted: bool,
    copied: Option<Instant>,
    window_system: WindowSystem,
    renderer: String,
    system_theme: Option<egui::Theme>,
    frame_log: Option<FrameLog>,
}

impl App {
    /// The window's state; starts the threads and begins to load the model.
    ///
    /// # Errors
    /// When the system gives no threads.
    pub fn new(context: &Context, parts: Parts) -> std::io::Result<Self> {
        theme::install(context);
        let (settings, said) = parts.store.load();
        let waker = context.clone();
        let workers = Workers::start(parts.opener, parts.threads, move || waker.request_repaint())?;
        let (post, mail) = channel();
        let (drop_post, drops) = channel();
        let mut app = Self {
            context: context.clone(),
            session: Session::default(),
            saved: settings.clone(),
            settings,
            settings_changed: None,
            store: parts.store,
            workers,
            desk: parts.desk,
            mail,
            post,
            drops,
            drop_post,
            own_target: None,
            hovering: None,
            toolkit_hovered: false,
            pictures: Pictures::default(),
            model: ModelState::Loading,
            loading: None,
            default_model: parts.default_model,
            view: View::List,
            panel: None,
            notices: Vec::new(),
            filter: Filter::default(),
            sort: Sort::default(),
            look: Look::default(),
            shown: None,
            typed: String::new(),
            cursor: None,
            focus_tile: None,
            focus_filter: false,
            gathering: 0,
            after: After::Stay,
            queued: 0,
            paste_wanted: false,
            copied: None,
            window_system: parts.window_system,
            renderer: parts.renderer,
            system_theme: None,
            frame_log: parts.frame_log,
        };
        app.apply_appearance();
        if let Some(said) = said {
            app.notify(NoticeKind::Error, said, "Look through the settings once.");
        }
        let chosen = parts.model.or_else(|| app.settings.model.clone());
        let model = chosen.unwrap_or_else(|| app.default_model.clone());
        app.open_model(model);
        app.read_samples()?;
        if !parts.paths.is_empty() {
            app.bring(parts.paths);
        }
        Ok(app)
    }

    /// Reads the sample photos aside, so that the first frame does not wait for them.
    fn read_samples(&self) -> std::io::Result<()> {
        let (post, waker) = (self.post.clone(), self.context.clone());
        let read = move || {
            for sample in samples::ALL {
                if let Some(image) = samples::small(sample) {
                    // The window may be gone; then no one is left to tell.
                    let _ = post.send(Mail::Sample(sample, image));
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
        let wake = move || waker.request_repaint();
        let attached = crate::platform::attach_drop_target(
            creation,
            self.window_system,
            self.drop_post.clone(),
            wake,
        );
        self.own_target = Some(attached);
    }

    /// Follows the system's light or dark where the toolkit does not.
    pub fn watch_appearance(&self) {
        let (post, waker) = (self.post.clone(), self.context.clone());
        crate::platform::watch_appearance(move |dark| {
            // The window may be gone; then no one is left to tell.
            let _ = post.send(Mail::SystemDark(dark));
            waker.request_repaint();
        });
    }

    /// The list of photos, for tests.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Bytes of thumbnails and number of textures held, for tests.
    pub fn pictures_held(&self) -> (usize, usize) {
        self.pictures.held()
    }

    /// The settings, for tests.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// A sender as the platform's drop target has one, for tests.
    pub fn drop_sender(&self) -> Sender<DropEvent> {
        self.drop_post.clone()
    }

    fn log_frame(&mut self, frame: &eframe::Frame) {
        let now = frames::Now {
            counts: self.session.counts(),
            hovering: self.hovering.is_some(),
            model: self.classifier().is_some(),
            last_whole: frame.info().cpu_usage,
        };
        // A full disk must not end the window.
        if let Some(log) = &mut self.frame_log
            && let Err(error) = log.end(&now)
        {
            self.frame_log = None;
            self.notify(
                NoticeKind::Error,
                format!("The frame log could not be written on: {error}."),
                "Check that the disk is not full.",
            );
        }
    }

    /// The model in use, if one is ready.
    fn classifier(&self) -> Option<&Arc<dyn Classify>> {
        match &self.model {
            ModelState::Ready(model) => Some(model),
            ModelState::Loading | ModelState::Missing(_) => None,
        }
    }

    fn notify(&mut self, kind: NoticeKind, what: impl Into<String>, remedy: impl Into<String>) {
        let notice = Notice {
            kind,
            what: what.into(),
            remedy: remedy.into(),
        };
        self.notices.retain(|known| *known != notice);
        self.notices.push(notice);
        if self.notices.len() > NOTICES {
            self.notices.remove(0);
        }
    }
}

impl eframe::App for App {
    fn raw_input_hook(&mut self, context: &Context, input: &mut egui::RawInput) {
        // eframe reads the clipboard on this thread, and only text and pictures: we read it aside, files too.
        let in_text = context.text_edit_focused();
        let mut more = Vec::new();
        input.events.retain(|event| {
            let egui::Event::Key {
                key,
                pressed: true,
                modifiers,
                ..
            } = event
            else {
                return true;
            };
            match key {
                egui::Key::V if modifiers.command_only() => {
                    if in_text {
                        context.send_viewport_cmd(egui::ViewportCommand::RequestPaste);
                    } else {
                        self.paste_wanted = true;
                    }
                    false
                }
                egui::Key::C if modifiers.command_only() => {
                    more.push(egui::Event::Copy);
                    false
                }
                egui::Key::X if modifiers.command_only() => {
                    more.push(egui::Event::Cut);
                    false
                }
                _ => true,
            }
        });
        input.events.append(&mut more);
        if self.system_theme.is_some() {
            input.system_theme = self.system_theme;
        }
    }

    fn logic(&mut self, _: &Context, _: &mut eframe::Frame) {
        if let Some(log) = &mut self.frame_log {
            log.begin();
        }
        self.news();
        self.save_settings_soon();
        if let Some(log) = &mut self.frame_log {
            log.pause();
        }
    }

    fn ui(&mut self, ui: &mut Ui, frame: &mut eframe::Frame) {
        if let Some(log) = &mut self.frame_log {
            log.begin();
        }
        self.pictures.begin_frame();
        self.take_input(ui);
        self.top_bar(ui);
        self.notices_bar(ui);
        let p = theme::palette(ui);
        egui::CentralPanel::default()
            .frame(egui::Frame::new().fill(p.ground))
            .show(ui, |ui| match self.view {
                View::Photo(id) => self.single_view(ui, id),
                View::List if self.session.photos().is_empty() && self.gathering == 0 => {
                    self.empty_view(ui)
                }
                View::List => self.grid_view(ui),
            });
        self.panels(ui);
        self.drop_overlay(ui);
        // eframe takes a thread's wish for a repaint for an old one, and forgets it, when it came during a frame that egui laid out twice.
        // So what came during this frame is taken in now, and while more is awaited the window looks up by itself now and then.
        if self.news() {
            ui.ctx().request_repaint();
        } else if self.awaits() {
            ui.ctx().request_repaint_after(Duration::from_millis(200));
        }
        self.log_frame(frame);
    }

    fn save(&mut self, _: &mut dyn eframe::Storage) {
        self.save_settings(false);
    }

    fn on_exit(&mut self, _: Option<&eframe::glow::Context>) {
        self.save_settings(false);
    }

    fn clear_color(&self, visuals: &egui::Visuals) -> [f32; 4] {
        visuals.panel_fill.to_normalized_gamma_f32()
    }

    fn persist_egui_memory(&self) -> bool {
        false
    }
}
