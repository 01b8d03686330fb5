//! Comma-separated values (RFC 4180): one row a class shown, one row with `error` for an image that failed.
//!
//! Columns: `path,model,rank,index,id,label,probability,sure,error,damaged,damage,path_bytes,present,
//! answer,answer_id,answer_probability,answer_sure`. The last four are the everyday word, on each row of its image. `present` is `true` or
//! `false` for binary and multi-label answers, and empty where exactly one class is right.

use std::io::{self, Write};

use super::{FailureReason, Named, Shown, Writer};

const HEADER: [&str; 17] = [
    "path",
    "model",
    "rank",
    "index",
    "id",
    "label",
    "probability",
    "sure",
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

/// Writes rows, the header first.
pub struct CsvRows<W: Write> {
    out: csv::Writer<W>,
    started: bool,
}

impl<W: Write> CsvRows<W> {
    /// Writes onto `out`.
    pub fn new(out: W) -> Self {
        Self {
            out: csv::Writer::from_writer(out),
            started: false,
        }
    }

    fn row(&mut self, row: [&str; 13], answer: [&str; 4]) -> io::Result<()> {
        if !self.started {
            self.started = true;
            self.out.write_record(HEADER)?;
        }
        self.out.write_record(row.iter().chain(&answer))?;
        Ok(())
    }
}

impl<W: Write> Writer for CsvRows<W> {
    fn answer(&mut self, shown: &Shown<'_>) -> io::Result<()> {
        let sure = shown
            .sure
            .map_or("", |sure| if sure { "true" } else { "false" });
        let path = shown.image.path;
        let path_bytes = shown.image.path_bytes().unwrap_or_default();
        let damage = shown.damage.map_or_else(String::new, ToString::to_string);
        let damaged = if shown.damage.is_some() { "true" } else { "" };
        let model = shown.model;
        let word = shown.everyday.as_ref();
        let probability = word.map_or(String::new(), |word| word.probability.to_string());
        let answer = [
            word.map_or("", |word| &word.label),
            word.and_then(|word| word.id.as_deref()).unwrap_or_default(),
            &probability,
            word.map_or("", |word| if word.sure { "true" } else { "false" }),
        ];
        if shown.predictions.is_empty() {
            self.row(
                [
                    path,
                    model,
                    "",
                    "",
                    "",
                    "",
                    "",
                    sure,
                    "",
                    damaged,
                    &damage,
                    &path_bytes,
                    "",
                ],
                answer,
            )?;
        }
        for (place, prediction) in shown.predictions.iter().enumerate() {
            self.row(
                [
                    path,
                    model,
                    &(place + 1).to_string(),
                    &prediction.index.to_string(),
                    prediction.id.as_deref().unwrap_or_default(),
                    &prediction.label,
                    &prediction.probability.to_string(),
                    sure,
                    "",
                    damaged,
                    &damage,
                    &path_bytes,
                    match prediction.present {
                        None => "",
                        Some(true) => "true",
                        Some(false) => "false",
                    },
                ],
                answer,
            )?;
        }
        self.out.flush()
    }

    fn failure(&mut self, image: Named<'_>, problem: FailureReason<'_>) -> io::Result<()> {
        let path_bytes = image.path_bytes().unwrap_or_default();
        let error = problem.error;
        self.row(
            [
                image.path,
                "",
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
            ],
            [""; 4],
        )?;
        self.out.flush()
    }
}
