//! Which bits of which coefficients a progressive file has sent. One that ends early, but with an end, lacks fine detail
//! and is decoded like any other.

use super::scan::Scan;

/// For each component and coefficient the lowest bit that came; [`NOTHING`] before its first scan.
pub(super) struct Received([[u32; 64]; 4]);

const NOTHING: u32 = u32::MAX;

impl Received {
    pub fn nothing() -> Self {
        Self([[NOTHING; 64]; 4])
    }

    /// Notes what a scan brings.
    pub fn add(&mut self, scan: &Scan) {
        for component in &scan.components {
            self.0[component.index][scan.first as usize..=scan.last as usize].fill(scan.low);
        }
    }

    /// Whether every bit of every coefficient came.
    pub fn is_whole(&self, components: usize) -> bool {
        self.0[..components]
            .as_flattened()
            .iter()
            .all(|bit| *bit == 0)
    }
}
