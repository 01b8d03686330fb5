//! What each lane of threads does with its jobs: look at a photo, prepare the one that is shown, find out why. It ends when the window closes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::PoisonError;
use std::time::Instant;

use super::{Detail, DetailJob, Event, PhotoJob, Queue, Shared};
use crate::classify::{Classify, KEPT_ANSWERS, Problem};
use crate::photo::{Answer, Source};
use crate::read;

/// Runs `work`; a panic becomes its message.
pub(super) fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
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

pub(super) fn photos_lane(shared: &Shared) {
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

pub(super) fn detail_lane(shared: &Shared) {
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

pub(super) fn why_lane(shared: &Shared) {
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
