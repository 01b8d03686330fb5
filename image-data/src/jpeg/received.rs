//! Which bits of which coefficients a progressive file has sent. One that ends early, but with an end, lacks fine detail
//! and is decoded like any other.

use super::scan::Scan;

/// For each component and coefficient the lowest bit that came; none before its first scan.
#[derive(Default)]
pub(super) struct Received([Vec<Option<u32>>; 4]);

impl Received {
    /// Notes what a scan brings.
    pub fn add(&mut self, scan: &Scan) {
        for component in &scan.components {
            let lowest = &mut self.0[component.index];
            lowest.resize(64, None);
            for bit in &mut lowest[scan.first as usize..=scan.last as usize] {
                *bit = Some(scan.low);
            }
        }
    }

    /// Whether every bit of every coefficient came.
    pub fn is_whole(&self, components: usize) -> bool {
        let is_whole = |lowest: &Vec<Option<u32>>| {
            lowest.len() == 64 && lowest.iter().all(|bit| *bit == Some(0))
        };
        self.0[..components].iter().all(is_whole)
    }
}
