//! Everything slow, off the window's thread: opening models, reading photos, asking the network, explaining an answer.
//!
//! Three lanes of named threads share one queue behind a mutex: `photos` (several threads, the long list), `detail` (one thread, what the
//! user looks at now) and `why` (one thread, heat maps). Results come back through a bounded channel: when the window does not keep up, the
//! workers wait, and memory stays bounded. A photo that makes a decoder panic costs that photo only. No egui here.

mod lanes;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use model_core::RgbImage;

use crate::classify::{Cancel, Classify, ModelSource, OpenModel, Problem};
use crate::heat::Heat;
use crate::intake::{self, Report};
use crate::photo::{Answer, PhotoId, Source};
use lanes::{detail_lane, guarded, photos_lane, why_lane};

/// Results under way to the window at most; each holds a thumbnail (about 100 kB) at worst.
const CHANNEL_LENGTH: usize = 64;

/// What the workers tell the window.
pub enum Event {
    /// A worker took this photo from the queue.
    Started(PhotoId, u64),
    /// A photo's small picture.
    Thumbnail(PhotoId, RgbImage),
    /// A photo was classified.
    Answered(PhotoId, u64, Answer),
    /// A photo could not be read or classified.
    Failed(PhotoId, u64, Problem),
    /// The photo the user looks at, ready to show.
    Detail(PhotoId, Box<Detail>),
    /// It could not be read.
    DetailFailed(PhotoId, Problem),
    /// The heat map.
    HeatReady(PhotoId, Result<Heat, String>),
    /// A model is ready and in use.
    ModelReady(Arc<dyn Classify>),
    /// A model could not be opened; the old one stays.
    ModelFailed(ModelSource, Problem),
    /// Files found in what was dropped, in order.
    Found(Vec<PathBuf>),
    /// The search is over.
    Gathered(Report),
}

/// The photo the user looks at, large enough to show and no larger.
pub struct Detail {
    /// At most [`crate::read::SHOWN_SIDE`] pixels on its long side.
    pub shown: RgbImage,
    /// The exact pixels the network saw, when a model is there.
    pub crop: Option<RgbImage>,
    /// The crop in the photo, as parts of its width and height: left, top, right, bottom.
    pub crop_rect: Option<[f32; 4]>,
    /// Full size of the photo, in pixels.
    pub width: u32,
    /// See `width`.
    pub height: u32,
}

struct PhotoJob {
    id: PhotoId,
    source: Source,
    generation: u64,
}

enum DetailJob {
    Show(PhotoId, Source),
    Thumbnail(PhotoId, Source),
}

struct WhyJob {
    id: PhotoId,
    source: Source,
    index: usize,
    cancel: Cancel,
}

#[derive(Default)]
struct Queue {
    photos: VecDeque<PhotoJob>,
    detail: VecDeque<DetailJob>,
    why: Option<WhyJob>,
    model: Option<Arc<dyn Classify>>,
    closing: bool,
}

struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
    /// Photo results of an older generation are stale: their model was replaced or the user stopped.
    generation: AtomicU64,
    /// Stops the heat map under way.
    why: Mutex<Cancel>,
    /// The newest model asked for.
    model_ticket: AtomicU64,
    /// Gathering goes on while this holds.
    gathering: AtomicBool,
    /// Large photos are decoded one at a time, so that memory stays bounded.
    large: Mutex<()>,
    send: SyncSender<Event>,
    wake_window: Box<dyn Fn() + Send + Sync>,
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// False when the window is gone.
    fn tell(&self, event: Event) -> bool {
        let told = self.send.send(event).is_ok();
        (self.wake_window)();
        told
    }

    /// Stops the heat map under way and gives the flag for the next one.
    fn next_why(&self) -> Cancel {
        let mut current = self.why.lock().unwrap_or_else(PoisonError::into_inner);
        current.cancel();
        *current = Cancel::default();
        current.clone()
    }

    fn stale(&self, generation: u64) -> bool {
        self.generation.load(Ordering::Acquire) != generation
    }
}

/// The window's handle on all threads. Dropping it lets them end.
pub struct Workers {
    shared: Arc<Shared>,
    events: Receiver<Event>,
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
            generation: AtomicU64::new(0),
            why: Mutex::default(),
            model_ticket: AtomicU64::new(0),
            gathering: AtomicBool::new(true),
            large: Mutex::new(()),
            send,
            wake_window: Box::new(wake_window),
        });
        for number in 0..threads.max(1) {
            spawn(&format!("photos-{number}"), &shared, photos_lane)?;
        }
        spawn("detail", &shared, detail_lane)?;
        spawn("why", &shared, why_lane)?;
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
    pub fn poll(&self) -> Option<Event> {
        self.events.try_recv().ok()
    }

    /// Results must carry this to count.
    pub fn generation(&self) -> u64 {
        self.shared.generation.load(Ordering::Acquire)
    }

    /// Puts photos at the end of the queue.
    pub fn look_at(&self, photos: impl IntoIterator<Item = (PhotoId, Source)>) {
        let generation = self.generation();
        let jobs = photos.into_iter().map(|(id, source)| PhotoJob {
            id,
            source,
            generation,
        });
        self.shared.queue().photos.extend(jobs);
        self.shared.changed.notify_all();
    }

    /// [`Workers::forget_photos`], and ends the search through folders too: what Cancel does.
    pub fn stop(&self) {
        self.shared.gathering.store(false, Ordering::Release);
        self.forget_photos();
    }

    /// Forgets every photo still waiting and every answer under way; takes no longer than the lock.
    pub fn forget_photos(&self) {
        let mut queue = self.shared.queue();
        self.shared.generation.fetch_add(1, Ordering::AcqRel);
        queue.photos.clear();
    }

    /// Forgets a photo that was removed.
    pub fn forget(&self, ids: &[PhotoId]) {
        self.shared
            .queue()
            .photos
            .retain(|job| !ids.contains(&job.id));
    }

    /// Prepares a photo to be shown; replaces what was asked before.
    pub fn show(&self, id: PhotoId, source: Source) {
        let mut queue = self.shared.queue();
        queue
            .detail
            .retain(|job| !matches!(job, DetailJob::Show(..)));
        queue.detail.push_front(DetailJob::Show(id, source));
        drop(queue);
        self.shared.changed.notify_all();
    }

    /// Makes a thumbnail again that was dropped to save memory.
    pub fn thumbnail(&self, id: PhotoId, source: Source) {
        self.shared
            .queue()
            .detail
            .push_back(DetailJob::Thumbnail(id, source));
        self.shared.changed.notify_all();
    }

    /// Asks where in the photo the evidence for class `index` lies; replaces what was asked before.
    pub fn explain(&self, id: PhotoId, source: Source, index: usize) {
        let cancel = self.shared.next_why();
        self.shared.queue().why = Some(WhyJob {
            id,
            source,
            index,
            cancel,
        });
        self.shared.changed.notify_all();
    }

    /// Stops the heat map under way.
    pub fn stop_explaining(&self) {
        self.shared.next_why();
        self.shared.queue().why = None;
    }

    /// Opens a model in a thread of its own; the newest request wins.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn open_model(&self, source: ModelSource) -> std::io::Result<()> {
        let shared = Arc::clone(&self.shared);
        let opener = Arc::clone(&self.opener);
        let ticket = shared.model_ticket.fetch_add(1, Ordering::AcqRel) + 1;
        std::thread::Builder::new()
            .name("model".into())
            .spawn(move || {
                let opened = guarded(|| opener.open(&source)).unwrap_or_else(|text| {
                    Err(Problem::new(
                        format!(
                            "{} broke the program that reads models: {text}",
                            source.short_name()
                        ),
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
                        shared.tell(Event::ModelReady(model));
                    }
                    Err(problem) => {
                        shared.tell(Event::ModelFailed(source, problem));
                    }
                }
            })?;
        Ok(())
    }

    /// Looks through dropped files and folders in a thread of its own.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn gather(&self, paths: Vec<PathBuf>) -> std::io::Result<()> {
        let shared = Arc::clone(&self.shared);
        shared.gathering.store(true, Ordering::Release);
        std::thread::Builder::new()
            .name("gather".into())
            .spawn(move || {
                let go_on = || shared.gathering.load(Ordering::Acquire);
                let report = intake::gather(&paths, &go_on, &mut |found| {
                    shared.tell(Event::Found(found));
                });
                shared.tell(Event::Gathered(report));
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
        queue.why = None;
        drop(queue);
        self.shared.generation.fetch_add(1, Ordering::AcqRel);
        self.shared.next_why();
        self.shared.gathering.store(false, Ordering::Release);
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
