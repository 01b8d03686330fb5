//! Class labels: a name a person reads and, where there is one, an id that a program compares.

mod file;
mod matcher;

use std::sync::LazyLock;

pub use file::{LabelsError, parse_labels, read_labels};
pub use matcher::{ClassMatcher, MatchError};

use serde::{Deserialize, Serialize};

/// One class of a classifier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Label {
    /// The WordNet id (`n02123045`) for ImageNet classes; none for others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What is shown: `tabby`.
    pub name: String,
}

impl Label {
    /// A label without an id.
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            id: None,
            name: name.into(),
        }
    }
}

/// The 1,000 ImageNet (ILSVRC 2012) classes in torchvision's order: WordNet ids sorted.
pub fn imagenet1k() -> &'static [Label] {
    static LABELS: LazyLock<Vec<Label>> = LazyLock::new(|| {
        include_str!("../../data/imagenet1k.tsv")
            .lines()
            .filter_map(|line| line.split_once('\t'))
            .map(|(id, name)| Label {
                id: Some(id.to_owned()),
                name: name.to_owned(),
            })
            .collect()
    });
    &LABELS
}

/// Labels for class folders: a folder called by an ImageNet WordNet id gets that class's name.
///
/// The order is the folders'; nothing is sorted here.
pub fn from_folder_names<S: AsRef<str>>(folders: &[S]) -> Vec<Label> {
    folders
        .iter()
        .map(|folder| {
            let folder = folder.as_ref();
            imagenet1k()
                .iter()
                .find(|label| label.id.as_deref() == Some(folder))
                .cloned()
                .unwrap_or_else(|| Label::named(folder))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imagenet_has_its_thousand_classes_in_order() {
        let labels = imagenet1k();
        assert_eq!(labels.len(), 1000);
        assert!(labels.is_sorted_by_key(|label| label.id.clone()));
        assert_eq!(
            labels[0],
            Label {
                id: Some("n01440764".into()),
                name: "tench".into()
            }
        );
        assert_eq!(labels[281].name, "tabby");
        assert_eq!(
            labels[999],
            Label {
                id: Some("n15075141".into()),
                name: "toilet tissue".into()
            }
        );
    }

    #[test]
    fn folders_keep_their_order_and_wordnet_ids_get_names() {
        let labels = from_folder_names(&["truck", "n02123045"]);
        assert_eq!(labels[0], Label::named("truck"));
        assert_eq!(labels[1].name, "tabby");
        assert_eq!(labels[1].id.as_deref(), Some("n02123045"));
    }
}
