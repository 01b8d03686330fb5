//! One JSON object a line. The schema is versioned: within a version keys are only added, never changed or removed.
//!
//! ```json
//! {"schema":1,"path":"a.jpg","model":"efficientnet-lite0","predictions":[{"index":281,"id":"n02123045","label":"tabby","probability":0.62}]}
//! {"schema":1,"path":"broken.jpg","error":"...","code":"image.truncated"}
//! ```
//!
//! `answer` is the everyday word (`id`, `label`, `probability`, `sure`, and how many `classes` it covers), where the
//! model knows words above its classes; `--labels-as leaf` leaves it out.
//! `sure` (true or false) is there with `--abstain`, and is about the best class. `id` is null for a class without one. A picture that could only be
//! read in part has `"damaged":true` and `damage`, which says what is wrong; one of a camera's raw files, of which only
//! the preview is read, `"preview":true`. A path that is not UTF-8 has `path_bytes`,
//! its bytes in base64. `code` is a stable name of the error. Models whose classes do not
//! exclude each other add `"answers":"binary"` or `"answers":"multi_label"`, `"threshold"`, and `"present"` to each
//! prediction; their scores need not sum to 1.

use std::io::{self, Write};

use inference::{Answers, EverydayAnswer, Prediction};
use serde::Serialize;

use super::{FailureReason, Named, Shown, Writer};

/// The version of the schema.
pub const SCHEMA: u32 = 1;

/// Writes JSON lines.
pub struct JsonLines<W> {
    out: W,
}

#[derive(Serialize)]
struct Answer<'a> {
    schema: u32,
    path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_bytes: Option<String>,
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sure: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    damaged: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    damage: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    preview: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answers: Option<Answers>,
    #[serde(skip_serializing_if = "Option::is_none")]
    threshold: Option<f32>,
    predictions: &'a [&'a Prediction],
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<&'a EverydayAnswer>,
}

#[derive(Serialize)]
struct Failure<'a> {
    schema: u32,
    path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_bytes: Option<String>,
    error: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
}

impl<W: Write> JsonLines<W> {
    /// Writes onto `out`.
    pub fn new(out: W) -> Self {
        Self { out }
    }

    fn line(&mut self, value: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.out, value)?;
        self.out.write_all(b"\n")?;
        self.out.flush()
    }
}

/// The object for one answer, as the HTTP service gives it too.
pub fn answer_object(shown: &Shown<'_>) -> serde_json::Result<String> {
    serde_json::to_string(&answer(shown))
}

/// The object for one failure, as the HTTP service gives it too.
pub fn failure_object(image: Named<'_>, problem: FailureReason<'_>) -> serde_json::Result<String> {
    serde_json::to_string(&failure(image, problem))
}

fn answer<'a>(shown: &'a Shown<'a>) -> Answer<'a> {
    Answer {
        schema: SCHEMA,
        path: shown.image.path,
        path_bytes: shown.image.path_bytes(),
        model: shown.model,
        sure: shown.sure,
        damaged: shown.damage.map(|_| true),
        damage: shown.damage.map(ToString::to_string),
        preview: shown.preview.then_some(true),
        answers: shown.independent.map(|(answers, _)| answers),
        threshold: shown.independent.map(|(_, threshold)| threshold),
        predictions: &shown.predictions,
        answer: shown.everyday.as_ref(),
    }
}

fn failure<'a>(image: Named<'a>, problem: FailureReason<'a>) -> Failure<'a> {
    Failure {
        schema: SCHEMA,
        path: image.path,
        path_bytes: image.path_bytes(),
        error: problem.error,
        code: problem.code,
    }
}

impl<W: Write> Writer for JsonLines<W> {
    fn answer(&mut self, shown: &Shown<'_>) -> io::Result<()> {
        self.line(&answer(shown))
    }

    fn failure(&mut self, image: Named<'_>, problem: FailureReason<'_>) -> io::Result<()> {
        self.line(&failure(image, problem))
    }
}
