//! The plots of a run, as SVG and PNG: loss and accuracy by epoch, learning rate by step.

use std::path::Path;

use anyhow::{Context, Result};
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree, fontdb};

use super::chart::{Panel, Series, svg};
use crate::checkpoint::file::write_atomically;
use crate::metrics::EpochRecord;
use crate::schedule::Schedule;

/// PNG pixels per SVG unit.
const SCALE: f32 = 2.0;
/// Points on the curve of a schedule.
const SCHEDULE_POINTS: u64 = 600;

/// A run's name and history.
pub type Run<'a> = (&'a str, &'a [EpochRecord]);

/// Writes `metrics.svg` and `metrics.png`: one run with training and validation, or several runs to compare.
pub fn metrics(runs: &[Run<'_>], dir: &Path) -> Result<()> {
    let several = runs.len() > 1;
    let curve =
        |(name, history): Run<'_>, index: usize, part: &str, value: fn(&EpochRecord) -> f64| {
            let validation = part == "validation";
            Series {
                name: match (several, validation) {
                    (false, _) => part.to_owned(),
                    (true, true) => name.to_owned(),
                    (true, false) => String::new(),
                },
                points: history
                    .iter()
                    .map(|r| (f64::from(r.epoch), value(r)))
                    .collect(),
                color: if several {
                    index
                } else {
                    usize::from(validation)
                },
                dashed: several && !validation,
            }
        };
    let both = |train: fn(&EpochRecord) -> f64, val: fn(&EpochRecord) -> f64| {
        let each = runs.iter().enumerate();
        each.flat_map(|(i, run)| {
            [
                curve(*run, i, "training", train),
                curve(*run, i, "validation", val),
            ]
        })
        .collect()
    };
    let best = runs
        .iter()
        .flat_map(|(_, history)| history.iter())
        .filter_map(|r| Some((f64::from(r.epoch), r.val_top1_percent?)))
        .fold(None::<(f64, f64)>, |best, point| match best {
            Some(b) if b.1 >= point.1 => Some(b),
            _ => Some(point),
        });
    let x_label = if several {
        "epoch (dashed: training)"
    } else {
        "epoch"
    };
    let panels = [
        Panel {
            title: "Loss".into(),
            x_label: x_label.into(),
            y_label: "cross-entropy".into(),
            series: both(|r| r.train_loss, |r| r.val_loss.unwrap_or(f64::NAN)),
            mark: None,
        },
        Panel {
            title: "Top-1 accuracy".into(),
            x_label: x_label.into(),
            y_label: "percent".into(),
            series: both(
                |r| r.train_top1_percent,
                |r| r.val_top1_percent.unwrap_or(f64::NAN),
            ),
            mark: best.map(|point| (point, format!("best {:.2} %", point.1))),
        },
    ];
    write(&panels, &dir.join("metrics"))
}

/// Writes `learning_rate.svg` and `.png`: the whole schedule, and how far the run is.
pub fn learning_rate(schedule: &Schedule, step: u64, dir: &Path) -> Result<()> {
    let (total, per_epoch) = (schedule.total_steps(), schedule.steps_per_epoch());
    let point = |i: u64| {
        let at = i * total.saturating_sub(1) / SCHEDULE_POINTS;
        (at as f64 / per_epoch as f64, schedule.rate(at))
    };
    let all: Vec<(f64, f64)> = (0..=SCHEDULE_POINTS).map(point).collect();
    let done = step as f64 / per_epoch as f64;
    let series = |name: &str, points, dashed| Series {
        name: name.into(),
        points,
        color: 0,
        dashed,
    };
    let (past, future): (Vec<_>, Vec<_>) = all.into_iter().partition(|(epoch, _)| *epoch <= done);
    let mut lines = vec![series("", past.clone(), false)];
    if !future.is_empty() {
        let ahead = past.last().copied().into_iter().chain(future).collect();
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
    write_atomically(&svg_path, |file| file.write_all(text.as_bytes()))?;
    let png = png(&text)?;
    write_atomically(&stem.with_extension("png"), |file| file.write_all(&png))
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
