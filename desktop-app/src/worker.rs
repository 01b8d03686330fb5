//! Everything slow, off the window's thread: opening models, reading photos, asking the network, explaining an
//! answer.
//!
//! Three lanes of named threads share one queue behind a mutex: `classify` (several threads, the long list), `detail`
//! (one thread, what the user looks at now) and `explain` (one thread, heat maps). Results come back through a
//! bounded channel: when the window does not keep up, the workers wait, and memory stays bounded. A photo that makes
//! a decoder panic costs that photo only. No egui here.

mod cache;
mod lanes;

use std::collections::{HashSet, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use model_core::RgbImage;

use crate::classify::{Cancel, Classify, ModelChoice, OpenModel, Region};
use crate::content::ContentId;
use crate::heat_map::HeatMap;
use crate::photo::{PhotoAnswer, PhotoId, PhotoSource};
use crate::problem::Problem;
use crate::scan::{self, FoundFile, ScanReport};
use cache::DecodeCache;
use lanes::{classify_lane, detail_lane, explain_lane};

pub(crate) use lanes::guarded;

/// Results under way to the window at most; each holds a thumbnail (about 100 kB) at worst.
const CHANNEL_LENGTH: usize = 64;

/// What the workers send to the window.
pub enum WorkerEvent {
    /// A worker took this photo from the queue.
    Started(PhotoId, u64),
    /// A photo's small picture, and the content it was made from.
    Thumbnail(PhotoId, ContentId, RgbImage),
    /// A photo was classified.
    Answered(PhotoId, u64, Box<PhotoAnswer>),
    /// A photo could not be read or classified.
    Failed(PhotoId, u64, Problem),
    /// The photo the user looks at, ready to show.
    Detail(PhotoId, Box<PhotoDetail>),
    /// It could not be read.
    DetailFailed(PhotoId, Problem),
    /// The file holds something else than what was classified.
    Changed(PhotoId),
    /// The heat map.
    HeatMapReady(PhotoId, Result<HeatMap, Problem>),
    /// A model is ready and in use.
    ModelReady(Arc<dyn Classify>),
    /// A model could not be opened; the old one stays.
    ModelFailed(ModelChoice, Problem),
    /// Files found in what was dropped, in order.
    Found(Vec<FoundFile>),
    /// The search is over.
    Scanned(ScanReport),
}

/// The photo the user looks at, large enough to show and no larger.
pub struct PhotoDetail {
    /// At most [`crate::read::SHOWN_SIDE`] pixels on its long side.
    pub shown: RgbImage,
    /// The exact pixels the network saw, when a model is there.
    pub crop: Option<RgbImage>,
    /// Where the crop lies in the photo.
    pub crop_region: Option<Region>,
    /// Full size of the photo, in pixels.
    pub width: u32,
    /// See `width`.
    pub height: u32,
    /// The content that is shown.
    pub content: ContentId,
}

struct ClassifyJob {
    id: PhotoId,
    source: PhotoSource,
    generation: u64,
}

enum DetailJob {
    Show(PhotoId, PhotoSource),
    Thumbnail(PhotoId, PhotoSource),
    Check(PhotoId, PathBuf, ContentId),
}

struct ExplainJob {
    id: PhotoId,
    source: PhotoSource,
    content: ContentId,
    index: usize,
    cancel: Cancel,
}

#[derive(Default)]
struct Queue {
    photos: VecDeque<ClassifyJob>,
    detail: VecDeque<DetailJob>,
    explain: Option<ExplainJob>,
    model: Option<Arc<dyn Classify>>,
    closing: bool,
}

struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
    cache: DecodeCache,
    /// Photo results of an older generation are stale: their model was replaced or the user stopped.
    generation: AtomicU64,
    /// Cancels the heat map under way.
    explain_cancel: Mutex<Cancel>,
    /// The newest model asked for.
    model_ticket: AtomicU64,
    /// Scanning goes on while this holds.
    scanning: AtomicBool,
    events: SyncSender<WorkerEvent>,
    wake_window: Box<dyn Fn() + Send + Sync>,
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// False when the window is gone.
    fn send(&self, event: WorkerEvent) -> bool {
        let open = self.events.send(event).is_ok();
        (self.wake_window)();
        open
    }

    /// Cancels the heat map under way and gives the flag for the next one.
    fn restart_explaining(&self) -> Cancel {
        let mut current = self
            .explain_cancel
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        current.cancel();
        *current = Cancel::default();
        current.clone()
    }

    fn is_stale(&self, generation: u64) -> bool {
        self.generation.load(Ordering::Acquire) != generation
    }
}

/// The window's handle on all threads. Dropping it lets them end.
pub struct Workers {
    shared: Arc<Shared>,
    events: Receiver<WorkerEvent>,
    opener: Arc<dyn OpenModel>,
}

impl Workers {
    /// Starts the threads. `wake_window` is called after every event, from any thread.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(
        opener: Arc<dyn OpenModel>,
        threads: usize,
        wake_window: impl Fn() + Send + Sync + 'static,
    ) -> std::io::Result<Self> {
        let (send, events) = sync_channel(CHANNEL_LENGTH);
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            changed: Condvar::new(),
            cache: DecodeCache::default(),
            generation: AtomicU64::new(0),
            explain_cancel: Mutex::default(),
            model_ticket: AtomicU64::new(0),
            scanning: AtomicBool::new(true),
            events: send,
            wake_window: Box::new(wake_window),
        });
        for number in 0..threads.max(1) {
            spawn(&format!("classify-{number}"), &shared, classify_lane)?;
        }
        spawn("detail", &shared, detail_lane)?;
        spawn("explain", &shared, explain_lane)?;
        Ok(Self {
            shared,
            events,
            opener,
        })
    }

    /// Threads that leave the window one core, on machines that have several.
    pub fn default_threads() -> usize {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        cores.saturating_sub(1).clamp(1, 8)
    }

    /// The next event, if one is there.
    pub fn poll(&self) -> Option<WorkerEvent> {
        self.events.try_recv().ok()
    }

    /// Results must carry this to count.
    pub fn generation(&self) -> u64 {
        self.shared.generation.load(Ordering::Acquire)
    }

    /// How many photos were decoded so far, for tests.
    pub fn decodes(&self) -> usize {
        self.shared.cache.decodes()
    }

    /// Puts photos at the end of the queue.
    pub fn classify(&self, photos: impl IntoIterator<Item = (PhotoId, PhotoSource)>) {
        let generation = self.generation();
        let jobs = photos.into_iter().map(|(id, source)| ClassifyJob {
            id,
            source,
            generation,
        });
        self.shared.queue().photos.extend(jobs);
        self.shared.changed.notify_all();
    }

    /// [`Workers::clear_queue`], and ends the search through folders too: what Cancel does.
    pub fn cancel(&self) {
        self.shared.scanning.store(false, Ordering::Release);
        self.clear_queue();
    }

    /// Forgets every photo still waiting and every answer under way; takes no longer than the lock.
    pub fn clear_queue(&self) {
        let mut queue = self.shared.queue();
        self.shared.generation.fetch_add(1, Ordering::AcqRel);
        queue.photos.clear();
    }

    /// Forgets photos that were removed.
    pub fn remove(&self, ids: &[PhotoId]) {
        let gone: HashSet<_> = ids.iter().copied().collect();
        self.shared
            .queue()
            .photos
            .retain(|job| !gone.contains(&job.id));
    }

    /// Prepares a photo to be shown; replaces what was asked before.
    pub fn show(&self, id: PhotoId, source: PhotoSource) {
        self.shared.cache.want(Some(id));
        let mut queue = self.shared.queue();
        queue
            .detail
            .retain(|job| !matches!(job, DetailJob::Show(..)));
        queue.detail.push_front(DetailJob::Show(id, source));
        drop(queue);
        self.shared.changed.notify_all();
    }

    /// No photo is shown any more: gives its memory back.
    pub fn hide(&self) {
        self.shared.cache.want(None);
        self.shared
            .queue()
            .detail
            .retain(|job| !matches!(job, DetailJob::Show(..)));
    }

    /// Makes a thumbnail that was thrown away.
    pub fn make_thumbnail(&self, id: PhotoId, source: PhotoSource) {
        self.shared
            .queue()
            .detail
            .push_back(DetailJob::Thumbnail(id, source));
        self.shared.changed.notify_all();
    }

    /// Looks whether a file is still the one that was classified; says so only when it is not.
    pub fn check_unchanged(&self, id: PhotoId, path: PathBuf, content: ContentId) {
        self.shared
            .queue()
            .detail
            .push_back(DetailJob::Check(id, path, content));
        self.shared.changed.notify_all();
    }

    /// Asks where in the photo the evidence for class `index` lies; replaces what was asked before. `content` is what
    /// was classified.
    pub fn explain(&self, id: PhotoId, source: PhotoSource, content: ContentId, index: usize) {
        let cancel = self.shared.restart_explaining();
        self.shared.queue().explain = Some(ExplainJob {
            id,
            source,
            content,
            index,
            cancel,
        });
        self.shared.changed.notify_all();
    }

    /// Cancels the heat map under way.
    pub fn cancel_explaining(&self) {
        self.shared.restart_explaining();
        self.shared.queue().explain = None;
    }

    /// Opens a model in a thread of its own; the newest request wins.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn open_model(&self, choice: ModelChoice) -> std::io::Result<()> {
        let shared = Arc::clone(&self.shared);
        let opener = Arc::clone(&self.opener);
        let ticket = shared.model_ticket.fetch_add(1, Ordering::AcqRel) + 1;
        std::thread::Builder::new()
            .name("model".into())
            .spawn(move || {
                let opened = guarded(|| opener.open(&choice)).unwrap_or_else(|| {
                    Err(Problem::new(
                        "The file is damaged in a way that the model reader cannot handle.",
                        "Export the model again, or choose another one.",
                    ))
                });
                if shared.model_ticket.load(Ordering::Acquire) != ticket {
                    return;
                }
                match opened {
                    Ok(model) => {
                        shared.queue().model = Some(Arc::clone(&model));
                        shared.changed.notify_all();
                        shared.send(WorkerEvent::ModelReady(model));
                    }
                    Err(problem) => {
                        shared.send(WorkerEvent::ModelFailed(choice, problem));
                    }
                }
            })?;
        Ok(())
    }

    /// Looks through dropped files and folders in a thread of its own.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn scan(&self, paths: Vec<PathBuf>) -> std::io::Result<()> {
        let shared = Arc::clone(&self.shared);
        shared.scanning.store(true, Ordering::Release);
        std::thread::Builder::new()
            .name("scan".into())
            .spawn(move || {
                let go_on = || shared.scanning.load(Ordering::Acquire);
                let report = scan::scan(&paths, &go_on, &mut |found| {
                    shared.send(WorkerEvent::Found(found));
                });
                shared.send(WorkerEvent::Scanned(report));
            })?;
        Ok(())
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        let mut queue = self.shared.queue();
        queue.closing = true;
        queue.photos.clear();
        queue.detail.clear();
        queue.explain = None;
        drop(queue);
        self.shared.generation.fetch_add(1, Ordering::AcqRel);
        self.shared.restart_explaining();
        self.shared.scanning.store(false, Ordering::Release);
        self.shared.changed.notify_all();
    }
}

fn spawn(name: &str, shared: &Arc<Shared>, lane: fn(&Shared)) -> std::io::Result<()> {
    let shared = Arc::clone(shared);
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || lane(&shared))
        .map(drop)
}
