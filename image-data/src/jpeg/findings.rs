//! What is wrong with a file, gathered while it is decoded.

use crate::decode::{Damage, DamageKind};

#[derive(Default)]
pub(super) struct Findings {
    kind: Option<DamageKind>,
    first_row: Option<f64>,
    /// Largest share of MCUs that any scan left blank.
    missing: f64,
}

impl Findings {
    /// Notes something; what is noticed first names the damage. `row` is the first pixel row that may be wrong.
    pub fn note(&mut self, kind: DamageKind, row: Option<f64>) {
        self.kind.get_or_insert(kind);
        if let Some(row) = row {
            self.first_row = Some(self.first_row.map_or(row, |first| first.min(row)));
        }
    }

    /// A scan had no data for `blank` of its `total` MCUs.
    pub fn missing(&mut self, blank: u64, total: u64) {
        self.missing = self.missing.max(blank as f64 / total.max(1) as f64);
    }

    /// What is to be reported of a picture of `height` rows.
    pub fn into_damage(self, height: u32) -> Option<Damage> {
        Some(Damage {
            kind: self.kind?,
            first_bad_row: self
                .first_row
                .map(|row| (row as u32).min(height.saturating_sub(1))),
            missing_rows: self.missing,
        })
    }
}
