//! What a comparison means: whether it passes, the certificate for the file, and the lines for a person.

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::{FilePrecision, ProofReport};
use crate::source;

/// Fails with every disagreement beyond what `precision` allows.
///
/// # Errors
/// The list of disagreements.
pub fn judge(report: &ProofReport, precision: FilePrecision) -> Result<()> {
    let mut failures = Vec::new();
    for row in &report.rows {
        let photos = row.inputs.ends_with("photos");
        if let Some(tolerance) = precision.tolerance() {
            let allowed = tolerance * row.largest_logit.max(1.0);
            if row.max_difference.is_nan() || row.max_difference > allowed {
                failures.push(format!(
                    "{} on {}: |difference| {:.3e}, allowed {allowed:.1e}",
                    row.engine, row.inputs, row.max_difference
                ));
            }
        } else if !row.max_difference.is_finite() {
            failures.push(format!(
                "{} on {}: it gives numbers that are not finite",
                row.engine, row.inputs
            ));
        }
        if photos && row.agreement_percent < precision.least_agreement() {
            failures.push(format!(
                "{} on {}: the best class agrees on {:.1} %, expected at least {:.0} %",
                row.engine,
                row.inputs,
                row.agreement_percent,
                precision.least_agreement()
            ));
        }
    }
    if report.rows.is_empty() {
        failures.push("no engine ran the model".into());
    }
    if failures.is_empty() {
        Ok(())
    } else {
        bail!(
            "the model does not answer as its checkpoint: {}",
            failures.join("; ")
        )
    }
}

/// The certificate for the manifest. Differences are given as the next power of ten above them, so that the file
/// comes out the same on machines whose rounding differs in the last bit.
pub fn certificate(report: &ProofReport, precision: FilePrecision, reference: &str) -> Value {
    let rows: Vec<Value> = report
        .rows
        .iter()
        .map(|row| {
            json!({
                "engine": row.engine,
                "inputs": row.inputs,
                "max_abs_difference_below": power_of_ten_above(row.max_difference),
                "top1_agreement_percent": row.agreement_percent,
            })
        })
        .collect();
    let (proves, does_not_prove) = claims(report.framework, precision);
    let mut certificate = json!({
        "tool": source::tool(),
        "precision": precision,
        "reference": reference,
        "compared": rows,
        "proves": proves,
        "does_not_prove": does_not_prove,
    });
    if !report.accuracy.is_empty() {
        certificate["accuracy"] = json!(report.accuracy);
    }
    certificate
}

/// What agreement shows, and what it cannot show.
fn claims(framework: bool, precision: FilePrecision) -> (&'static str, &'static str) {
    if precision == FilePrecision::Int8 {
        (
            "the file's answers are finite; the rows say how near they are to the reference",
            "that it is as accurate as the float network: compare accuracies on photos with known classes",
        )
    } else if framework {
        (
            "the file computes what the training framework computed on the inputs compared",
            "that the preprocessing and the labels are those the network was trained with, or that it is accurate",
        )
    } else {
        (
            "the file computes what this exporter's reading of the checkpoint computes: no weight was lost or changed",
            "that the architecture is the one the weights were trained in (tensors of one name and shape may belong to \
             several), that the preprocessing and the labels are those of the training, or that it is accurate",
        )
    }
}

fn power_of_ten_above(value: f64) -> Value {
    if value == 0.0 {
        return json!(1e-9);
    }
    let exponent = value.log10().floor() as i32 + 1;
    // Parsed from decimal text, so that it is written as 1e-5 and not as 0.000010000000000000001.
    format!("1e{exponent}")
        .parse::<f64>()
        .map_or(Value::Null, Value::from)
}

/// The report as lines for a person.
pub fn lines(report: &ProofReport, precision: FilePrecision) -> Vec<String> {
    let mut lines = vec![format!(
        "{:<14}{:<18}{:>18}{:>18}",
        "engine", "inputs", "max |difference|", "top-1 agreement"
    )];
    for row in &report.rows {
        lines.push(format!(
            "{:<14}{:<18}{:>18}{:>16.1} %",
            row.engine,
            row.inputs,
            format!("{:.2e}", row.max_difference),
            row.agreement_percent
        ));
    }
    for row in &report.accuracy {
        lines.push(format!(
            "accuracy on {} photos: {:<24} top-1 {:.1} %, top-5 {:.1} %",
            row.images, row.who, row.top1_percent, row.top5_percent
        ));
    }
    let (proves, does_not_prove) = claims(report.framework, precision);
    lines.push(format!("proves: {proves}"));
    lines.push(format!("does not prove: {does_not_prove}"));
    lines.extend(report.notes.iter().map(|note| format!("note: {note}")));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::proof::Row;

    #[test]
    fn the_tolerance_decides() {
        let report = |difference: f64| {
            let row = Row {
                engine: "tract".into(),
                inputs: "2 synthetic".into(),
                count: 2,
                max_difference: difference,
                largest_logit: 10.0,
                agreement_percent: 100.0,
            };
            ProofReport {
                rows: vec![row],
                ..Default::default()
            }
        };
        assert!(judge(&report(0.9e-3), FilePrecision::Float32).is_ok());
        assert!(judge(&report(1.1e-3), FilePrecision::Float32).is_err());
        assert!(judge(&ProofReport::default(), FilePrecision::Float32).is_err());
        assert_eq!(power_of_ten_above(4.1e-6), json!(1e-5));
    }
}
