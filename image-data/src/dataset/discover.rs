//! Where the data probably is, when nobody said: the usual places of a prepared machine.

use std::path::{Path, PathBuf};

use super::layout::{self, Listing};

/// The data that was found, or where it was looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discovery {
    /// The first place that holds a data set with training images.
    pub found: Option<PathBuf>,
    /// Every place that was looked at, in order.
    pub looked: Vec<PathBuf>,
}

/// Looks for a data set at `named` (what an environment variable says), in the usual folders under `base` (the working
/// directory) and `/data`, and in Hugging Face's cache under `home`.
pub fn discover(named: Option<&Path>, base: &Path, home: Option<&Path>) -> Discovery {
    let mut places: Vec<PathBuf> = named.map(Path::to_owned).into_iter().collect();
    let usual = [
        "imagenet",
        "data",
        "data/imagenet",
        "dataset",
        "datasets/imagenet",
    ];
    places.extend(usual.iter().map(|name| base.join(name)));
    places.extend(
        [
            "/data/imagenet",
            "/data",
            "/datasets/imagenet",
            "/mnt/data/imagenet",
        ]
        .map(PathBuf::from),
    );
    if let Some(home) = home {
        places.push(home.join("imagenet"));
        places.push(home.join("data/imagenet"));
        places.extend(hugging_face(home));
    }
    let mut looked = Vec::new();
    for place in places {
        let is_set = is_dataset(&place);
        looked.push(place.clone());
        if is_set {
            return Discovery {
                found: Some(place),
                looked,
            };
        }
    }
    Discovery {
        found: None,
        looked,
    }
}

/// Snapshots of ImageNet in the cache of `huggingface_hub`: `hub/datasets--OWNER--NAME/snapshots/REVISION`.
fn hugging_face(home: &Path) -> Vec<PathBuf> {
    let hub = home.join(".cache/huggingface/hub");
    let folders = |dir: &Path| {
        Listing::read(dir)
            .map(|there| there.folders)
            .unwrap_or_default()
    };
    let sets = folders(&hub)
        .into_iter()
        .filter(|name| name.contains("imagenet"));
    let mut snapshots = vec![hub.join("datasets--ILSVRC--imagenet-1k/snapshots")];
    snapshots.extend(sets.map(|name| hub.join(name).join("snapshots")));
    snapshots.dedup();
    let mut places = Vec::new();
    for dir in snapshots {
        let revisions = folders(&dir);
        if revisions.is_empty() {
            places.push(dir.clone());
        }
        places.extend(revisions.into_iter().map(|revision| dir.join(revision)));
    }
    places
}

/// Whether a directory looks like a data set with training images, by its names alone.
fn is_dataset(place: &Path) -> bool {
    let Ok(root) = layout::unwrapped(place) else {
        return false;
    };
    let Ok(there) = Listing::read(&root) else {
        return false;
    };
    let has_train = there.folder(&layout::TRAIN_NAMES).is_some_and(|name| {
        let inside = Listing::read(&root.join(name)).unwrap_or_default();
        !inside.folders.is_empty() || !inside.files_ending(&layout::FILES_OF_IMAGES).is_empty()
    });
    has_train
        || layout::kaggle(&root).is_some()
        || layout::imagenet_tars(&root, &there).is_some()
        || layout::split_files(&root, &there).is_some()
        || layout::table(&root, &there).is_some()
}
