//! Progressive scans (Annex G): every scan adds coefficients, or bits of them, to blocks that are kept until the end. What damaged data
//! does to a block is what it does in libjpeg (`jdphuff.c`).

use super::bits::Bits;
use super::findings::Findings;
use super::frame::{Frame, McuArea};
use super::huffman::{AcTable, DcTable, extend};
use super::idct::{Block, Idct, flat, transform};
use super::planes::Plane;
use super::scan::Scan;
use super::segments::{Restart, Segments};
use super::tables::{NATURAL, QuantTable};
use crate::decode::DamageKind;

/// The coefficients of a whole picture.
#[derive(Default)]
pub(super) struct Coefficients {
    blocks: Vec<Block>,
    layout: Vec<Layout>,
}

/// Where a component's blocks lie.
#[derive(Clone, Copy)]
struct Layout {
    first: usize,
    per_row: usize,
}

impl Coefficients {
    /// What they hold on to.
    pub fn kept_bytes(&self) -> usize {
        self.blocks.capacity() * size_of::<Block>()
    }

    /// All zero, for the blocks of `frame`.
    pub fn reset(&mut self, frame: &Frame) {
        self.layout.clear();
        let mut first = 0;
        for component in &frame.components {
            let per_row = (frame.mcus_x() * component.h) as usize;
            self.layout.push(Layout { first, per_row });
            first += per_row * (frame.mcus_y() * component.v) as usize;
        }
        self.blocks.clear();
        self.blocks.resize(first, Block::ZERO);
    }

    #[inline(always)]
    fn at(&mut self, component: usize, x: u32, y: u32) -> &mut Block {
        let layout = self.layout[component];
        &mut self.blocks[layout.first + y as usize * layout.per_row + x as usize]
    }

    /// Transforms one component's blocks of `area` into its plane.
    #[inline(always)]
    pub fn transform(
        &mut self,
        idct: impl Idct,
        frame: &Frame,
        component: usize,
        quant: &QuantTable,
        area: McuArea,
        plane: &mut Plane,
    ) {
        let c = &frame.components[component];
        for y in area.y0 * c.v..area.y1 * c.v {
            for x in area.x0 * c.h..area.x1 * c.h {
                let block = &*self.at(component, x, y);
                let mut target = plane.block(x, y);
                if block.0[1..].iter().all(|&c| c == 0) {
                    flat(block.0[0], quant, &mut target);
                } else {
                    transform(idct, block, quant, &mut target);
                }
            }
        }
    }
}

/// What a scan is decoded with. Tables that its kind of scan needs are there, others need not be.
pub(super) struct Decoding<'a> {
    pub frame: &'a Frame,
    pub scan: &'a Scan,
    pub dc: Vec<&'a DcTable>,
    pub ac: Option<&'a AcTable>,
    pub restart_interval: u32,
    /// What is wanted, in interleaved MCUs.
    pub area: McuArea,
    /// Rows behind the area are of no interest, not even for damage.
    pub stop_early: bool,
}

/// The state that restarts reset.
struct Entropy<'a> {
    bits: Bits<'a>,
    predictions: [i32; 4],
    /// Blocks that end before they begin.
    end_of_bands: u32,
    bad: bool,
}

impl Decoding<'_> {
    /// Decodes the scan into `coefficients`.
    #[inline(always)]
    pub fn run(
        &self,
        segments: &mut Segments<'_, '_>,
        coefficients: &mut Coefficients,
        findings: &mut Findings,
    ) {
        let (mcus_x, mcus_y) = self.scan.mcus(self.frame);
        let rows_per_mcu = self.scan.rows_per_mcu(self.frame);
        let total = u64::from(mcus_x) * u64::from(mcus_y);
        let interval = match self.restart_interval {
            0 => total,
            interval => u64::from(interval),
        };
        let last_row = if self.scan.interleaved() {
            self.area.y1
        } else {
            self.area.y1 * self.frame.components[self.scan.components[0].index].v
        };
        let (mut done, mut blank, mut number) = (0, 0, 0);
        let (mut x, mut y) = (0, 0);
        let mut dry = false;
        loop {
            dry &= segments.waiting();
            let mut entropy = Entropy {
                bits: Bits::new(segments.load()),
                predictions: [0; 4],
                end_of_bands: 0,
                bad: false,
            };
            let count = interval.min(total - done);
            for _ in 0..count {
                if dry {
                    blank += 1;
                } else {
                    self.mcu(&mut entropy, coefficients, x, y);
                    if entropy.bad {
                        findings.note(DamageKind::BadData, Some(f64::from(y) * rows_per_mcu));
                        entropy.bad = false;
                    }
                    if entropy.bits.overdrawn() {
                        dry = true;
                        findings.note(
                            if self.restart_interval == 0 {
                                DamageKind::MissingData
                            } else {
                                DamageKind::BadData
                            },
                            Some(f64::from(y) * rows_per_mcu),
                        );
                    }
                }
                x += 1;
                if x == mcus_x {
                    (x, y) = (0, y + 1);
                    if self.stop_early && y >= last_row {
                        segments.skip(number, total.div_ceil(interval));
                        return;
                    }
                }
            }
            done += count;
            if entropy.bits.unread_bytes() > 0 && !dry {
                findings.note(DamageKind::ExtraData, None);
            }
            if done == total {
                break;
            }
            let kind = match segments.restart(number) {
                Restart::Found => None,
                Restart::Lost => Some(DamageKind::LostRestart),
                Restart::Ended => Some(DamageKind::MissingData),
            };
            if let Some(kind) = kind {
                findings.note(kind, Some(f64::from(y) * rows_per_mcu));
            }
            number += 1;
        }
        // Detail that is missing is no missing row.
        if self.scan.first == 0 && self.scan.high == 0 {
            findings.missing(blank, total);
        }
    }

    #[inline(always)]
    fn mcu(&self, entropy: &mut Entropy<'_>, coefficients: &mut Coefficients, x: u32, y: u32) {
        if !self.scan.interleaved() {
            let block = coefficients.at(self.scan.components[0].index, x, y);
            match (self.scan.first, self.scan.high) {
                (0, _) => self.dc(entropy, 0, block),
                (_, 0) => self.ac_first(entropy, block),
                _ => self.ac_refine(entropy, block),
            }
            return;
        }
        for (slot, component) in self.scan.components.iter().enumerate() {
            let c = &self.frame.components[component.index];
            for dy in 0..c.v {
                for dx in 0..c.h {
                    let block = coefficients.at(component.index, x * c.h + dx, y * c.v + dy);
                    self.dc(entropy, slot, block);
                }
            }
        }
    }

    /// G.1.2.1: the first coefficient, or one more bit of it.
    #[inline(always)]
    fn dc(&self, entropy: &mut Entropy<'_>, slot: usize, block: &mut Block) {
        entropy.bits.ensure_32();
        if self.scan.high > 0 {
            block.0[0] |= (entropy.bits.take(1) << self.scan.low) as i16;
            return;
        }
        let (difference, none) = self.dc[slot].difference(&mut entropy.bits);
        let prediction = &mut entropy.predictions[slot];
        *prediction = prediction.wrapping_add(difference);
        entropy.bad |= none;
        block.0[0] = prediction.wrapping_shl(self.scan.low) as i16;
    }

    /// G.1.2.2: the first bits of a band of coefficients.
    #[inline(always)]
    fn ac_first(&self, entropy: &mut Entropy<'_>, block: &mut Block) {
        if entropy.end_of_bands > 0 {
            entropy.end_of_bands -= 1;
            return;
        }
        let Some(table) = self.ac else { return };
        let mut k = self.scan.first;
        while k <= self.scan.last {
            let bits = &mut entropy.bits;
            bits.ensure_32();
            let (length, symbol) = table.symbol(bits.buffer());
            bits.skip(length);
            entropy.bad |= length > 16;
            let (run, size) = (symbol >> 4, symbol & 15);
            if size > 0 {
                k += run;
                let value = extend(bits.take(size), size);
                entropy.bad |= k > self.scan.last;
                block.0[usize::from(NATURAL[k as usize])] = (value << self.scan.low) as i16;
            } else if run == 15 {
                k += 15;
            } else {
                entropy.end_of_bands = (1 << run) - 1;
                if run > 0 {
                    entropy.end_of_bands += bits.take(run);
                }
                return;
            }
            k += 1;
        }
    }

    /// G.1.2.3: one more bit of every coefficient of a band.
    #[inline(always)]
    fn ac_refine(&self, entropy: &mut Entropy<'_>, block: &mut Block) {
        let Some(table) = self.ac else { return };
        let (plus, minus) = (1_i16 << self.scan.low, -1_i16 << self.scan.low);
        let bits = &mut entropy.bits;
        let mut k = self.scan.first;
        // A bit for every coefficient that is not zero yet.
        let refine = |coefficient: &mut i16, bits: &mut Bits<'_>| {
            bits.ensure_32();
            if bits.take(1) == 1 && *coefficient & plus == 0 {
                let step = if *coefficient >= 0 { plus } else { minus };
                *coefficient = coefficient.wrapping_add(step);
            }
        };
        if entropy.end_of_bands == 0 {
            while k <= self.scan.last {
                bits.ensure_32();
                let (length, symbol) = table.symbol(bits.buffer());
                bits.skip(length);
                entropy.bad |= length > 16;
                let (mut run, size) = (symbol >> 4, symbol & 15);
                let mut new = 0;
                if size > 0 {
                    // Only one bit can be new.
                    entropy.bad |= size > 1;
                    new = if bits.take(1) == 1 { plus } else { minus };
                } else if run < 15 {
                    entropy.end_of_bands = 1 << run;
                    if run > 0 {
                        entropy.end_of_bands += bits.take(run);
                    }
                    break;
                }
                // Over coefficients that are there, and `run` that are not.
                while k <= self.scan.last {
                    let coefficient = &mut block.0[usize::from(NATURAL[k as usize])];
                    if *coefficient != 0 {
                        refine(coefficient, bits);
                    } else if run == 0 {
                        break;
                    } else {
                        run -= 1;
                    }
                    k += 1;
                }
                if new != 0 {
                    entropy.bad |= k > self.scan.last;
                    block.0[usize::from(NATURAL[k as usize])] = new;
                }
                k += 1;
            }
        }
        if entropy.end_of_bands > 0 {
            while k <= self.scan.last {
                let coefficient = &mut block.0[usize::from(NATURAL[k as usize])];
                if *coefficient != 0 {
                    refine(coefficient, bits);
                }
                k += 1;
            }
            entropy.end_of_bands -= 1;
        }
    }
}
