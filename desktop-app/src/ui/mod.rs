//! The window: what it holds, what it does with what happens, and which view is drawn.
//!
//! Drawing is in the submodules, one per view. Nothing here waits: slow work is in [`crate::worker`] and [`crate::desk`].

mod actions;
mod empty;
mod grid;
mod icons;
mod keyboard;
mod panels;
mod single;
mod top;
mod widgets;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use egui::{Context, TextureHandle, Ui};

use crate::classify::{Classify, ModelSource, OpenModel, Problem};
use crate::desk::{Desk, Pasted, Pick, Picked};
use crate::heat::Heat;
use crate::photo::PhotoId;
use crate::pictures::Pictures;
use crate::platform::{DropEvent, WindowSystem};
use crate::session::{Filter, Session, Sort};
use crate::settings::{Settings, Store};
use crate::theme;
use crate::worker::{Detail, Event, Workers};

/// The name of the program, as the user sees it.
pub const APP_NAME: &str = "Photo Classifier";

/// Time spent on the workers' news in one frame at most.
const NEWS_TIME: Duration = Duration::from_millis(4);

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
    /// The windowing system in use.
    pub window_system: WindowSystem,
    /// The renderer in use, in words.
    pub renderer: String,
    /// Threads for photos.
    pub threads: usize,
}

/// What comes back from the desktop.
enum Mail {
    Picked(Pick, Picked),
    Pasted(Pasted),
    Exported(PathBuf, Result<usize, String>),
    SettingsNotSaved(String),
    SystemDark(bool),
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
    window_system: WindowSystem,
    renderer: String,
    system_theme: Option<egui::Theme>,
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
            window_system: parts.window_system,
            renderer: parts.renderer,
            system_theme: None,
        };
        app.apply_appearance();
        if let Some(said) = said {
            app.notify(NoticeKind::Error, said, "Look through the settings once.");
        }
        let model = parts.model.unwrap_or_else(|| app.settings.model.clone());
        app.open_model(model);
        if !parts.paths.is_empty() {
            app.bring(parts.paths);
        }
        Ok(app)
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

    /// Takes in what came from the workers, the desktop and the drop target; true when something did.
    fn news(&mut self) -> bool {
        let begun = Instant::now();
        let mut any = false;
        while let Some(event) = self.workers.poll() {
            any = true;
            self.hear(event);
            if begun.elapsed() > NEWS_TIME {
                self.context.request_repaint();
                break;
            }
        }
        while let Ok(mail) = self.mail.try_recv() {
            any = true;
            self.open_mail(mail);
        }
        while let Ok(event) = self.drops.try_recv() {
            any = true;
            match event {
                DropEvent::Hover(files) => self.hovering = Some(files),
                DropEvent::Leave => self.hovering = None,
                DropEvent::Drop(files, refused) => {
                    self.hovering = None;
                    self.refused(&refused, files.len());
                    self.bring(files);
                }
            }
        }
        any
    }

    /// True while something is awaited: an answer of some thread, the end of a drag, or the moment to save the settings.
    fn awaits(&self) -> bool {
        let detail = self.shown.as_ref();
        self.session.counts().pending > 0
            || self.gathering > 0
            || self.loading.is_some()
            || self.hovering.is_some()
            || self.settings_changed.is_some()
            || detail.is_some_and(|shown| {
                shown.detail.is_none() || matches!(shown.heat, HeatState::Working)
            })
    }

    fn hear(&mut self, event: Event) {
        let current = self.workers.generation();
        match event {
            Event::Started(id, generation) if generation == current => self.session.started(id),
            Event::Thumbnail(id, image) if self.session.photo(id).is_some() => {
                self.pictures.put(id, image)
            }
            Event::Answered(id, generation, answer) if generation == current => {
                if let Some((photo, best)) = self.session.photo(id).zip(answer.best())
                    && let Some(path) = photo.source.path()
                    && self.queued <= 20
                {
                    self.settings.remember_answer(
                        path,
                        &best.label,
                        best.probability,
                        &answer.model,
                    );
                }
                self.session.answered(id, answer);
                self.count_down();
            }
            Event::Failed(id, generation, problem) if generation == current => {
                self.session.failed(id, problem);
                self.count_down();
            }
            Event::Detail(id, detail) => self.show_detail(id, Ok(*detail)),
            Event::DetailFailed(id, problem) => self.show_detail(id, Err(problem)),
            Event::HeatReady(id, result) => {
                if let Some(shown) = self.shown.as_mut().filter(|shown| shown.id == id) {
                    shown.heat = result.map_or_else(HeatState::Failed, HeatState::Ready);
                }
            }
            Event::ModelReady(model) => self.model_ready(model),
            Event::ModelFailed(source, problem) => self.model_failed(&source, problem),
            Event::Found(files) => self.add(files),
            Event::Gathered(report) => self.gathered(report),
            // Of a photo that was removed, or of work the user stopped.
            Event::Started(..) | Event::Thumbnail(..) | Event::Answered(..) | Event::Failed(..) => {
            }
        }
    }

    /// When a long list is done, the next answers are single ones again and worth remembering.
    fn count_down(&mut self) {
        if self.session.counts().pending == 0 {
            self.queued = 0;
        }
    }

    fn save_settings_soon(&mut self) {
        if self.settings == self.saved {
            self.settings_changed = None;
            return;
        }
        match self.settings_changed {
            None => {
                self.settings_changed = Some(Instant::now());
                self.context
                    .request_repaint_after(Duration::from_millis(800));
            }
            Some(since) if since.elapsed() >= Duration::from_millis(700) => {
                self.save_settings(true)
            }
            Some(_) => {}
        }
    }

    fn save_settings(&mut self, aside: bool) {
        self.saved = self.settings.clone();
        self.settings_changed = None;
        let (store, settings, post) =
            (self.store.clone(), self.settings.clone(), self.post.clone());
        let save = move || {
            if let Err(error) = store.save(&settings) {
                // The window may be gone; then no one is left to tell.
                let _ = post.send(Mail::SettingsNotSaved(error.to_string()));
            }
        };
        if aside {
            drop(
                std::thread::Builder::new()
                    .name("settings".into())
                    .spawn(save),
            );
        } else {
            save();
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
        self.news();
        self.save_settings_soon();
    }

    fn ui(&mut self, ui: &mut Ui, _: &mut eframe::Frame) {
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
