//! Which photos of the grid are selected.

use std::collections::HashSet;

use crate::photo::PhotoId;

/// The selected photos, and the one a range begins at.
#[derive(Default)]
pub(super) struct Selection {
    ids: HashSet<PhotoId>,
    anchor: Option<PhotoId>,
}

impl Selection {
    pub(super) fn ids(&self) -> &HashSet<PhotoId> {
        &self.ids
    }

    /// The selected photos, as they were added.
    pub(super) fn in_order(&self) -> Vec<PhotoId> {
        let mut ids: Vec<_> = self.ids.iter().copied().collect();
        ids.sort_unstable();
        ids
    }

    pub(super) fn contains(&self, id: PhotoId) -> bool {
        self.ids.contains(&id)
    }

    /// Selects a photo, or no longer.
    pub(super) fn toggle(&mut self, id: PhotoId) {
        if !self.ids.remove(&id) {
            self.ids.insert(id);
        }
        self.anchor = Some(id);
    }

    /// Selects everything from the last one that was selected to this one.
    pub(super) fn extend_to(&mut self, id: PhotoId, shown: &[PhotoId]) {
        let place = |wanted: PhotoId| shown.iter().position(|other| *other == wanted);
        let to = place(id);
        let from = self.anchor.and_then(place).or(to);
        if let (Some(from), Some(to)) = (from, to) {
            self.ids.extend(&shown[from.min(to)..=from.max(to)]);
        }
        self.anchor.get_or_insert(id);
    }

    pub(super) fn select_all(&mut self, shown: &[PhotoId]) {
        self.ids.extend(shown);
    }

    pub(super) fn forget(&mut self, ids: &[PhotoId]) {
        for id in ids {
            self.ids.remove(id);
        }
        self.anchor = self.anchor.filter(|anchor| !ids.contains(anchor));
    }

    /// Selects nothing; false when nothing was selected.
    pub(super) fn clear(&mut self) -> bool {
        self.anchor = None;
        let any = !self.ids.is_empty();
        self.ids.clear();
        any
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_go_from_the_last_one_in_the_order_shown() {
        let ids: Vec<_> = [5, 3, 9, 1].map(PhotoId).into();
        let mut selection = Selection::default();
        selection.toggle(PhotoId(3));
        selection.extend_to(PhotoId(1), &ids);
        assert_eq!(selection.in_order(), [1, 3, 9].map(PhotoId));
        selection.toggle(PhotoId(9));
        assert_eq!(selection.in_order(), [1, 3].map(PhotoId));
        selection.forget(&[PhotoId(9), PhotoId(1)]);
        selection.extend_to(PhotoId(5), &ids);
        assert_eq!(selection.in_order(), [3, 5].map(PhotoId));
        assert!(selection.clear());
        assert!(!selection.clear());
    }
}
