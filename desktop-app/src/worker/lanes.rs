//! What each lane of threads does with its jobs: classify a photo, prepare the one that is shown, explain its answer.
//! A lane ends when the window closes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::PoisonError;
use std::time::Instant;

use model_core::reading::ReadingConfig;

use super::{ClassifyJob, DetailJob, PhotoDetail, Queue, Shared, WorkerEvent};
use crate::classify::Classify;
use crate::content::FileStamp;
use crate::photo::{PhotoAnswer, PhotoId, PhotoSource};
use crate::problem::Problem;
use crate::read;

/// Runs `work`; `None` when it panicked. The panic's message is on standard error, where a report of the fault finds
/// it.
pub(crate) fn guarded<T>(work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok()
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

pub(super) fn classify_lane(shared: &Shared) {
    let take = |queue: &mut Queue| {
        let model = queue.model.clone()?;
        queue.photos.pop_front().map(|job| (job, model))
    };
    while let Some((job, model)) = next(shared, take) {
        shared.send(WorkerEvent::Started(job.id, job.generation));
        let outcome = guarded(|| classify(shared, &job, model.as_ref()))
            .unwrap_or_else(|| Err(Some(Problem::broken_reader())));
        let open = match outcome {
            Ok(answer) => shared.send(WorkerEvent::Answered(
                job.id,
                job.generation,
                Box::new(answer),
            )),
            Err(Some(problem)) => shared.send(WorkerEvent::Failed(job.id, job.generation, problem)),
            Err(None) => true,
        };
        if !open {
            return;
        }
    }
}

/// `Err(None)` when the user stopped meanwhile.
fn classify(
    shared: &Shared,
    job: &ClassifyJob,
    model: &dyn Classify,
) -> Result<PhotoAnswer, Option<Problem>> {
    let started = Instant::now();
    let photo = shared
        .cache
        .load(job.id, &job.source, &model.reading())
        .map_err(Some)?;
    if shared.is_stale(job.generation) {
        return Err(None);
    }
    shared.send(WorkerEvent::Thumbnail(
        job.id,
        photo.content,
        read::thumbnail(&photo.image),
    ));
    PhotoAnswer::of(model, &photo, started).map_err(|problem| Some(problem.brief("Not answered")))
}

pub(super) fn detail_lane(shared: &Shared) {
    let take = |queue: &mut Queue| {
        let model = queue.model.clone();
        queue.detail.pop_front().map(|job| (job, model))
    };
    while let Some((job, model)) = next(shared, take) {
        let open = match job {
            DetailJob::Show(id, source) => {
                match guarded(|| detail(shared, id, &source, model.as_deref()))
                    .unwrap_or_else(|| Err(Problem::broken_reader()))
                {
                    Ok(detail) => shared.send(WorkerEvent::Detail(id, Box::new(detail))),
                    Err(problem) => shared.send(WorkerEvent::DetailFailed(id, problem)),
                }
            }
            DetailJob::Thumbnail(id, source) => match guarded(|| {
                let reading = reading_of(model.as_deref());
                shared.cache.load(id, &source, &reading)
            }) {
                Some(Ok(photo)) => shared.send(WorkerEvent::Thumbnail(
                    id,
                    photo.content,
                    read::thumbnail(&photo.image),
                )),
                // The file went away or was damaged since it was classified: its tile must say so.
                Some(Err(_)) | None => shared.send(WorkerEvent::Changed(id)),
            },
            DetailJob::Check(id, path, content) => {
                if content.may_differ_from(FileStamp::of(&path)) {
                    shared.send(WorkerEvent::Changed(id))
                } else {
                    true
                }
            }
        };
        if !open {
            return;
        }
    }
}

/// How photos are read: as the model asks for, and as people see them while there is none.
fn reading_of(model: Option<&dyn Classify>) -> ReadingConfig {
    model.map_or_else(ReadingConfig::default, Classify::reading)
}

fn detail(
    shared: &Shared,
    id: PhotoId,
    source: &PhotoSource,
    model: Option<&dyn Classify>,
) -> Result<PhotoDetail, Problem> {
    let photo = shared.cache.load(id, source, &reading_of(model))?;
    let (width, height) = (photo.image.width, photo.image.height);
    Ok(PhotoDetail {
        shown: read::shown(&photo.image),
        crop: model.map(|model| model.crop(&photo.image)),
        crop_region: model.map(|model| model.crop_in_photo(width, height)),
        width,
        height,
        content: photo.content,
    })
}

pub(super) fn explain_lane(shared: &Shared) {
    let take = |queue: &mut Queue| {
        let model = queue.model.clone()?;
        queue.explain.take().map(|job| (job, model))
    };
    while let Some((job, model)) = next(shared, take) {
        let explained = guarded(|| {
            let photo = shared.cache.load(job.id, &job.source, &model.reading())?;
            if !photo.content.same_bytes(&job.content) {
                // The answer that is to be explained was given to another picture.
                return Ok(Explained::Changed);
            }
            model
                .explain(&photo.image, job.index, &job.cancel)
                .map(|heat_map| heat_map.map_or(Explained::Cancelled, Explained::Ready))
        })
        .unwrap_or_else(|| Err(Problem::broken_reader()));
        let event = match explained {
            Ok(Explained::Cancelled) => continue,
            Ok(Explained::Changed) => WorkerEvent::Changed(job.id),
            Ok(Explained::Ready(heat_map)) => WorkerEvent::HeatMapReady(job.id, Ok(heat_map)),
            Err(problem) => WorkerEvent::HeatMapReady(job.id, Err(problem)),
        };
        if !job.cancel.is_cancelled() && !shared.send(event) {
            return;
        }
    }
}

enum Explained {
    Ready(crate::heat_map::HeatMap),
    Changed,
    Cancelled,
}
