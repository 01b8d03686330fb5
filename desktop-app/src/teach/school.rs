//! Looks at photos, learns, tries and writes, in threads of their own. Each photo is looked at once: a class that
//! changes costs only its new photos. The newest board wins, and what came of an older one is dropped.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use model_core::atomic_file;
use model_core::sync::lock;
use photos::teach::{Findings, Lesson, TeachConfig};

use super::network::problem_of_teaching;
use super::seen::{SeenPhotos, kept_of_classes, leave_out_thin_classes};
use super::{Arrangement, KeptClass, PhotoClass, Teach, kept_classes};
use crate::classify::{Cancel, Classify, ModelChoice, OpenModel};
use crate::content::FileStamp;
use crate::photo::{PhotoAnswer, PhotoSource};
use crate::problem::{Problem, reason};
use crate::read;
use crate::worker::guarded;

/// Photos after which what was seen is kept, so that a stop loses little.
const CHUNK: usize = 32;

/// What came of a lesson.
pub struct LearnOutcome {
    /// What was learned; a lesson is written from here.
    lesson: Lesson,
    /// Classes that are not learned yet, because they have fewer than two different photos.
    pub left_out: Vec<String>,
    /// Photos that could not be used, and why.
    pub failed: Vec<(PathBuf, Problem)>,
    /// The model of it, once it was tried.
    tried: Mutex<Option<Arc<dyn Classify>>>,
}

impl LearnOutcome {
    /// What is to be said of it.
    pub fn findings(&self) -> &Findings {
        &self.lesson.findings
    }
}

/// How far the learning is.
#[derive(Default)]
pub enum LearnState {
    /// There is nothing to learn from: two classes with two photos each are needed.
    #[default]
    TooLittle,
    /// Photos are looked at: how many of how many.
    Looking(usize, usize),
    /// All photos are seen, the layer is being learned.
    Learning,
    /// The user stopped it.
    Stopped,
    /// It is learned.
    Learned(Arc<LearnOutcome>),
    /// It cannot be learned; and photos that could not be used.
    Failed(Problem, Vec<(PathBuf, Problem)>),
}

/// What the school sends to the window.
pub enum SchoolEvent {
    /// Whether this model can be built on, and what it keeps of the photos that it was taught from.
    Base(ModelChoice, Result<Vec<KeptClass>, Problem>),
    /// The learning has come this far.
    State(LearnState),
    /// A photo was tried.
    Tried(PathBuf, Result<PhotoAnswer, Problem>),
    /// The model was written, or not.
    Written(PathBuf, Result<(), Problem>),
}

#[derive(Default)]
struct Shared {
    /// The model whose network looks at the photos.
    base: ModelChoice,
    teacher: Mutex<Option<Arc<dyn Teach>>>,
    seen: Mutex<SeenPhotos>,
    /// The newest board.
    newest: AtomicU64,
    /// One board at a time is looked at.
    looking: Mutex<()>,
}

/// Sends what happened to the window, from any thread.
pub type Tell = Arc<dyn Fn(SchoolEvent) + Send + Sync>;

/// The window's handle on the threads that learn.
pub struct School {
    opener: Arc<dyn OpenModel>,
    shared: Arc<Shared>,
    cancel: Cancel,
}

impl School {
    /// No thread runs until there is something to learn.
    pub fn new(opener: Arc<dyn OpenModel>) -> Self {
        Self {
            opener,
            shared: Arc::default(),
            cancel: Cancel::default(),
        }
    }

    /// Stops what is being learned.
    pub fn stop(&mut self) {
        self.cancel.cancel();
        self.cancel = Cancel::default();
        self.shared.newest.fetch_add(1, Ordering::AcqRel);
    }

    /// Looks whether a model can be built on.
    pub fn consider(&self, base: ModelChoice, tell: &Tell) {
        let (opener, tell) = (Arc::clone(&self.opener), Arc::clone(tell));
        crate::desktop::in_thread("consider model", move || {
            let found = guarded(|| opener.teacher(&base))
                .unwrap_or_else(|| Err(Problem::broken_model()))
                .map(|teacher| kept_classes(teacher.kept()));
            tell(SchoolEvent::Base(base, found));
        });
    }

    /// Learns these classes, in place of what is being learned.
    pub fn learn(&mut self, classes: Arrangement, tell: &Tell) {
        self.stop();
        let Arrangement { base, classes } = classes;
        if self.shared.base != base {
            // What another network saw in the photos means nothing to this one.
            self.shared = Arc::new(Shared {
                base,
                ..Shared::default()
            });
        }
        let (shared, opener, cancel) = (
            Arc::clone(&self.shared),
            Arc::clone(&self.opener),
            self.cancel.clone(),
        );
        let ticket = shared.newest.load(Ordering::Acquire);
        let tell = Arc::clone(tell);
        crate::desktop::in_thread("learn", move || {
            let newest = || shared.newest.load(Ordering::Acquire) == ticket;
            let tell_state = |state| {
                if newest() {
                    tell(SchoolEvent::State(state));
                }
            };
            let _alone = lock(&shared.looking);
            if !newest() {
                return;
            }
            let learned =
                guarded(|| learn(&shared, opener.as_ref(), &classes, &cancel, &tell_state));
            let state = learned.unwrap_or_else(|| Some(broken()));
            if let Some(state) = state {
                tell_state(state);
            }
        });
    }

    /// Asks what was learned about one photo.
    pub fn try_on(&self, outcome: Arc<LearnOutcome>, path: PathBuf, tell: &Tell) {
        let (shared, opener, tell) = (
            Arc::clone(&self.shared),
            Arc::clone(&self.opener),
            Arc::clone(tell),
        );
        crate::desktop::in_thread("try", move || {
            let answer = guarded(|| try_on(&shared, opener.as_ref(), &outcome, &path))
                .unwrap_or_else(|| Err(Problem::broken_reader()));
            tell(SchoolEvent::Tried(path, answer));
        });
    }

    /// Writes what was learned as a model file, which is called as the file is.
    pub fn write(&self, outcome: Arc<LearnOutcome>, path: PathBuf, tell: &Tell) {
        let (shared, opener, tell) = (
            Arc::clone(&self.shared),
            Arc::clone(&self.opener),
            Arc::clone(tell),
        );
        crate::desktop::in_thread("write model", move || {
            let stem = path.file_stem().unwrap_or_default();
            let written = teacher(&shared, opener.as_ref())
                .and_then(|teacher| teacher.to_onnx(&outcome.lesson, &stem.to_string_lossy()))
                .and_then(|bytes| {
                    atomic_file::write(&path, &bytes).map_err(|error| {
                        Problem::new(
                            format!(
                                "{} could not be written: {}.",
                                path.display(),
                                reason(&error.reason)
                            ),
                            "Choose another folder.",
                        )
                    })
                });
            tell(SchoolEvent::Written(path, written));
        });
    }
}

impl Drop for School {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The teacher, opened when it is first needed.
fn teacher(shared: &Shared, opener: &dyn OpenModel) -> Result<Arc<dyn Teach>, Problem> {
    let mut teacher = lock(&shared.teacher);
    if let Some(teacher) = &*teacher {
        return Ok(Arc::clone(teacher));
    }
    let opened = opener.teacher(&shared.base)?;
    *teacher = Some(Arc::clone(&opened));
    Ok(opened)
}

/// `None` when it was stopped.
fn learn(
    shared: &Shared,
    opener: &dyn OpenModel,
    classes: &[PhotoClass],
    cancel: &Cancel,
    tell: &dyn Fn(LearnState),
) -> Option<LearnState> {
    let all: Vec<&PathBuf> = classes.iter().flat_map(|class| &class.photos).collect();
    let unseen: Vec<PathBuf> = {
        let seen = lock(&shared.seen);
        let new = all.iter().filter(|path| !seen.knows(path));
        new.map(|path| (*path).clone()).collect()
    };
    let mut kept = Vec::new();
    if !unseen.is_empty() || classes.iter().any(|class| class.kept.is_some()) {
        let mut done = all.len() - unseen.len();
        tell(LearnState::Looking(done, all.len()));
        let teacher = match teacher(shared, opener) {
            Ok(teacher) => teacher,
            Err(problem) => return Some(LearnState::Failed(problem, Vec::new())),
        };
        kept = kept_of_classes(teacher.kept(), classes);
        for chunk in unseen.chunks(CHUNK) {
            let stamps: Vec<_> = chunk.iter().map(|path| FileStamp::of(path)).collect();
            let stamps: HashMap<&PathBuf, _> = chunk.iter().zip(stamps).collect();
            let there = lock(&shared.seen).note_gone(chunk);
            done += chunk.len() - there.len();
            let looked = teacher.look(&there, cancel, &mut |_| {
                done += 1;
                tell(LearnState::Looking(done, all.len()));
            });
            match looked {
                Ok(Some(looked)) => {
                    let mut seen = lock(&shared.seen);
                    for (path, photo) in looked {
                        let stamp = stamps.get(&path).copied().flatten();
                        seen.note(path, stamp, photo);
                    }
                }
                Ok(None) => return None,
                Err(problem) => return Some(LearnState::Failed(problem, Vec::new())),
            }
        }
    }
    if cancel.is_cancelled() {
        return None;
    }
    tell(LearnState::Learning);
    let (mut photos, failed) = lock(&shared.seen).of_classes(classes);
    photos.extend(kept);
    let left_out = leave_out_thin_classes(&mut photos);
    let config = TeachConfig::default();
    Some(match Lesson::learn(photos, &config) {
        Ok(lesson) => LearnState::Learned(Arc::new(LearnOutcome {
            lesson,
            left_out,
            failed,
            tried: Mutex::default(),
        })),
        Err(error) => LearnState::Failed(problem_of_teaching(&error), failed),
    })
}

fn broken() -> LearnState {
    let what = "One of these photos is damaged in a way that the picture reader cannot handle.";
    let remedy = "Take the photos out that were added last.";
    LearnState::Failed(Problem::new(what, remedy), Vec::new())
}

fn try_on(
    shared: &Shared,
    opener: &dyn OpenModel,
    outcome: &LearnOutcome,
    path: &Path,
) -> Result<PhotoAnswer, Problem> {
    let started = std::time::Instant::now();
    let model = {
        let mut tried = lock(&outcome.tried);
        match &*tried {
            Some(model) => Arc::clone(model),
            None => {
                let teacher = teacher(shared, opener)?;
                // The very file that would be written.
                let model = teacher.open(teacher.to_onnx(&outcome.lesson, "taught")?)?;
                *tried = Some(Arc::clone(&model));
                model
            }
        }
    };
    let source = PhotoSource::File(path.to_owned());
    let photo = read::load(&source, &model.reading(), &Mutex::new(()))?;
    PhotoAnswer::of(model.as_ref(), &photo, started)
}
