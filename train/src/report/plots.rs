//! The plots of a run, as SVG and PNG: loss and accuracy by epoch, learning rate by epoch as it was used.

use std::path::Path;

use anyhow::{Context, Result};
use model_core::atomic_file;
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree, fontdb};

use super::chart::{Panel, Series, svg};
use crate::metrics::table::{Chart, Curve, METRICS};
use crate::metrics::{EpochRecord, StepRecord};
use crate::schedule::Schedule;

/// PNG pixels per SVG unit.
const SCALE: f32 = 2.0;
/// Points on the part of the schedule that is to come.
const SCHEDULE_POINTS: u32 = 300;

/// A run's name and history.
pub type Run<'a> = (&'a str, &'a [EpochRecord]);

/// Writes `metrics.svg` and `metrics.png`: one run with training and validation, or several runs to compare.
///
/// # Errors
/// A file cannot be written.
pub fn metrics(runs: &[Run<'_>], dir: &Path) -> Result<()> {
    let several = runs.len() > 1;
    let panels = Chart::ALL.map(|chart| {
        let mut series = Vec::new();
        for (index, run) in runs.iter().enumerate() {
            for metric in METRICS {
                if let Some(curve) = metric.curve.filter(|curve| curve.chart == chart) {
                    series.push(line(run, index, several, curve, metric.value));
                }
            }
        }
        let best = (chart == Chart::Accuracy).then(|| best(runs)).flatten();
        Panel {
            title: chart.title().into(),
            x_label: if several {
                "epoch (dashed: training)".into()
            } else {
                "epoch".into()
            },
            y_label: chart.y_label().into(),
            series,
            mark: best.map(|point| (point, format!("best {:.2} %", point.1))),
        }
    });
    write(&panels, &dir.join("metrics"))
}

fn line(
    (name, history): &Run<'_>,
    index: usize,
    several: bool,
    curve: Curve,
    value: fn(&EpochRecord) -> Option<f64>,
) -> Series {
    let part = if curve.is_validation {
        "validation"
    } else {
        "training"
    };
    let point = |r: &EpochRecord| (f64::from(r.epoch), value(r).unwrap_or(f64::NAN));
    Series {
        name: match (several, curve.is_validation) {
            (false, _) => part.to_owned(),
            (true, true) => (*name).to_owned(),
            (true, false) => String::new(),
        },
        points: history.iter().map(point).collect(),
        color: if several {
            index
        } else {
            usize::from(curve.is_validation)
        },
        dashed: several && !curve.is_validation,
    }
}

/// The first of the best validations of all runs: its epoch and top-1.
fn best(runs: &[Run<'_>]) -> Option<(f64, f64)> {
    let all = runs.iter().flat_map(|(_, history)| history.iter());
    all.filter_map(|r| Some((f64::from(r.epoch), r.val_top1_percent?)))
        .fold(None, |best: Option<(f64, f64)>, point| match best {
            Some(b) if b.1 >= point.1 => Some(b),
            _ => Some(point),
        })
}

/// Epochs and rates that a run was trained at: by step where steps were recorded, by epoch where they were not (runs of
/// older versions).
pub fn rates_used(history: &[EpochRecord], steps: &[StepRecord]) -> Vec<(f64, f64)> {
    let first_step = steps.first().map_or(f64::INFINITY, |step| step.epoch);
    let before = history.iter().filter(|r| f64::from(r.epoch) <= first_step);
    let mut all: Vec<(f64, f64)> = before
        .map(|r| (f64::from(r.epoch), r.learning_rate))
        .collect();
    all.extend(steps.iter().map(|step| (step.epoch, step.learning_rate)));
    all
}

/// Writes `learning_rate.svg` and `.png`: the rates that were used, and from `now` (in epochs) on what the schedule will
/// use.
///
/// # Errors
/// A file cannot be written.
pub fn learning_rate(
    used: &[(f64, f64)],
    to_come: Option<&Schedule>,
    now: f64,
    dir: &Path,
) -> Result<()> {
    let series = |name: &str, points, dashed| Series {
        name: name.into(),
        points,
        color: 0,
        dashed,
    };
    let mut lines = vec![series("", used.to_vec(), false)];
    if let Some(schedule) = to_come.filter(|schedule| now < schedule.epochs()) {
        let length = schedule.epochs() - now;
        let point = |i: u32| {
            let at = now + length * f64::from(i) / f64::from(SCHEDULE_POINTS);
            (at, schedule.rate(at))
        };
        let ahead = (0..=SCHEDULE_POINTS).map(point).collect();
        lines.push(series("to come", ahead, true));
    }
    let panel = Panel {
        title: "Learning rate".into(),
        x_label: "epoch".into(),
        y_label: "learning rate".into(),
        series: lines,
        mark: None,
    };
    write(&[panel], &dir.join("learning_rate"))
}

fn write(panels: &[Panel], stem: &Path) -> Result<()> {
    let text = svg(panels);
    let svg_path = stem.with_extension("svg");
    atomic_file::write(&svg_path, text.as_bytes())?;
    let png = png(&text)?;
    Ok(atomic_file::write(&stem.with_extension("png"), &png)?)
}

/// Rasterises with a font of our own, so that no system font is needed.
fn png(text: &str) -> Result<Vec<u8>> {
    let mut fonts = fontdb::Database::new();
    fonts.load_font_data(epaint_default_fonts::UBUNTU_LIGHT.to_vec());
    let family = fonts
        .faces()
        .next()
        .and_then(|face| face.families.first())
        .map(|(name, _)| name.clone())
        .context("the built-in font has no name")?;
    fonts.set_sans_serif_family(family.clone());
    let options = Options {
        font_family: family,
        fontdb: std::sync::Arc::new(fonts),
        ..Options::default()
    };
    let tree = Tree::from_str(text, &options).context("plot")?;
    let size = tree
        .size()
        .to_int_size()
        .scale_by(SCALE)
        .context("plot size")?;
    let mut pixmap = Pixmap::new(size.width(), size.height()).context("plot size")?;
    let transform = Transform::from_scale(SCALE, SCALE);
    resvg::render(&tree, transform, &mut pixmap.as_mut());
    pixmap.encode_png().context("plot as PNG")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rates_are_those_of_the_records() {
        let epoch = |epoch, learning_rate| EpochRecord {
            epoch,
            learning_rate,
            ..EpochRecord::default()
        };
        let step = |epoch, learning_rate| StepRecord {
            epoch,
            step: 1,
            learning_rate,
            ..StepRecord::default()
        };
        // Two epochs of a version that recorded no steps, then one that did.
        let history = [epoch(1, 0.3), epoch(2, 0.2), epoch(3, 0.1)];
        let steps = [step(2.0, 0.2), step(2.5, 0.15)];
        assert_eq!(
            rates_used(&history, &steps),
            [(1.0, 0.3), (2.0, 0.2), (2.0, 0.2), (2.5, 0.15)]
        );
        assert_eq!(rates_used(&history, &[]).len(), 3);
    }
}
