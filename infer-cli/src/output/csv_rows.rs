//! Comma-separated values (RFC 4180): one row a class shown, one row with `error` for an image that failed.
//!
//! Columns: `path,model,rank,index,id,label,probability,sure,error,present`. `present` is `true` or `false` for binary and
//! multi-label answers, and empty where exactly one class is right.

use std::io::{self, Write};

use super::{Shown, Writer};

const HEADER: [&str; 10] = [
    "path",
    "model",
    "rank",
    "index",
    "id",
    "label",
    "probability",
    "sure",
    "error",
    "present",
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

    fn row(&mut self, row: [&str; 10]) -> io::Result<()> {
        if !self.started {
            self.started = true;
            self.out.write_record(HEADER)?;
        }
        self.out.write_record(row)?;
        Ok(())
    }
}

impl<W: Write> Writer for CsvRows<W> {
    fn answer(&mut self, shown: &Shown<'_>) -> io::Result<()> {
        let sure = shown
            .sure
            .map_or("", |sure| if sure { "true" } else { "false" });
        if shown.predictions.is_empty() {
            self.row([shown.path, shown.model, "", "", "", "", "", sure, "", ""])?;
        }
        for (place, prediction) in shown.predictions.iter().enumerate() {
            self.row([
                shown.path,
                shown.model,
                &(place + 1).to_string(),
                &prediction.index.to_string(),
                prediction.id.as_deref().unwrap_or_default(),
                &prediction.label,
                &prediction.probability.to_string(),
                sure,
                "",
                match prediction.present {
                    None => "",
                    Some(true) => "true",
                    Some(false) => "false",
                },
            ])?;
        }
        self.out.flush()
    }

    fn failure(&mut self, path: &str, error: &str) -> io::Result<()> {
        self.row([path, "", "", "", "", "", "", "", error, ""])?;
        self.out.flush()
    }
}
