//! Everything slow, off the window's thread: opening models, reading photos, asking the network, explaining an answer.
//!
//! Three lanes of named threads share one queue behind a mutex: `photos` (several threads, the long list), `detail` (one thread, what the
//! user looks at now) and `why` (one thread, heat maps). Results come back through a bounded channel: when the window does not keep up, the
//! workers wait, and memory stays bounded. A photo that makes a decoder panic costs that photo only. No egui here.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use model_core::RgbImage;

use crate::classify::{Cancel, Classify, KEPT_ANSWERS, ModelSource, OpenModel, Problem};
use crate::heat::Heat;
use crate::intake::{self, Report};
use crate::photo::{Answer, PhotoId, Source};
use crate::read;

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
    /// At most [`read::SHOWN_SIDE`] pixels on its long side.
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

/// Runs `work`; a panic becomes its message.
fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_else(|| "unknown reason".to_owned())
    })
}

/// Waits until `take` gives a job; `None` when the window closes.
fn next<T>(shared: &Shared, mut take: impl FnMut(&mut Queue) -> Option<T>) -> Option<T> {
    let mut queue = shared.queue();
    loop {
        if queue.closing {
            return None;
        }
        if let Some(job) = take(&mut queue) {
            return Some(job);
        }
        queue = shared
            .changed
            .wait(queue)
            .unwrap_or_else(PoisonError::into_inner);
    }
}

fn photos_lane(shared: &Shared) {
    let take = |queue: &mut Queue| {
        let model = queue.model.clone()?;
        queue.photos.pop_front().map(|job| (job, model))
    };
    while let Some((job, model)) = next(shared, take) {
        shared.tell(Event::Started(job.id, job.generation));
        let outcome = guarded(|| look_at(shared, &job, model.as_ref())).unwrap_or_else(|text| {
            Err(Some(Problem::new(
                format!("This file broke the picture reader: {text}"),
                "It may be damaged: open it in an image editor and save it again.",
            )))
        });
        let told = match outcome {
            Ok(answer) => shared.tell(Event::Answered(job.id, job.generation, answer)),
            Err(Some(problem)) => shared.tell(Event::Failed(job.id, job.generation, problem)),
            Err(None) => true,
        };
        if !told {
            return;
        }
    }
}

/// `Err(None)` when the user stopped meanwhile.
fn look_at(
    shared: &Shared,
    job: &PhotoJob,
    model: &dyn Classify,
) -> Result<Answer, Option<Problem>> {
    let begun = Instant::now();
    let image = read::photo(&job.source, &shared.large).map_err(Some)?;
    if shared.stale(job.generation) {
        return Err(None);
    }
    let decoded = begun.elapsed();
    shared.tell(Event::Thumbnail(job.id, read::thumbnail(&image)));
    let asked = Instant::now();
    let predictions = model.classify(&image, KEPT_ANSWERS).map_err(|text| {
        Some(Problem::new(
            format!("The model could not look at this photo: {text}"),
            "Choose another model, or report this photo.",
        ))
    })?;
    Ok(Answer {
        predictions,
        model: model.card().name.clone(),
        took: decoded + asked.elapsed(),
        width: image.width,
        height: image.height,
    })
}

fn detail_lane(shared: &Shared) {
    let take = |queue: &mut Queue| {
        let model = queue.model.clone();
        queue.detail.pop_front().map(|job| (job, model))
    };
    while let Some((job, model)) = next(shared, take) {
        let told = match job {
            DetailJob::Show(id, source) => {
                match guarded(|| detail(shared, &source, model.as_deref())) {
                    Ok(Ok(detail)) => shared.tell(Event::Detail(id, Box::new(detail))),
                    Ok(Err(problem)) => shared.tell(Event::DetailFailed(id, problem)),
                    Err(text) => shared.tell(Event::DetailFailed(
                        id,
                        Problem::new(
                            format!("This file broke the picture reader: {text}"),
                            "It may be damaged: open it in an image editor and save it again.",
                        ),
                    )),
                }
            }
            DetailJob::Thumbnail(id, source) => {
                match guarded(|| {
                    read::photo(&source, &shared.large).map(|image| read::thumbnail(&image))
                }) {
                    Ok(Ok(small)) => shared.tell(Event::Thumbnail(id, small)),
                    // Its tile already says what is wrong with it, or will when it is looked at.
                    Ok(Err(_)) | Err(_) => true,
                }
            }
        };
        if !told {
            return;
        }
    }
}

fn detail(
    shared: &Shared,
    source: &Source,
    model: Option<&dyn Classify>,
) -> Result<Detail, Problem> {
    let image = read::photo(source, &shared.large)?;
    let (width, height) = (image.width, image.height);
    let crop_rect = model.map(|model| {
        let [left, top, right, bottom] = model.crop_in_photo(width, height);
        let (w, h) = (f64::from(width), f64::from(height));
        [left / w, top / h, right / w, bottom / h].map(|part| part as f32)
    });
    Ok(Detail {
        shown: read::shown(&image),
        crop: model.map(|model| model.crop(&image)),
        crop_rect,
        width,
        height,
    })
}

fn why_lane(shared: &Shared) {
    let take = |queue: &mut Queue| {
        let model = queue.model.clone()?;
        queue.why.take().map(|job| (job, model))
    };
    while let Some((job, model)) = next(shared, take) {
        let made = guarded(|| {
            let image = read::photo(&job.source, &shared.large).map_err(|problem| problem.what)?;
            model.explain(&image, job.index, &job.cancel)
        });
        let result = match made {
            Ok(Ok(None)) => continue,
            Ok(Ok(Some(heat))) => Ok(heat),
            Ok(Err(text)) | Err(text) => Err(text),
        };
        if !job.cancel.is_cancelled() && !shared.tell(Event::HeatReady(job.id, result)) {
            return;
        }
    }
}
