//! Baseline and extended sequential scans: a block is decoded and transformed at once, inside the wanted area. Outside
//! it only the lengths of codes are read.

use super::bits::Bits;
use super::findings::Findings;
use super::frame::{Frame, McuArea};
use super::huffman::{AcTable, DcTable, END_OF_BLOCK};
use super::idct::{Block, Idct, flat, transform};
use super::planes::Plane;
use super::scan::Scan;
use super::segments::{Restart, Segments};
use super::tables::{NATURAL, QuantTable};
use crate::decode::DamageKind;

/// One block of an MCU.
struct Place {
    /// Index in the scan.
    slot: usize,
    /// Index in the frame.
    plane: usize,
    /// Blocks of this component in an MCU, and the place among them.
    h: u32,
    v: u32,
    dx: u32,
    dy: u32,
}

/// What a scan is decoded with, one table a scan component.
pub(super) struct Decoding<'a> {
    pub frame: &'a Frame,
    pub scan: &'a Scan,
    pub dc: Vec<&'a DcTable>,
    pub ac: Vec<&'a AcTable>,
    pub quant: Vec<&'a QuantTable>,
    pub restart_interval: u32,
    /// What is wanted, in interleaved MCUs.
    pub area: McuArea,
    /// Rows before and behind the area are of no interest, not even for damage.
    pub stop_early: bool,
}

impl Decoding<'_> {
    fn places(&self) -> Vec<Place> {
        let mut places = Vec::new();
        for (slot, component) in self.scan.components.iter().enumerate() {
            let plane = component.index;
            let (h, v) = if self.scan.interleaved() {
                let c = &self.frame.components[plane];
                (c.h, c.v)
            } else {
                (1, 1)
            };
            for dy in 0..v {
                places.extend((0..h).map(|dx| Place {
                    slot,
                    plane,
                    h,
                    v,
                    dx,
                    dy,
                }));
            }
        }
        places
    }

    /// The wanted area in MCUs of this scan.
    fn wanted(&self) -> McuArea {
        if self.scan.interleaved() {
            return self.area;
        }
        let c = &self.frame.components[self.scan.components[0].index];
        McuArea {
            x0: self.area.x0 * c.h,
            x1: (self.area.x1 * c.h).min(c.blocks_x()),
            y0: self.area.y0 * c.v,
            y1: (self.area.y1 * c.v).min(c.blocks_y()),
        }
    }

    /// Decodes the scan into `planes`.
    #[inline(always)]
    pub fn run(
        &self,
        idct: impl Idct,
        segments: &mut Segments<'_, '_>,
        planes: &mut [Plane],
        findings: &mut Findings,
    ) {
        let (mcus_x, mcus_y) = self.scan.mcus(self.frame);
        let rows_per_mcu = self.scan.rows_per_mcu(self.frame);
        let places = self.places();
        let wanted = self.wanted();
        let total = u64::from(mcus_x) * u64::from(mcus_y);
        let interval = match self.restart_interval {
            0 => total,
            interval => u64::from(interval),
        };
        let (mut done, mut blank, mut number) = (0, 0, 0);
        let (mut x, mut y) = (0, 0);
        let mut block = Block::ZERO;
        let mut dry = false;
        loop {
            // What ran dry stays so until the data goes on behind a restart marker.
            dry &= segments.waiting();
            let count = interval.min(total - done);
            // An interval of rows above the area leaves nothing behind that the next one needs.
            let is_above = (done + count).div_ceil(u64::from(mcus_x)) <= u64::from(wanted.y0);
            if self.stop_early
                && is_above
                && done + count < total
                && segments.skip_to_restart(number)
            {
                done += count;
                number += 1;
                (x, y) = (
                    (done % u64::from(mcus_x)) as u32,
                    (done / u64::from(mcus_x)) as u32,
                );
                continue;
            }
            let mut bits = Bits::new(segments.load());
            let mut predictions = [0_i32; 4];
            for _ in 0..count {
                let inside =
                    (wanted.x0..wanted.x1).contains(&x) && (wanted.y0..wanted.y1).contains(&y);
                if dry {
                    blank += 1;
                }
                let mut bad = false;
                for place in &places {
                    let (bx, by) = (x * place.h + place.dx, y * place.v + place.dy);
                    if dry {
                        if inside {
                            planes[place.plane].block(bx, by).fill(128);
                        }
                        continue;
                    }
                    let (dc, ac) = (self.dc[place.slot], self.ac[place.slot]);
                    let prediction = &mut predictions[place.slot];
                    if inside && planes[place.plane].block_side() == 1 {
                        // One sample is the first coefficient alone.
                        skip_block(&mut bits, dc, ac, prediction, &mut bad);
                        let mut target = planes[place.plane].block(bx, by);
                        flat(*prediction as i16, self.quant[place.slot], &mut target);
                    } else if inside {
                        let end = decode_block(&mut bits, dc, ac, prediction, &mut block, &mut bad);
                        let mut target = planes[place.plane].block(bx, by);
                        let quant = self.quant[place.slot];
                        // A block of its first coefficient alone ends at once.
                        if end == 1 + END_OF_BLOCK {
                            flat(block.0[0], quant, &mut target);
                        } else {
                            transform(idct, &block, quant, &mut target);
                            block = Block::ZERO;
                        }
                    } else {
                        skip_block(&mut bits, dc, ac, prediction, &mut bad);
                    }
                }
                if bad {
                    findings.note(DamageKind::BadData, Some(f64::from(y) * rows_per_mcu));
                }
                if !dry && bits.overdrawn() {
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
                x += 1;
                if x == mcus_x {
                    (x, y) = (0, y + 1);
                    if self.stop_early && y >= wanted.y1 {
                        // Nothing follows a scan of all components.
                        if self.scan.components.len() < self.frame.components.len() {
                            segments.skip(number, total.div_ceil(interval));
                        }
                        return;
                    }
                }
            }
            done += count;
            if bits.unread_bytes() > 0 {
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
        findings.missing(blank, total);
    }
}

/// Largest DC value of 8-bit pictures, with room to spare: beyond it the prediction has gone astray.
const DC_LIMIT: i32 = 2047;

#[inline(always)]
fn decode_dc(bits: &mut Bits<'_>, dc: &DcTable, prediction: &mut i32, bad: &mut bool) {
    let (difference, none) = dc.difference(bits);
    *prediction = prediction.wrapping_add(difference);
    *bad |= none | !(-DC_LIMIT - 1..=DC_LIMIT).contains(prediction);
}

/// Decodes one block into `block`, which is all zeros but for the first coefficient. Returns where it ended: 64 for its last
/// coefficient, more for an end-of-block code.
#[inline(always)]
fn decode_block(
    bits: &mut Bits<'_>,
    dc: &DcTable,
    ac: &AcTable,
    prediction: &mut i32,
    block: &mut Block,
    bad: &mut bool,
) -> u32 {
    bits.refill();
    decode_dc(bits, dc, prediction, bad);
    block.0[0] = *prediction as i16;
    let mut set = |k: u32, value: i16| {
        block.0[usize::from(NATURAL[(k as usize - 1) & 0xFF])] = value;
    };
    let mut k = 1_u32;
    'block: loop {
        bits.refill();
        // Two look-ups of at most 25 bits are in the buffer.
        for _ in 0..2 {
            let pair = ac.pair(bits);
            // The second of two belongs to the next block where the first one is this block's last.
            if pair.is_none() || k + pair.before() > 63 {
                bits.refill();
                let (advance, value, none) = ac.one_value(bits);
                *bad |= none;
                k += advance;
                set(k, value as i16);
                if k > 63 {
                    break 'block;
                }
                continue 'block;
            }
            set(k + pair.first_advance(), pair.first());
            k += pair.advance();
            set(k, pair.last(bits.buffer()));
            bits.skip(pair.bits());
            if k > 63 {
                break 'block;
            }
        }
    }
    *bad |= k > 64 && k <= END_OF_BLOCK;
    k
}

/// Moves over one block; only the prediction is kept.
#[inline(always)]
fn skip_block(
    bits: &mut Bits<'_>,
    dc: &DcTable,
    ac: &AcTable,
    prediction: &mut i32,
    bad: &mut bool,
) {
    bits.refill();
    decode_dc(bits, dc, prediction, bad);
    let mut k = 1_u32;
    'block: loop {
        bits.refill();
        for _ in 0..2 {
            let run = ac.run(bits);
            let before = run >> 16;
            if run & 0xFF != 0 && k + before <= 63 {
                bits.skip(run);
                k += run >> 8 & 0xFF;
            } else {
                bits.refill();
                let (advance, _, none) = ac.one_value(bits);
                *bad |= none;
                k += advance;
                if k > 63 {
                    break 'block;
                }
                continue 'block;
            }
            if k > 63 {
                break 'block;
            }
        }
    }
    *bad |= k > 64 && k <= END_OF_BLOCK;
}
