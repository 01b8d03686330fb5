//! Opens the window: windowing system, renderer, and a plain word when none works.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, bail};
use eframe::egui_wgpu::WgpuSetup;
use eframe::{NativeOptions, Renderer, wgpu};
use egui::{IconData, ViewportBuilder};
use inference::models::{self, ModelLocation};

use crate::classify::ModelChoice;
use crate::cli::{DesktopArgs, RendererChoice};
use crate::desktop::SystemDesktop;
use crate::engine::ModelOpener;
use crate::frames::FrameLog;
use crate::platform::{self, WindowSystem};
use crate::settings_store::SettingsStore;
use crate::theme;
use crate::ui::{APP_NAME, App, AppParts};
use crate::worker::Workers;

/// The window's class, and the name of the `.desktop` file, the metainfo and the icon. The project has no domain of
/// its own; example.org is reserved (RFC 2606), so the name is nobody else's.
pub const APP_ID: &str = "org.example.resnet50_toolkit.photo_classifier";

/// The folder of the settings.
const FOLDER: &str = "resnet50-toolkit-desktop";

/// Opens the window and returns when it is closed.
///
/// # Errors
/// When no renderer opens a window; the text says what was tried and what works without one.
pub fn run(args: &DesktopArgs) -> anyhow::Result<()> {
    let frame_log = match &args.frame_log {
        Some(path) => Some(FrameLog::create(path).with_context(|| {
            format!(
                "the frame log {} cannot be written; choose another folder",
                path.display()
            )
        })?),
        None => None,
    };
    let store = SettingsStore::in_folder(eframe::storage_dir(FOLDER));
    // Only for the one setting that is needed before there is a window; the window reads them again and says what is
    // wrong with them.
    let prefer_xwayland = store.peek().prefer_xwayland;
    let system = platform::window_system(prefer_xwayland);
    let renderers: &[RenderPath] = match args.renderer {
        RendererChoice::Auto => &[RenderPath::Gpu, RenderPath::OpenGl, RenderPath::Wgpu],
        RendererChoice::Wgpu => &[RenderPath::Wgpu],
        RendererChoice::Glow => &[RenderPath::OpenGl],
    };
    let mut failures = Vec::new();
    for renderer in renderers {
        let opened = Arc::new(AtomicBool::new(false));
        let frame_log = frame_log.as_ref().map(FrameLog::another).transpose()?;
        match attempt(
            args,
            store.clone(),
            system,
            *renderer,
            frame_log,
            Arc::clone(&opened),
        ) {
            Ok(()) => return Ok(()),
            Err(failure) if opened.load(Ordering::Acquire) => {
                bail!("the window was closed by an error of the graphics system: {failure}");
            }
            Err(OpenFailure::Display(why)) => bail!(
                "no display answers ({why}). Start it from a desktop, or set DISPLAY or WAYLAND_DISPLAY. Without a display, use \
                 infer-cli: it gives the same answers in a terminal"
            ),
            Err(OpenFailure::Renderer(why)) => {
                // Without a graphics card OpenGL is the ordinary way, and nothing to speak of.
                if *renderer != RenderPath::Gpu {
                    eprintln!("desktop-app: {} opens no window: {why}", renderer.words());
                }
                failures.push(format!("{}: {why}", renderer.words()));
            }
        }
    }
    bail!(
        "no window could be opened ({}). Install a graphics driver (on Debian: mesa-vulkan-drivers or libgl1-mesa-dri). Without one, use \
         infer-cli: it gives the same answers in a terminal",
        failures.join("; ")
    )
}

/// Why an attempt opened no window.
#[derive(Debug, thiserror::Error)]
enum OpenFailure {
    /// There is nothing to open a window on; another renderer would not help.
    #[error("{0}")]
    Display(String),
    /// This renderer does not work here.
    #[error("{0}")]
    Renderer(String),
}

/// What may draw the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RenderPath {
    /// wgpu on a graphics card. A driver that computes Vulkan on the processor is passed over: while photos are
    /// worked on, it drew 13 frames a second where Mesa's OpenGL, on the processor too, drew 56 (two cores, 980 x 700
    /// pixels).
    Gpu,
    OpenGl,
    /// wgpu on whatever there is.
    Wgpu,
}

impl RenderPath {
    fn words(self) -> &'static str {
        match self {
            Self::Gpu => "wgpu on a graphics card",
            Self::OpenGl => "OpenGL",
            Self::Wgpu => "wgpu",
        }
    }

    fn renderer(self) -> Renderer {
        match self {
            Self::Gpu | Self::Wgpu => Renderer::Wgpu,
            Self::OpenGl => Renderer::Glow,
        }
    }
}

/// The strongest graphics card that can draw on the window.
fn graphics_card(
    adapters: &[wgpu::Adapter],
    surface: Option<&wgpu::Surface<'_>>,
) -> Result<wgpu::Adapter, String> {
    let strength = |adapter: &&wgpu::Adapter| match adapter.get_info().device_type {
        wgpu::DeviceType::DiscreteGpu => 3,
        wgpu::DeviceType::IntegratedGpu => 2,
        wgpu::DeviceType::VirtualGpu | wgpu::DeviceType::Other => 1,
        wgpu::DeviceType::Cpu => 0,
    };
    adapters
        .iter()
        .filter(|adapter| {
            strength(adapter) > 0
                && surface.is_none_or(|surface| adapter.is_surface_supported(surface))
        })
        // Of equals the first, in the order of wgpu's own preference.
        .rev()
        .max_by_key(strength)
        .cloned()
        .ok_or_else(|| "there is none".to_owned())
}

fn attempt(
    args: &DesktopArgs,
    store: SettingsStore,
    system: WindowSystem,
    way: RenderPath,
    frame_log: Option<FrameLog>,
    opened: Arc<AtomicBool>,
) -> Result<(), OpenFailure> {
    let mut viewport = ViewportBuilder::default()
        .with_title(APP_NAME)
        .with_app_id(APP_ID)
        .with_inner_size(theme::FIRST_SIZE)
        .with_min_inner_size(theme::LEAST_SIZE)
        .with_drag_and_drop(true);
    if let Some(icon) = icon() {
        viewport = viewport.with_icon(icon);
    }
    let mut options = NativeOptions {
        viewport,
        renderer: way.renderer(),
        clipboard_shortcuts: false,
        persistence_path: store.folder().map(|folder| folder.join("window.ron")),
        ..NativeOptions::default()
    };
    if way == RenderPath::Gpu
        && let WgpuSetup::CreateNew(setup) = &mut options.wgpu_options.wgpu_setup
    {
        setup.native_adapter_selector = Some(Arc::new(graphics_card));
    }
    platform::apply(system, &mut options);
    let (paths, model) = (args.photos.clone(), args.model.clone());
    let precision = args.precision;
    let create: eframe::AppCreator<'static> = Box::new(move |creation| {
        let parts = AppParts {
            opener: Arc::new(ModelOpener { precision }),
            desktop: Box::new(SystemDesktop {
                window_system: system,
            }),
            store,
            paths: paths
                .iter()
                .map(|path| std::path::absolute(path).unwrap_or_else(|_| path.clone()))
                .collect(),
            model: model.map(|model| named(&model)),
            default_model: source(models::default_model(&models::folders())),
            window_system: system,
            renderer: drawn_by(creation, way),
            threads: Workers::default_threads(),
            frame_log,
        };
        let mut app = App::new(&creation.egui_ctx, parts)?;
        app.attach_drop_target(creation);
        app.watch_appearance();
        opened.store(true, Ordering::Release);
        Ok(Box::new(app))
    });
    // Graphics drivers and their bindings panic where they should fail.
    match catch_unwind(AssertUnwindSafe(|| {
        eframe::run_native(APP_NAME, options, create)
    })) {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error @ (eframe::Error::Winit(_) | eframe::Error::WinitEventLoop(_)))) => {
            Err(OpenFailure::Display(without_source_place(&error)))
        }
        Ok(Err(error)) => Err(OpenFailure::Renderer(without_source_place(&error))),
        Err(_) => Err(OpenFailure::Renderer("it panicked, see above".to_owned())),
    }
}

/// An error without the place in winit's source that it came from.
fn without_source_place(error: &eframe::Error) -> String {
    let text = error.to_string();
    match text.split_once(".rs:") {
        Some((_, rest)) => rest
            .split_once(": ")
            .map_or(rest, |(_, what)| what)
            .trim_end_matches('.')
            .to_owned(),
        None => text,
    }
}

/// A model by path or by the name of one in the models' folders. What is neither explains itself in the window.
fn named(model: &Path) -> ModelChoice {
    let found = models::find(model, &models::folders());
    source(found.unwrap_or_else(|_| ModelLocation::File(model.to_owned())))
}

fn source(found: ModelLocation) -> ModelChoice {
    match found {
        ModelLocation::Embedded => ModelChoice::Embedded,
        ModelLocation::File(path) => ModelChoice::File(std::path::absolute(&path).unwrap_or(path)),
    }
}

fn drawn_by(creation: &eframe::CreationContext<'_>, way: RenderPath) -> String {
    match &creation.wgpu_render_state {
        Some(state) => {
            let info = state.adapter.get_info();
            format!("wgpu, {:?}: {}", info.backend, info.name)
        }
        None => way.words().to_owned(),
    }
}

/// The window's icon. A window without one is still a window.
fn icon() -> Option<IconData> {
    let image = image::load_from_memory(include_bytes!("../assets/icon-256.png"))
        .ok()?
        .into_rgba8();
    Some(IconData {
        width: image.width(),
        height: image.height(),
        rgba: image.into_raw(),
    })
}
