//! One line for each number of an epoch: what it is called, and where and how it is shown.

use super::EpochRecord;

/// A number of an epoch and how the reports show it.
pub struct Metric {
    /// The array's name in `metrics.npz`.
    pub key: &'static str,
    /// The scalar's name in TensorBoard; none where it is not shown there.
    pub tag: Option<&'static str>,
    /// Over the column and beside the axis.
    pub title: &'static str,
    /// Of the value; empty for plain numbers.
    pub unit: &'static str,
    /// Its column on the terminal; none where it has none.
    pub column: Option<Column>,
    /// Its curve in `plots/metrics`; none where it has none.
    pub curve: Option<Curve>,
    /// The value; none where it was not measured.
    pub value: fn(&EpochRecord) -> Option<f64>,
}

/// A column of the table on the terminal.
#[derive(Clone, Copy)]
pub struct Column {
    /// Characters, the space between columns not counted.
    pub width: usize,
    /// How the number is written.
    pub format: NumberFormat,
}

/// How a number is written.
#[derive(Clone, Copy)]
pub enum NumberFormat {
    /// With so many digits after the point.
    Fixed(usize),
    /// As 1.25e-2.
    Scientific,
    /// Bytes as MiB.
    Mebibytes,
}

/// A curve of a chart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Curve {
    /// Which of the charts.
    pub chart: Chart,
    /// Of the validation images; otherwise of the training images.
    pub is_validation: bool,
}

/// The charts of `plots/metrics`, from left to right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chart {
    /// Cross-entropy.
    Loss,
    /// Top-1 accuracy; the best validation is marked.
    Accuracy,
}

impl Chart {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Loss, Self::Accuracy];

    /// Above the chart.
    pub fn title(self) -> &'static str {
        match self {
            Self::Loss => "Loss",
            Self::Accuracy => "Top-1 accuracy",
        }
    }

    /// Beside its axis.
    pub fn y_label(self) -> &'static str {
        match self {
            Self::Loss => "cross-entropy",
            Self::Accuracy => "percent",
        }
    }
}

const fn column(width: usize, digits: usize) -> Option<Column> {
    Some(Column {
        width,
        format: NumberFormat::Fixed(digits),
    })
}

const fn curve(chart: Chart, is_validation: bool) -> Option<Curve> {
    Some(Curve {
        chart,
        is_validation,
    })
}

/// Every number, in the order of the columns.
pub const METRICS: &[Metric] = &[
    Metric {
        key: "learning_rate",
        tag: Some("learning_rate"),
        title: "lr",
        unit: "",
        column: Some(Column {
            width: 8,
            format: NumberFormat::Scientific,
        }),
        curve: None,
        value: |r| Some(r.learning_rate),
    },
    Metric {
        key: "train_loss",
        tag: Some("loss/train"),
        title: "train loss",
        unit: "",
        column: column(10, 4),
        curve: curve(Chart::Loss, false),
        value: |r| Some(r.train_loss),
    },
    Metric {
        key: "train_accuracy",
        tag: Some("top1_percent/train"),
        title: "top-1 %",
        unit: "%",
        column: column(8, 2),
        curve: curve(Chart::Accuracy, false),
        value: |r| Some(r.train_top1_percent),
    },
    Metric {
        key: "train_top5_accuracy",
        tag: Some("top5_percent/train"),
        title: "top-5 %",
        unit: "%",
        column: None,
        curve: None,
        value: |r| Some(r.train_top5_percent),
    },
    Metric {
        key: "val_loss",
        tag: Some("loss/val"),
        title: "val loss",
        unit: "",
        column: column(9, 4),
        curve: curve(Chart::Loss, true),
        value: |r| r.val_loss,
    },
    Metric {
        key: "val_accuracy",
        tag: Some("top1_percent/val"),
        title: "top-1 %",
        unit: "%",
        column: column(8, 2),
        curve: curve(Chart::Accuracy, true),
        value: |r| r.val_top1_percent,
    },
    Metric {
        key: "val_top5_accuracy",
        tag: Some("top5_percent/val"),
        title: "top-5 %",
        unit: "%",
        column: column(8, 2),
        curve: None,
        value: |r| r.val_top5_percent,
    },
    Metric {
        key: "val_class_mean_accuracy",
        tag: Some("class_mean_percent/val"),
        title: "mean per class %",
        unit: "%",
        column: None,
        curve: None,
        value: |r| r.val_class_mean_percent,
    },
    Metric {
        key: "raw_val_loss",
        tag: Some("loss/raw_val"),
        title: "raw val loss",
        unit: "",
        column: None,
        curve: None,
        value: |r| r.raw_val_loss,
    },
    Metric {
        key: "raw_val_accuracy",
        tag: Some("top1_percent/raw_val"),
        title: "raw top-1 %",
        unit: "%",
        column: None,
        curve: None,
        value: |r| r.raw_val_top1_percent,
    },
    Metric {
        key: "raw_val_top5_accuracy",
        tag: Some("top5_percent/raw_val"),
        title: "raw top-5 %",
        unit: "%",
        column: None,
        curve: None,
        value: |r| r.raw_val_top5_percent,
    },
    Metric {
        key: "raw_val_class_mean_accuracy",
        tag: Some("class_mean_percent/raw_val"),
        title: "raw mean per class %",
        unit: "%",
        column: None,
        curve: None,
        value: |r| r.raw_val_class_mean_percent,
    },
    Metric {
        key: "images_per_sec",
        tag: Some("speed/images_per_sec"),
        title: "img/s",
        unit: "images/s",
        column: column(8, 1),
        curve: None,
        value: |r| Some(r.images_per_sec),
    },
    Metric {
        key: "data_wait_percent",
        tag: Some("speed/data_wait_percent"),
        title: "wait %",
        unit: "%",
        column: column(7, 1),
        curve: None,
        value: |r| Some(r.data_wait_percent),
    },
    Metric {
        key: "secs",
        tag: Some("speed/epoch_secs"),
        title: "secs",
        unit: "s",
        column: column(7, 1),
        curve: None,
        value: |r| Some(r.train_secs + r.val_secs),
    },
    Metric {
        key: "skipped_steps",
        tag: Some("skipped_steps"),
        title: "skipped",
        unit: "steps",
        column: None,
        curve: None,
        value: |r| Some(r.skipped_steps as f64),
    },
    Metric {
        key: "micro_batch",
        tag: Some("micro_batch"),
        title: "micro-batch",
        unit: "images",
        column: None,
        curve: None,
        value: |r| (r.micro_batch > 0).then_some(r.micro_batch as f64),
    },
    Metric {
        key: "peak_memory_bytes",
        tag: Some("memory/peak_bytes"),
        title: "peak MiB",
        unit: "bytes",
        column: Some(Column {
            width: 9,
            format: NumberFormat::Mebibytes,
        }),
        curve: None,
        value: |r| r.peak_memory_bytes.map(|bytes| bytes as f64),
    },
];

impl Column {
    /// A value as the column shows it, right-aligned; a dash where there is none.
    pub fn show(self, value: Option<f64>) -> String {
        let width = self.width;
        let Some(value) = value else {
            return format!("{:>width$}", "-");
        };
        match self.format {
            NumberFormat::Fixed(digits) => format!("{value:width$.digits$}"),
            NumberFormat::Scientific => format!("{value:width$.2e}"),
            NumberFormat::Mebibytes => format!("{:width$.0}", value / f64::from(1 << 20)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_every_chart_has_both_curves() {
        let keys: BTreeSet<&str> = METRICS.iter().map(|metric| metric.key).collect();
        let tags: BTreeSet<&str> = METRICS.iter().filter_map(|metric| metric.tag).collect();
        assert_eq!(keys.len(), METRICS.len());
        assert_eq!(
            tags.len(),
            METRICS.iter().filter(|m| m.tag.is_some()).count()
        );
        for chart in Chart::ALL {
            for is_validation in [false, true] {
                let wanted = curve(chart, is_validation);
                assert_eq!(METRICS.iter().filter(|m| m.curve == wanted).count(), 1);
            }
        }
    }

    #[test]
    fn a_column_keeps_its_width() {
        let column = Column {
            width: 8,
            format: NumberFormat::Scientific,
        };
        assert_eq!(column.show(Some(0.0125)), " 1.25e-2");
        assert_eq!(column.show(None), "       -");
        let memory = Column {
            width: 5,
            format: NumberFormat::Mebibytes,
        };
        assert_eq!(memory.show(Some(f64::from(3 << 20))), "    3");
    }
}
