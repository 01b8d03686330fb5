//! One JSON object a line. The schema is versioned: within a version keys are only added, never changed or removed.
//!
//! ```json
//! {"schema":1,"path":"a.jpg","model":"efficientnet-lite0","predictions":[{"index":281,"id":"n02123045","label":"tabby","probability":0.62}]}
//! {"schema":1,"path":"broken.jpg","error":"..."}
//! ```
//!
//! `answer` is the everyday word (`id`, `label`, `probability`, `sure`, and how many `classes` it covers), where the
//! model knows words above its classes; `--labels-as leaf` leaves it out.
//! `sure` (true or false) is there with `--abstain`, and is about the best class. `id` is null for a class without one.

use std::io::{self, Write};

use inference::Prediction;
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
    predictions: &'a [&'a Prediction],
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<Word<'a>>,
}

/// The finest everyday word that is likely enough, or the best class where none is.
#[derive(Serialize)]
struct Word<'a> {
    id: Option<&'a str>,
    label: &'a str,
    probability: f32,
    sure: bool,
    /// How many classes the word covers.
    classes: usize,
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
        predictions: &shown.predictions,
        answer: shown.everyday.as_ref().map(|word| Word {
            id: word.id.as_deref(),
            label: &word.label,
            probability: word.probability,
            sure: word.sure,
            classes: word.classes.len(),
        }),
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
