//! Answers as CSV or JSON lines. A JSON line is the one `infer-cli --json` prints for the same photo and model, byte
//! for byte.

use std::path::Path;

use serde::Serialize;

use crate::classify::{Answers, EverydayAnswer, Prediction};
use crate::photo::{Photo, PhotoState};

/// The version of the lines: `infer-cli`'s. A test holds them together.
const SCHEMA: u32 = 1;

#[derive(Serialize)]
struct Answered<'a> {
    schema: u32,
    path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_bytes: Option<String>,
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    damaged: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    damage: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answers: Option<Answers>,
    #[serde(skip_serializing_if = "Option::is_none")]
    threshold: Option<f32>,
    predictions: &'a [Prediction],
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<&'a EverydayAnswer>,
}

#[derive(Serialize)]
struct NotAnswered<'a> {
    schema: u32,
    path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_bytes: Option<String>,
    error: &'a str,
}

/// How to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportFormat {
    /// One row an answer: path, model, rank, index, id, label, probability, error.
    Csv,
    /// One object a line.
    JsonLines,
}

impl ExportFormat {
    /// By the ending of a file's name: `.csv`, else JSON lines.
    pub fn of(path: &Path) -> Self {
        if path
            .extension()
            .is_some_and(|e| e.eq_ignore_ascii_case("csv"))
        {
            Self::Csv
        } else {
            Self::JsonLines
        }
    }
}

/// The answers of `photos` with the best `k` labels each; photos not looked at yet are left out.
///
/// # Errors
/// Never for what the window holds; the writers' errors are passed on.
pub fn write<'a>(
    photos: impl IntoIterator<Item = &'a Photo>,
    k: usize,
    format: ExportFormat,
) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    match format {
        ExportFormat::JsonLines => {
            let mut lines = Vec::new();
            for photo in photos {
                if let Some(line) = json_line(photo, k)? {
                    lines.extend_from_slice(line.as_bytes());
                    lines.push(b'\n');
                }
            }
            Ok(lines)
        }
        ExportFormat::Csv => {
            let mut rows = csv::Writer::from_writer(Vec::new());
            rows.write_record(COLUMNS)?;
            for photo in photos {
                write_rows(&mut rows, photo, k)?;
            }
            Ok(rows.into_inner()?)
        }
    }
}

/// The columns of the CSV file: `infer-cli`'s but for `sure`, which is asked for there by a threshold of its own.
const COLUMNS: [&str; 16] = [
    "path",
    "model",
    "rank",
    "index",
    "id",
    "label",
    "probability",
    "error",
    "damaged",
    "damage",
    "path_bytes",
    "present",
    "answer",
    "answer_id",
    "answer_probability",
    "answer_sure",
];

fn write_rows(rows: &mut csv::Writer<Vec<u8>>, photo: &Photo, k: usize) -> csv::Result<()> {
    let path = photo.source.location();
    let path_bytes = path_bytes(photo).unwrap_or_default();
    match &photo.state {
        PhotoState::Done(answer) => {
            let damage = answer.damage.as_deref().unwrap_or_default();
            let damaged = if answer.damage.is_some() { "true" } else { "" };
            let word = answer.everyday.as_ref();
            let probability = word.map(|word| word.probability.to_string());
            for (rank, p) in answer.predictions.iter().take(k).enumerate() {
                rows.write_record([
                    path.as_str(),
                    &answer.model,
                    &(rank + 1).to_string(),
                    &p.index.to_string(),
                    p.id.as_deref().unwrap_or_default(),
                    &p.label,
                    &p.probability.to_string(),
                    "",
                    damaged,
                    damage,
                    &path_bytes,
                    p.present
                        .map_or("", |present| if present { "true" } else { "false" }),
                    word.map_or("", |word| &word.label),
                    word.and_then(|word| word.id.as_deref()).unwrap_or_default(),
                    probability.as_deref().unwrap_or_default(),
                    word.map_or("", |word| if word.sure { "true" } else { "false" }),
                ])?;
            }
        }
        PhotoState::Failed(problem) => {
            let error = problem.what.as_str();
            rows.write_record([
                path.as_str(),
                "",
                "",
                "",
                "",
                "",
                "",
                error,
                "",
                "",
                &path_bytes,
                "",
                "",
                "",
                "",
                "",
            ])?;
        }
        PhotoState::Waiting | PhotoState::Working | PhotoState::Stopped => {}
    }
    Ok(())
}

/// The bytes of a path that is no UTF-8, in base64, so that it can be found again.
fn path_bytes(photo: &Photo) -> Option<String> {
    use base64::Engine as _;
    let path = photo.source.path().filter(|path| path.to_str().is_none())?;
    let bytes = path.as_os_str().as_encoded_bytes();
    Some(base64::engine::general_purpose::STANDARD.encode(bytes))
}

/// One photo as one JSON object, `None` when it was not looked at yet.
///
/// # Errors
/// Never in practice; passed on from the writer.
pub fn json_line(photo: &Photo, k: usize) -> Result<Option<String>, serde_json::Error> {
    let path = photo.source.location();
    match &photo.state {
        PhotoState::Done(answer) => serde_json::to_string(&Answered {
            schema: SCHEMA,
            path: &path,
            path_bytes: path_bytes(photo),
            model: &answer.model,
            damaged: answer.damage.as_ref().map(|_| true),
            damage: answer.damage.as_deref(),
            answers: (answer.kind != Answers::SingleLabel).then_some(answer.kind),
            threshold: (answer.kind != Answers::SingleLabel).then_some(answer.threshold),
            predictions: &answer.predictions[..k.min(answer.predictions.len())],
            answer: answer.everyday.as_ref(),
        })
        .map(Some),
        PhotoState::Failed(problem) => serde_json::to_string(&NotAnswered {
            schema: SCHEMA,
            path: &path,
            path_bytes: path_bytes(photo),
            error: &problem.what,
        })
        .map(Some),
        PhotoState::Waiting | PhotoState::Working | PhotoState::Stopped => Ok(None),
    }
}

/// One photo's answers as text for the clipboard.
pub fn text(photo: &Photo, k: usize) -> String {
    let mut text = photo.source.name();
    match &photo.state {
        PhotoState::Done(answer) => {
            // The word above the classes first, where it says more than the best of them.
            if let (true, Some(certainty)) = (answer.says_word(), answer.certainty()) {
                text.push_str(&format!(
                    "\n{:5.1} %  {}",
                    100.0 * certainty,
                    answer.headline()
                ));
            }
            for p in answer.predictions.iter().take(k) {
                text.push_str(&format!("\n{:5.1} %  {}", 100.0 * p.probability, p.label));
            }
            text.push_str(&format!("\n(model: {})", answer.model));
        }
        PhotoState::Failed(problem) => {
            text.push_str(&format!("\n{} {}", problem.what, problem.remedy))
        }
        PhotoState::Waiting | PhotoState::Working | PhotoState::Stopped => {
            text.push_str("\nnot looked at yet")
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::content::ContentId;
    use crate::photo::{PhotoAnswer, PhotoId, PhotoSource};
    use crate::problem::Problem;

    fn photos() -> Vec<Photo> {
        let photo = |id, name: &str, state| Photo {
            id: PhotoId(id),
            source: PhotoSource::File(name.into()),
            state,
            said: None,
        };
        let p = |index, label: &str, probability| Prediction {
            index,
            id: Some(format!("n{index}")),
            label: label.to_owned(),
            probability,
            present: None,
        };
        let answer = PhotoAnswer {
            predictions: vec![p(1, "tabby, \"tabby cat\"", 0.75), p(2, "tiger cat", 0.25)],
            everyday: None,
            kind: Answers::SingleLabel,
            threshold: 0.5,
            model: "lite0".to_owned(),
            took: Duration::ZERO,
            width: 1,
            height: 1,
            content: ContentId::of(b"", None),
            damage: None,
            is_preview: false,
        };
        vec![
            photo(0, "/p/a,b.jpg", PhotoState::Done(answer)),
            photo(
                1,
                "/p/bad.txt",
                PhotoState::Failed(Problem::new("No picture.", "Try another.")),
            ),
            photo(2, "/p/later.jpg", PhotoState::Waiting),
        ]
    }

    #[test]
    fn json_lines() {
        let lines =
            String::from_utf8(write(&photos(), 1, ExportFormat::JsonLines).unwrap()).unwrap();
        assert_eq!(
            lines,
            "{\"schema\":1,\"path\":\"/p/a,b.jpg\",\"model\":\"lite0\",\"predictions\":[{\"index\":1,\"id\":\"n1\",\"label\":\"tabby, \\\"tabby cat\\\"\",\"probability\":0.75}]}\n\
             {\"schema\":1,\"path\":\"/p/bad.txt\",\"error\":\"No picture.\"}\n"
        );
    }

    #[test]
    fn csv_quotes_what_needs_it() {
        let rows = write(&photos(), 2, ExportFormat::Csv).unwrap();
        let read: Vec<_> = csv::Reader::from_reader(rows.as_slice())
            .into_records()
            .map(Result::unwrap)
            .collect();
        assert_eq!(read.len(), 3);
        assert_eq!(
            read[0].iter().collect::<Vec<_>>(),
            [
                "/p/a,b.jpg",
                "lite0",
                "1",
                "1",
                "n1",
                "tabby, \"tabby cat\"",
                "0.75",
                "",
                "",
                "",
                "",
                "",
                "",
                "",
                "",
                "",
            ]
        );
        assert_eq!(&read[2][7], "No picture.");
    }

    #[test]
    fn the_ending_chooses() {
        assert_eq!(ExportFormat::of(Path::new("x.CSV")), ExportFormat::Csv);
        assert_eq!(
            ExportFormat::of(Path::new("x.json")),
            ExportFormat::JsonLines
        );
    }

    #[test]
    fn text_for_people() {
        assert_eq!(
            text(&photos()[0], 1),
            "a,b.jpg\n 75.0 %  tabby, \"tabby cat\"\n(model: lite0)"
        );
    }
}
