//! Which photos of the list the grid shows, and in which order. It holds no photos and knows no window.

use model_core::text::natural_order;

use crate::photo::{Confidence, Photo};

/// The order of the grid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SortOrder {
    /// As they were added.
    #[default]
    Added,
    /// By file name.
    Name,
    /// By best label, the surest first.
    Label,
    /// The surest first.
    Surest,
    /// The least sure first: where a second look pays.
    LeastSure,
}

impl SortOrder {
    /// All of them, in the order of the menu.
    pub const ALL: [Self; 5] = [
        Self::Added,
        Self::Name,
        Self::Label,
        Self::Surest,
        Self::LeastSure,
    ];

    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Added => "As added",
            Self::Name => "By name",
            Self::Label => "By label",
            Self::Surest => "Surest first",
            Self::LeastSure => "Least sure first",
        }
    }
}

/// Which photos the grid shows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PhotoFilter {
    /// Part of a label or of a file name; empty for all.
    pub text: String,
    /// One group.
    pub only: PhotoGroup,
}

/// A group of photos.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum PhotoGroup {
    /// All.
    #[default]
    All,
    /// Those with this best label.
    Label(String),
    /// Those below the threshold.
    NotSure,
    /// Those that could not be read.
    Failed,
}

fn probability(photo: &Photo) -> Option<f32> {
    if photo.said.is_some() {
        return Some(1.0);
    }
    let answer = photo.answer()?;
    answer
        .certainty()
        .or_else(|| answer.best().map(|best| best.probability))
}

/// Whether the filter lets a photo through.
pub(crate) fn passes(photo: &Photo, filter: &PhotoFilter, threshold: f32) -> bool {
    let group = match &filter.only {
        PhotoGroup::All => true,
        PhotoGroup::Label(label) => photo.label().as_deref() == Some(label.as_str()),
        PhotoGroup::NotSure => photo
            .confidence(threshold)
            .is_some_and(|confidence| confidence == Confidence::Not),
        PhotoGroup::Failed => photo.problem().is_some(),
    };
    if !group {
        return false;
    }
    let text = filter.text.trim().to_lowercase();
    text.is_empty()
        || photo
            .label()
            .is_some_and(|label| label.to_lowercase().contains(&text))
        || photo.source.name().to_lowercase().contains(&text)
}

/// Puts photos in order. Those without an answer come last in every order that needs one.
pub(crate) fn order(photos: &mut [&Photo], sort: SortOrder) {
    match sort {
        SortOrder::Added => {}
        SortOrder::Name => {
            photos.sort_by(|a, b| natural_order(a.source.name().as_ref(), b.source.name().as_ref()))
        }
        SortOrder::Label => {
            // Both sorts keep the order of equals: within a label, the surest first.
            photos.sort_by(|a, b| surest(a, b));
            photos.sort_by_cached_key(|photo| {
                let label = photo.label().map(|label| label.to_lowercase());
                (label.is_none(), label)
            });
        }
        SortOrder::Surest => photos.sort_by(|a, b| surest(a, b)),
        SortOrder::LeastSure => photos.sort_by(|a, b| match (probability(a), probability(b)) {
            (Some(x), Some(y)) => x.total_cmp(&y),
            (x, y) => y.is_some().cmp(&x.is_some()),
        }),
    }
}

fn surest(a: &Photo, b: &Photo) -> std::cmp::Ordering {
    match (probability(a), probability(b)) {
        (Some(x), Some(y)) => y.total_cmp(&x),
        (x, y) => y.is_some().cmp(&x.is_some()),
    }
}
