//! Comma-separated values (RFC 4180): one row a class shown, one row with `error` for an image that failed.
//!
//! Columns: `path,model,rank,index,id,label,probability,sure,error,answer,answer_id,answer_probability,answer_sure`;
//! the last four are the everyday word, on each row of its image.

use std::io::{self, Write};

use super::{Shown, Writer};

const COLUMNS: usize = 13;

const HEADER: [&str; COLUMNS] = [
    "path",
    "model",
    "rank",
    "index",
    "id",
    "label",
    "probability",
    "sure",
    "error",
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

    fn row(&mut self, row: &[&str], answer: &[&str; 4]) -> io::Result<()> {
        if !self.started {
            self.started = true;
            self.out.write_record(HEADER)?;
        }
        self.out.write_record(row.iter().chain(answer))?;
        Ok(())
    }
}

impl<W: Write> Writer for CsvRows<W> {
    fn answer(&mut self, shown: &Shown<'_>) -> io::Result<()> {
        let sure = shown.sure.map_or("", truth);
        let word = shown.everyday.as_ref();
        let probability = word.map_or(String::new(), |word| word.probability.to_string());
        let answer = [
            word.map_or("", |word| &word.label),
            word.and_then(|word| word.id.as_deref()).unwrap_or_default(),
            &probability,
            word.map_or("", |word| truth(word.sure)),
        ];
        if shown.predictions.is_empty() {
            let row = [shown.path, shown.model, "", "", "", "", "", sure, ""];
            self.row(&row, &answer)?;
        }
        for (place, prediction) in shown.predictions.iter().enumerate() {
            let row = [
                shown.path,
                shown.model,
                &(place + 1).to_string(),
                &prediction.index.to_string(),
                prediction.id.as_deref().unwrap_or_default(),
                &prediction.label,
                &prediction.probability.to_string(),
                sure,
                "",
            ];
            self.row(&row, &answer)?;
        }
        self.out.flush()
    }

    fn failure(&mut self, path: &str, error: &str) -> io::Result<()> {
        let row = [path, "", "", "", "", "", "", "", error];
        self.row(&row, &[""; 4])?;
        self.out.flush()
    }
}

fn truth(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}
