//! What a run was trained on, in a few lines: stored in its state, compared when it goes on.

use model_core::text::hex;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The classes and images of a data set. Not their pixels: names and labels are what a data set's order depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataFingerprint {
    /// Class names, in the order of the labels.
    pub classes: Vec<String>,
    /// Training images.
    pub train: ImageListDigest,
    /// Validation images.
    pub val: ImageListDigest,
}

/// A list of labeled images.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageListDigest {
    /// How many.
    pub images: u64,
    /// SHA-256 of their names and labels, in order, lower-case hex.
    pub sha256: String,
}

impl ImageListDigest {
    /// The fingerprint of images by name (relative to the data set) and label.
    pub fn of<N: AsRef<[u8]>>(samples: impl IntoIterator<Item = (N, usize)>) -> Self {
        let (mut images, mut hasher) = (0, Sha256::new());
        for (name, label) in samples {
            images += 1;
            hasher.update(name.as_ref());
            hasher.update([0]);
            hasher.update((label as u64).to_le_bytes());
        }
        let sha256 = hex(&hasher.finalize());
        Self { images, sha256 }
    }
}

/// How the classes of a data set follow those that a run was trained on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClassChange {
    /// The same names in the same order.
    None,
    /// The saved classes under their present names, in the saved order; `labels[i]` is the saved label of present class i.
    Mapped {
        /// In the order of the network's outputs.
        classes: Vec<String>,
        /// From the data set's labels to the network's.
        labels: Vec<i64>,
    },
    /// They are others.
    Other {
        /// Saved classes that are not there.
        missing: Vec<String>,
        /// Present classes that were not there.
        unknown: Vec<String>,
    },
}

/// Compares class lists by name; `renamed` says which present name (second) a saved class (first) goes by now.
pub fn compare_classes(
    saved: &[String],
    present: &[String],
    renamed: &[(String, String)],
) -> ClassChange {
    let now = |name: &String| {
        let found = renamed.iter().find(|(old, _)| old == name);
        found.map_or(name, |(_, new)| new).clone()
    };
    let classes: Vec<String> = saved.iter().map(now).collect();
    if classes == present {
        return if renamed.is_empty() {
            ClassChange::None
        } else {
            ClassChange::Mapped {
                labels: (0..classes.len() as i64).collect(),
                classes,
            }
        };
    }
    let missing: Vec<String> = classes
        .iter()
        .filter(|c| !present.contains(c))
        .cloned()
        .collect();
    let unknown: Vec<String> = present
        .iter()
        .filter(|c| !classes.contains(c))
        .cloned()
        .collect();
    let place = |name: &String| classes.iter().position(|class| class == name);
    let labels: Option<Vec<i64>> = present.iter().map(|c| Some(place(c)? as i64)).collect();
    match labels {
        Some(labels) if missing.is_empty() && classes.len() == present.len() => {
            ClassChange::Mapped { classes, labels }
        }
        _ => ClassChange::Other { missing, unknown },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn a_renamed_class_is_refused_until_it_is_mapped() {
        let (saved, present) = (names("cat dog ship"), names("dog ship zcat"));
        assert_eq!(
            compare_classes(&saved, &present, &[]),
            ClassChange::Other {
                missing: names("cat"),
                unknown: names("zcat")
            }
        );
        let renamed = [("cat".to_owned(), "zcat".to_owned())];
        assert_eq!(
            compare_classes(&saved, &present, &renamed),
            ClassChange::Mapped {
                classes: names("zcat dog ship"),
                labels: vec![1, 2, 0]
            }
        );
    }

    #[test]
    fn another_order_is_mapped_and_another_number_is_not() {
        assert_eq!(
            compare_classes(&names("a b"), &names("a b"), &[]),
            ClassChange::None
        );
        assert_eq!(
            compare_classes(&names("b a"), &names("a b"), &[]),
            ClassChange::Mapped {
                classes: names("b a"),
                labels: vec![1, 0]
            }
        );
        assert_eq!(
            compare_classes(&names("a b"), &names("a b c"), &[]),
            ClassChange::Other {
                missing: vec![],
                unknown: names("c")
            }
        );
    }

    #[test]
    fn a_list_is_its_names_and_labels_in_order() {
        let list = |samples: &[(&str, usize)]| ImageListDigest::of(samples.iter().copied());
        let one = list(&[("a/1.jpg", 0), ("b/2.jpg", 1)]);
        assert_eq!(one.images, 2);
        for other in [
            list(&[("a/1.jpg", 0), ("b/2.jpg", 0)]),
            list(&[("b/2.jpg", 1), ("a/1.jpg", 0)]),
            list(&[("a/1.jpg", 0), ("b/3.jpg", 1)]),
        ] {
            assert_ne!(one.sha256, other.sha256);
        }
        assert_eq!(one, list(&[("a/1.jpg", 0), ("b/2.jpg", 1)]));
    }
}
