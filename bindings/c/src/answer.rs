//! What a classifier answered about one picture. The answer owns its texts, so they live as long as it does.

use std::ffi::{CString, c_char};
use std::ptr;

use image_data::decode::Format;
use inference::Prediction;
use inference::stream::Outcome;

use crate::error::{Failed, Status, c_string, guard};
use crate::input;

/// What a classifier answered about one picture: classes, best first. Free it with `resnet50_answer_free`.
pub struct AnswerHandle {
    classes: Vec<Class>,
    warning: Option<CString>,
}

struct Class {
    index: usize,
    id: Option<CString>,
    label: CString,
    probability: f32,
    present: Presence,
}

/// Whether a class counts as present, where classes do not exclude each other.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// Exactly one class is right, so the question does not arise.
    NotAsked = 0,
    /// The score does not reach the model's threshold.
    Absent = 1,
    /// The score reaches the model's threshold.
    Present = 2,
}

/// One class and how sure the model is. The texts belong to the answer.
#[repr(C)]
pub struct ClassScore {
    /// Place of the class in the network's output, from 0.
    pub index: usize,
    /// The class's id (WordNet for ImageNet); NULL if it has none.
    pub id: *const c_char,
    /// The class's name.
    pub label: *const c_char,
    /// The class's score, 0 to 1.
    pub probability: f32,
    /// Whether it counts as present.
    pub present: Presence,
}

impl AnswerHandle {
    pub(crate) fn new(predictions: Vec<Prediction>, warning: Option<String>) -> Box<Self> {
        let class = |one: Prediction| Class {
            index: one.index,
            id: one.id.as_deref().map(c_string),
            label: c_string(&one.label),
            probability: one.probability,
            present: match one.present {
                None => Presence::NotAsked,
                Some(false) => Presence::Absent,
                Some(true) => Presence::Present,
            },
        };
        Box::new(Self {
            classes: predictions.into_iter().map(class).collect(),
            warning: warning.as_deref().map(c_string),
        })
    }

    pub(crate) fn of(outcome: Outcome) -> Box<Self> {
        let warning = match &outcome.damage {
            Some(damage) => Some(format!(
                "the picture is damaged, so the answer may be wrong: {damage}"
            )),
            None if outcome.format == Format::Raw => Some(format!(
                "answered by the camera's preview inside the raw file, {} x {}",
                outcome.size[0], outcome.size[1]
            )),
            None => None,
        };
        Self::new(outcome.predictions, warning)
    }
}

fn pointer(text: Option<&CString>) -> *const c_char {
    text.map_or(ptr::null(), |text| text.as_ptr())
}

/// How many classes the answer holds; 0 for NULL.
///
/// # Safety
/// `answer` is NULL or an answer that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn resnet50_answer_count(answer: *const AnswerHandle) -> usize {
    // SAFETY: the caller's promise.
    unsafe { answer.as_ref() }.map_or(0, |answer| answer.classes.len())
}

/// Writes the class at `place` (0 is the best) to `score`. Its texts live as long as the answer.
///
/// # Safety
/// `answer` is NULL or an answer that was not freed; `score` is NULL or a place for a score.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn resnet50_answer_get(
    answer: *const AnswerHandle,
    place: usize,
    score: *mut ClassScore,
) -> Status {
    guard(|| {
        // SAFETY: the caller's promise.
        let (answer, score) = unsafe {
            (
                input::reference(answer, "answer")?,
                input::place(score, "score")?,
            )
        };
        let class = answer.classes.get(place).ok_or_else(|| {
            Failed::argument(format!(
                "place: expected less than {}, got {place}",
                answer.classes.len()
            ))
        })?;
        *score = ClassScore {
            index: class.index,
            id: pointer(class.id.as_ref()),
            label: class.label.as_ptr(),
            probability: class.probability,
            present: class.present,
        };
        Ok(())
    })
}

/// Why the answer may be wrong (the picture is damaged, or only a preview was read); NULL where nothing is known
/// against it. The text lives as long as the answer.
///
/// # Safety
/// `answer` is NULL or an answer that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn resnet50_answer_warning(answer: *const AnswerHandle) -> *const c_char {
    // SAFETY: the caller's promise.
    let answer = unsafe { answer.as_ref() };
    pointer(answer.and_then(|answer| answer.warning.as_ref()))
}

/// Frees an answer and its texts. NULL is fine.
///
/// # Safety
/// `answer` is NULL or an answer that was not freed, and nobody uses it or its texts afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn resnet50_answer_free(answer: *mut AnswerHandle) {
    if !answer.is_null() {
        // SAFETY: it came from `Box::into_raw`, and the caller gives it up.
        drop(unsafe { Box::from_raw(answer) });
    }
}
