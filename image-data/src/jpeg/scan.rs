//! A scan header (SOS), and the walk over a scan's MCUs that sequential and progressive decoding share.

use super::frame::Frame;

/// One component of a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ScanComponent {
    /// Index in the frame.
    pub index: usize,
    /// Numbers of its Huffman tables.
    pub dc: usize,
    pub ac: usize,
}

/// What SOS says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scan {
    pub components: Vec<ScanComponent>,
    /// First and last coefficient, in zigzag order.
    pub first: u32,
    pub last: u32,
    /// Bits left out before this scan and by it.
    pub high: u32,
    pub low: u32,
}

impl Scan {
    pub fn read(body: &[u8], frame: &Frame) -> Result<Self, String> {
        let damaged = || "a scan header has another length than its components need".to_owned();
        let [count, rest @ ..] = body else {
            return Err(damaged());
        };
        let count = usize::from(*count);
        if !(1..=4).contains(&count) || rest.len() != count * 2 + 3 {
            return Err(damaged());
        }
        let mut components: Vec<ScanComponent> = Vec::with_capacity(count);
        for &[id, tables] in rest[..count * 2].as_chunks::<2>().0 {
            // Two components of one number are legal for libjpeg: each is found once.
            let index = frame
                .components
                .iter()
                .enumerate()
                .position(|(i, c)| c.id == id && components.iter().all(|s| s.index != i))
                .ok_or_else(|| {
                    format!("a scan names component {id}, which the frame header does not")
                })?;
            components.push(ScanComponent {
                index,
                dc: usize::from(tables >> 4),
                ac: usize::from(tables & 15),
            });
        }
        let &[first, last, bits] = &rest[count * 2..] else {
            return Err(damaged());
        };
        let scan = Self {
            components,
            first: u32::from(first),
            last: u32::from(last),
            high: u32::from(bits >> 4),
            low: u32::from(bits & 15),
        };
        if frame.progressive && !scan.is_progression() {
            return Err(format!(
                "a scan of a progressive picture asks for coefficients {first} to {last}, bits {} to {}",
                scan.high, scan.low
            ));
        }
        Ok(scan)
    }

    /// The rules of G.1.1.1, as far as libjpeg holds them.
    fn is_progression(&self) -> bool {
        let band = if self.first == 0 {
            self.last == 0
        } else {
            self.first <= self.last && self.last < 64 && self.components.len() == 1
        };
        band && (self.high == 0 || self.low + 1 == self.high) && self.low <= 13
    }

    /// Several components take turns.
    pub fn interleaved(&self) -> bool {
        self.components.len() > 1
    }

    /// MCUs across and down. A scan of one component leaves out the padding.
    pub fn mcus(&self, frame: &Frame) -> (u32, u32) {
        if self.interleaved() {
            (frame.mcus_x(), frame.mcus_y())
        } else {
            let component = &frame.components[self.components[0].index];
            (component.blocks_x(), component.blocks_y())
        }
    }

    /// Pixel rows that one row of MCUs stands for.
    pub fn rows_per_mcu(&self, frame: &Frame) -> f64 {
        let rows = f64::from(frame.block * frame.v_max);
        if self.interleaved() {
            rows
        } else {
            rows / f64::from(frame.components[self.components[0].index].v)
        }
    }
}
