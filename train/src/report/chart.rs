//! Line charts as SVG text. Knows nothing of training.

use std::fmt::Write;

/// One line of a chart.
#[derive(Clone, Debug)]
pub struct Series {
    /// In the legend.
    pub name: String,
    /// x and y; points with a y that is not finite are left out.
    pub points: Vec<(f64, f64)>,
    /// Index into the palette.
    pub color: usize,
    /// Drawn in dashes.
    pub dashed: bool,
}

/// One pair of axes.
#[derive(Clone, Debug)]
pub struct Panel {
    /// Above.
    pub title: String,
    /// Below.
    pub x_label: String,
    /// At the left.
    pub y_label: String,
    /// In drawing order.
    pub series: Vec<Series>,
    /// A point to mark, with its text.
    pub mark: Option<((f64, f64), String)>,
}

/// Okabe & Ito's colors: told apart by color-blind readers, too.
const PALETTE: [&str; 8] = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#444444", "#b0a500",
];
const PANEL_WIDTH: f64 = 640.0;
const PANEL_HEIGHT: f64 = 440.0;
const LEFT: f64 = 78.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 52.0;
const BOTTOM: f64 = 58.0;
/// Between rows of the legend.
const LEGEND_ROW: f64 = 20.0;
/// Most characters of a name in the legend.
const NAME_CHARS: usize = 60;
/// The family of the font that the rasteriser brings along, first.
const FONTS: &str = "Ubuntu, 'Segoe UI', 'Helvetica Neue', Arial, sans-serif";

/// Panels side by side, as an SVG document.
pub fn svg(panels: &[Panel]) -> String {
    let width = PANEL_WIDTH * panels.len() as f64;
    // Where names do not fit beside the title they get rows of their own, and all axes move down.
    let rows = panels.iter().map(|panel| legend_rows(panel).len()).max();
    let down = LEGEND_ROW * rows.unwrap_or(0).saturating_sub(1) as f64;
    let height = PANEL_HEIGHT + down;
    let mut out = String::new();
    let _ = write!(
        out,
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" font-family="{FONTS}">
<rect width="100%" height="100%" fill="#ffffff"/>
"##
    );
    for (index, panel) in panels.iter().enumerate() {
        let x = PANEL_WIDTH * index as f64;
        let _ = writeln!(out, r#"<g transform="translate({x} 0)">"#);
        text(&mut out, LEFT, 30.0, 17.0, "start", "#222222", &panel.title);
        legend(&mut out, panel);
        let _ = writeln!(out, r#"<g transform="translate(0 {down})">"#);
        draw(&mut out, panel);
        out.push_str("</g>\n</g>\n");
    }
    out.push_str("</svg>\n");
    out
}

fn draw(out: &mut String, panel: &Panel) {
    let points = || {
        let all = panel.series.iter().flat_map(|series| &series.points);
        all.copied().filter(|(x, y)| x.is_finite() && y.is_finite())
    };
    let xs = Axis::fit(points().map(|p| p.0), LEFT, PANEL_WIDTH - RIGHT);
    let ys = Axis::fit(points().map(|p| p.1), PANEL_HEIGHT - BOTTOM, TOP);
    for tick in ys.ticks() {
        let y = ys.place(tick);
        line(out, (LEFT, y), (PANEL_WIDTH - RIGHT, y), "#e6e6e6");
        text(
            out,
            LEFT - 9.0,
            y + 4.5,
            13.0,
            "end",
            "#555555",
            &label(tick, ys.step),
        );
    }
    for tick in xs.ticks() {
        let x = xs.place(tick);
        let base = PANEL_HEIGHT - BOTTOM;
        line(out, (x, base), (x, base + 5.0), "#888888");
        text(
            out,
            x,
            base + 21.0,
            13.0,
            "middle",
            "#555555",
            &label(tick, xs.step),
        );
    }
    let base = PANEL_HEIGHT - BOTTOM;
    line(out, (LEFT, base), (PANEL_WIDTH - RIGHT, base), "#888888");
    let middle = f64::midpoint(LEFT, PANEL_WIDTH - RIGHT);
    text(
        out,
        middle,
        PANEL_HEIGHT - 14.0,
        14.0,
        "middle",
        "#333333",
        &panel.x_label,
    );
    let center = f64::midpoint(TOP, base);
    let _ = writeln!(
        out,
        r##"<text transform="translate(22 {center:.1}) rotate(-90)" font-size="14" text-anchor="middle" fill="#333333">{}</text>"##,
        escape(&panel.y_label)
    );
    for series in &panel.series {
        curve(out, series, &xs, &ys);
    }
    if let Some(((x, y), words)) = &panel.mark {
        let (px, py) = (xs.place(*x), ys.place(*y));
        let _ = writeln!(
            out,
            r##"<circle cx="{px:.1}" cy="{py:.1}" r="4.5" fill="#ffffff" stroke="#222222" stroke-width="1.6"/>"##
        );
        let (anchor, dx) = if px > middle {
            ("end", -9.0)
        } else {
            ("start", 9.0)
        };
        // The side of the point on which fewer curves run through the text, above where both are as good.
        let across = |top: f64, bottom: f64| {
            let points = panel.series.iter().flat_map(|series| &series.points);
            let places = points.map(|(x, y)| (xs.place(*x), ys.place(*y)));
            places
                .filter(|(x, y)| {
                    (x - px - dx * 6.0).abs() < 60.0 && (py + top..py + bottom).contains(y)
                })
                .count()
        };
        let is_below = py < TOP + 24.0 || across(-26.0, -6.0) > across(8.0, 28.0);
        let dy = if is_below { 22.0 } else { -10.0 };
        text(out, px + dx, py + dy, 13.0, anchor, "#222222", words);
    }
}

fn curve(out: &mut String, series: &Series, xs: &Axis, ys: &Axis) {
    let color = PALETTE[series.color % PALETTE.len()];
    let dash = if series.dashed {
        r#" stroke-dasharray="5 5""#
    } else {
        ""
    };
    let finite: Vec<(f64, f64)> = series
        .points
        .iter()
        .filter(|(x, y)| x.is_finite() && y.is_finite())
        .map(|&(x, y)| (xs.place(x), ys.place(y)))
        .collect();
    if let [(x, y)] = finite[..] {
        let _ = writeln!(
            out,
            r#"<circle cx="{x:.1}" cy="{y:.1}" r="3.5" fill="{color}"/>"#
        );
        return;
    }
    let path: Vec<String> = finite
        .iter()
        .map(|(x, y)| format!("{x:.1},{y:.1}"))
        .collect();
    let _ = writeln!(
        out,
        r#"<polyline points="{}" fill="none" stroke="{color}" stroke-width="2.2" stroke-linejoin="round" stroke-linecap="round"{dash}/>"#,
        path.join(" ")
    );
}

/// A name as the legend shows it, and the width of its entry.
fn entry(series: &Series) -> (String, f64) {
    let count = series.name.chars().count();
    let name = if count > NAME_CHARS {
        let tail: String = series.name.chars().skip(count - NAME_CHARS + 1).collect();
        format!("…{tail}")
    } else {
        series.name.clone()
    };
    let width = 44.0 + 7.2 * name.chars().count() as f64;
    (name, width)
}

/// The names of a panel in rows: the first beside the title, if all fit there; otherwise it is empty and all follow below.
fn legend_rows(panel: &Panel) -> Vec<Vec<&Series>> {
    let named: Vec<&Series> = panel.series.iter().filter(|s| !s.name.is_empty()).collect();
    let width = |row: &[&Series]| row.iter().map(|series| entry(series).1).sum::<f64>();
    let title = 9.5 * panel.title.chars().count() as f64;
    let room = PANEL_WIDTH - LEFT - RIGHT;
    if width(&named) <= room - title {
        return vec![named];
    }
    let mut rows = vec![Vec::new()];
    for series in named {
        match rows.last_mut() {
            Some(row) if !row.is_empty() && width(row) + entry(series).1 <= room => {
                row.push(series)
            }
            _ => rows.push(vec![series]),
        }
    }
    rows
}

/// Names at the right, beside the title or in rows below it.
fn legend(out: &mut String, panel: &Panel) {
    for (index, row) in legend_rows(panel).into_iter().enumerate() {
        let y = 25.0 + LEGEND_ROW * index as f64;
        let mut x = PANEL_WIDTH - RIGHT - row.iter().map(|series| entry(series).1).sum::<f64>();
        for series in row {
            let (name, width) = entry(series);
            let color = PALETTE[series.color % PALETTE.len()];
            let dash = if series.dashed {
                r#" stroke-dasharray="4 3""#
            } else {
                ""
            };
            let _ = writeln!(
                out,
                r#"<line x1="{x:.1}" y1="{y}" x2="{:.1}" y2="{y}" stroke="{color}" stroke-width="2.6"{dash}/>"#,
                x + 22.0
            );
            text(out, x + 28.0, y + 4.5, 13.0, "start", "#333333", &name);
            x += width;
        }
    }
}

/// From values to pixels.
struct Axis {
    low: f64,
    high: f64,
    step: f64,
    from: f64,
    to: f64,
}

impl Axis {
    /// Covers all values, ends on ticks.
    fn fit(values: impl Iterator<Item = f64>, from: f64, to: f64) -> Self {
        let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| {
            (low.min(v), high.max(v))
        });
        let (low, high) = match (low.is_finite(), high > low) {
            (false, _) => (0.0, 1.0),
            (true, true) => (low, high),
            (true, false) => {
                let room = if low == 0.0 { 1.0 } else { low.abs() * 0.5 };
                (low - room, low + room)
            }
        };
        let step = nice((high - low) / 6.0);
        Self {
            low: (low / step + 1e-9).floor() * step,
            high: (high / step - 1e-9).ceil() * step,
            step,
            from,
            to,
        }
    }

    fn place(&self, value: f64) -> f64 {
        self.from + (value - self.low) / (self.high - self.low) * (self.to - self.from)
    }

    fn ticks(&self) -> impl Iterator<Item = f64> + '_ {
        let count = ((self.high - self.low) / self.step).round() as i64;
        (0..=count).map(|i| self.low + i as f64 * self.step)
    }
}

/// The next of 1, 2, 5, 10, ... times a power of ten.
fn nice(raw: f64) -> f64 {
    let power = 10_f64.powf(raw.log10().floor());
    let factor = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .find(|f| f * power >= raw * 0.999);
    factor.unwrap_or(10.0) * power
}

/// As many digits as the step needs.
fn label(value: f64, step: f64) -> String {
    if value != 0.0 && step < 1e-4 {
        return format!("{value:.1e}");
    }
    let digits = (-step.log10().floor()).max(0.0) as usize;
    let text = format!("{value:.digits$}");
    if text
        .trim_start_matches('-')
        .chars()
        .all(|c| c == '0' || c == '.')
    {
        "0".into()
    } else {
        text
    }
}

fn line(out: &mut String, (x1, y1): (f64, f64), (x2, y2): (f64, f64), color: &str) {
    let _ = writeln!(
        out,
        r#"<line x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}" stroke="{color}"/>"#
    );
}

fn text(out: &mut String, x: f64, y: f64, size: f64, anchor: &str, color: &str, words: &str) {
    let _ = writeln!(
        out,
        r#"<text x="{x:.1}" y="{y:.1}" font-size="{size}" text-anchor="{anchor}" fill="{color}">{}</text>"#,
        escape(words)
    );
}

fn escape(words: &str) -> String {
    words
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests;
