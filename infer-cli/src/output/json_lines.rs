//! One JSON object a line. The schema is versioned: within a version keys are only added, never changed or removed.
//!
//! ```json
//! {"schema":1,"path":"a.jpg","model":"efficientnet-lite0","predictions":[{"index":281,"id":"n02123045","label":"tabby","probability":0.62}]}
//! {"schema":1,"path":"broken.jpg","error":"..."}
//! ```
//!
//! `sure` (true or false) is there with `--abstain`. `id` is null for a class without one. Models whose classes do not
//! exclude each other add `"answers":"binary"` or `"answers":"multi_label"`, `"threshold"`, and `"present"` to each
//! prediction; their scores need not sum to 1.

use std::io::{self, Write};

use inference::{Answers, Prediction};
use serde::Serialize;

use super::{Shown, Writer};

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
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sure: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answers: Option<Answers>,
    #[serde(skip_serializing_if = "Option::is_none")]
    threshold: Option<f32>,
    predictions: &'a [&'a Prediction],
}

#[derive(Serialize)]
struct Failure<'a> {
    schema: u32,
    path: &'a str,
    error: &'a str,
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
pub fn failure_object(path: &str, error: &str) -> serde_json::Result<String> {
    let schema = SCHEMA;
    serde_json::to_string(&Failure {
        schema,
        path,
        error,
    })
}

fn answer<'a>(shown: &'a Shown<'a>) -> Answer<'a> {
    Answer {
        schema: SCHEMA,
        path: shown.path,
        model: shown.model,
        sure: shown.sure,
        answers: shown.independent.map(|(answers, _)| answers),
        threshold: shown.independent.map(|(_, threshold)| threshold),
        predictions: &shown.predictions,
    }
}

impl<W: Write> Writer for JsonLines<W> {
    fn answer(&mut self, shown: &Shown<'_>) -> io::Result<()> {
        self.line(&answer(shown))
    }

    fn failure(&mut self, path: &str, error: &str) -> io::Result<()> {
        let schema = SCHEMA;
        self.line(&Failure {
            schema,
            path,
            error,
        })
    }
}
