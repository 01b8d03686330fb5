//! For people: rank, label, a bar as long as the probability, and the probability.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use unicode_width::UnicodeWidthChar;

use super::{FailureReason, Named, Shown, Writer};
use crate::report::printable;

/// Columns of a bar at 100 %.
const BAR_COLUMNS: f32 = 30.0;

/// The widest a label may be; longer ones are cut.
const MAX_LABEL_COLUMNS: usize = 40;

const TITLE: Style = Style::new().bold();
const BEST: Style = AnsiColor::Green.on_default().bold();
const BAR: Style = AnsiColor::Cyan.on_default();
const DIM: Style = Style::new().dimmed();

/// Writes tables; color is in the text and removed by the stream that does not want it.
pub struct Table<W> {
    out: W,
    several: bool,
    first: bool,
}

impl<W: Write> Table<W> {
    /// Writes onto `out`; `several` puts the image's name above its answer.
    pub fn new(out: W, several: bool) -> Self {
        Self {
            out,
            several,
            first: true,
        }
    }

    fn title(&mut self, path: &str) -> io::Result<()> {
        if self.several {
            if !self.first {
                writeln!(self.out)?;
            }
            writeln!(self.out, "{TITLE}{}{TITLE:#}", printable(path))?;
        }
        self.first = false;
        Ok(())
    }

    /// "cat, 93 % (Egyptian cat 37 %, tiger cat 37 %, tabby 18 %)", or that no word is likely enough. A class that
    /// answers in its own words needs no headline; its row says it.
    fn headline(&mut self, shown: &Shown<'_>) -> io::Result<bool> {
        let Some(answer) = &shown.everyday else {
            return Ok(false);
        };
        let (word, percent) = (printable(&answer.label), answer.probability * 100.0);
        if !answer.sure {
            writeln!(
                self.out,
                "not sure {DIM}(perhaps {word}, {percent:.0} %){DIM:#}"
            )?;
            return Ok(true);
        }
        if shown.parts.is_empty() {
            return Ok(false);
        }
        let parts: Vec<String> = shown
            .parts
            .iter()
            .map(|part| {
                let percent = part.probability * 100.0;
                format!("{} {percent:.0} %", printable(&part.label))
            })
            .collect();
        writeln!(
            self.out,
            "{BEST}{word}{BEST:#}, {percent:.0} % {DIM}({}){DIM:#}",
            parts.join(", ")
        )?;
        Ok(true)
    }
}

impl<W: Write> Writer for Table<W> {
    fn answer(&mut self, shown: &Shown<'_>) -> io::Result<()> {
        self.title(shown.image.path)?;
        let sure_word = shown.everyday.as_ref().is_some_and(|answer| answer.sure);
        if let (Some(false), Some(best), false) = (shown.sure, shown.best, sure_word) {
            let percent = best.probability * 100.0;
            writeln!(
                self.out,
                "not sure {DIM}(best guess: {}, {percent:.2} %){DIM:#}",
                printable(&best.label)
            )?;
            return self.out.flush();
        }
        if self.headline(shown)? && shown.predictions.len() < 2 {
            return self.out.flush();
        }
        if shown.predictions.is_empty() {
            writeln!(self.out, "{DIM}no class reaches the threshold{DIM:#}")?;
            return self.out.flush();
        }
        let labels: Vec<String> = shown
            .predictions
            .iter()
            .map(|p| cut(&printable(&p.label)))
            .collect();
        let label_columns = labels.iter().map(|label| columns(label)).max().unwrap_or(0);
        let rank_columns = shown.predictions.len().to_string().len();
        for (place, (prediction, label)) in shown.predictions.iter().zip(&labels).enumerate() {
            let style = match prediction.present {
                Some(true) => BEST,
                None if place == 0 => BEST,
                Some(false) | None => Style::new(),
            };
            // Words beside the color: which classes are present shows in a file, too.
            let present = match prediction.present {
                None => "",
                Some(true) => "  yes",
                Some(false) => "  no",
            };
            let padding = " ".repeat(label_columns - columns(label));
            let bar = bar(prediction.probability);
            let bar_padding = " ".repeat(BAR_COLUMNS as usize - bar.chars().count());
            writeln!(
                self.out,
                "{DIM}{:>rank_columns$}{DIM:#}  {style}{label}{style:#}{padding}  {BAR}{bar}{BAR:#}{bar_padding} {:>6.2} %{present}",
                place + 1,
                prediction.probability * 100.0,
            )?;
        }
        self.out.flush()
    }

    fn failure(&mut self, _image: Named<'_>, _problem: FailureReason<'_>) -> io::Result<()> {
        Ok(())
    }
}

/// A bar in eighths of a column.
fn bar(probability: f32) -> String {
    const EIGHTHS: [char; 7] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉'];
    let eighths = (probability.clamp(0.0, 1.0) * BAR_COLUMNS * 8.0).round() as usize;
    let mut bar = "█".repeat(eighths / 8);
    if let Some(part) = (eighths % 8).checked_sub(1) {
        bar.push(EIGHTHS[part]);
    }
    bar
}

fn columns(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

fn cut(label: &str) -> String {
    if columns(label) <= MAX_LABEL_COLUMNS {
        return label.to_owned();
    }
    let mut short = String::new();
    for c in label.chars() {
        if columns(&short) + c.width().unwrap_or(0) > MAX_LABEL_COLUMNS - 1 {
            break;
        }
        short.push(c);
    }
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use inference::Prediction;

    use super::*;

    fn prediction(label: &str, probability: f32) -> Prediction {
        Prediction {
            index: 0,
            id: None,
            label: label.to_owned(),
            probability,
            present: None,
        }
    }

    #[test]
    fn bars_grow_in_eighths() {
        assert_eq!(bar(0.0), "");
        assert_eq!(bar(1.0).chars().count(), 30);
        assert_eq!(bar(0.5), "█".repeat(15));
        assert_eq!(bar(1.0 / 240.0), "▏");
        assert_eq!(bar(f32::NAN), "");
    }

    #[test]
    fn columns_line_up_whatever_the_script() {
        let (a, b) = (prediction("虎", 0.5), prediction("tabby cat", 0.25));
        let shown = Shown {
            image: Named::text("p"),
            model: "m",
            damage: None,
            preview: false,
            predictions: vec![&a, &b],
            best: Some(&a),
            sure: None,
            everyday: None,
            parts: Vec::new(),
            independent: None,
        };
        let mut out = Vec::new();
        Table::new(anstream::StripStream::new(&mut out), true)
            .answer(&shown)
            .unwrap();
        let text = String::from_utf8(out).unwrap();
        insta::assert_snapshot!(text, @"
        p
        1  虎         ███████████████                 50.00 %
        2  tabby cat  ███████▌                        25.00 %
        ");
    }

    #[test]
    fn independent_classes_say_yes_or_no() {
        let (mut a, mut b) = (prediction("cat", 0.9), prediction("dog", 0.25));
        (a.present, b.present) = (Some(true), Some(false));
        let shown = Shown {
            image: Named::text("p"),
            model: "m",
            damage: None,
            preview: false,
            predictions: vec![&a, &b],
            best: Some(&a),
            sure: None,
            everyday: None,
            parts: Vec::new(),
            independent: Some((inference::Answers::MultiLabel, 0.5)),
        };
        let mut out = Vec::new();
        Table::new(anstream::StripStream::new(&mut out), false)
            .answer(&shown)
            .unwrap();
        let text = String::from_utf8(out).unwrap();
        insta::assert_snapshot!(text, @"
        1  cat  ███████████████████████████     90.00 %  yes
        2  dog  ███████▌                        25.00 %  no
        ");
    }

    #[test]
    fn a_long_label_is_cut() {
        let short = cut(&"x".repeat(100));
        assert_eq!(columns(&short), MAX_LABEL_COLUMNS);
        assert!(short.ends_with('…'));
    }
}
