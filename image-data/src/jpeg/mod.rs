//! JPEG to RGB: baseline, extended sequential and progressive, every sampling, layout of scans and restart interval; the
//! bytes that libjpeg-turbo gives with its default settings.
//!
//! Not here: arithmetic coding, lossless and hierarchical modes, 12 bits (all refused by name), EXIF, color profiles.
//!
//! | module | idea |
//! |---|---|
//! | `markers` | a walk over the file before anything is decoded |
//! | `frame`, `scan`, `tables` | what SOF, SOS, DQT, DHT and DRI say |
//! | `segments`, `bits`, `huffman`, `standard` | compressed data to symbols |
//! | `sequential`, `progressive` | symbols to coefficients |
//! | `idct`, `planes`, `upsample`, `color` | coefficients to pixels |
//! | `findings` | what is wrong with the file |

mod bits;
mod color;
mod findings;
mod frame;
mod huffman;
mod idct;
mod markers;
#[cfg(target_arch = "x86_64")]
mod pixels_x86;
mod planes;
mod progressive;
mod received;
mod scan;
mod segments;
mod sequential;
mod standard;
mod tables;
mod upsample;
mod vectors;

use crate::decode::{Damage, DamageKind, DecodeError};
use findings::Findings;
use frame::McuArea;
use huffman::{AcTable, DcTable, Spec};
use markers::{malformed, next_marker, segment};
use planes::Plane;
use progressive::Coefficients;
use received::Received;
use scan::Scan;
use segments::Segments;
use tables::{QuantTable, Tables};
use vectors::Vectors;

pub(crate) use color::over_black;
pub(crate) use frame::JpegColor;
pub(crate) use markers::{Markers, walk};

/// More scans than any encoder writes; a file can otherwise make one picture cost hours.
const MAX_SCANS: usize = 100;

/// A rectangle of the picture, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub x: u32,
    pub y: u32,
    pub width: u32,
    pub height: u32,
}

/// Decodes one picture after the other, keeping its buffers.
pub(crate) struct Decoder {
    vectors: Vectors,
    tables: Tables,
    dc: [Option<Built<DcTable>>; 4],
    ac: [Option<Built<AcTable>>; 4],
    /// Steps of each component, as they stood at its first scan.
    quant: [Option<QuantTable>; 4],
    segment: Vec<u8>,
    coefficients: Coefficients,
    planes: [Plane; 4],
    rows: [Vec<u8>; 4],
}

/// A Huffman table and what it was made of: most files use the tables of the file before.
struct Built<T> {
    spec: Spec,
    table: Box<T>,
}

impl Default for Decoder {
    fn default() -> Self {
        Self {
            vectors: Vectors::detect(),
            tables: Tables::default(),
            dc: Default::default(),
            ac: Default::default(),
            quant: Default::default(),
            segment: Vec::new(),
            coefficients: Coefficients::default(),
            planes: Default::default(),
            rows: Default::default(),
        }
    }
}

/// Bytes that decoding takes besides the file: the pixels, the planes, and for progressive pictures every coefficient.
pub(crate) fn memory_bytes(markers: &Markers<'_>) -> u64 {
    let frame = &markers.frame;
    let pixels = u64::from(frame.width) * u64::from(frame.height) * 3;
    let per_block = if markers.buffered { 64 + 128 } else { 64 };
    // Every row of samples has margins.
    let margins =
        frame.components.len() as u64 * u64::from(frame.mcus_y()) * 32 * 2 * planes::MARGIN as u64;
    pixels + frame.blocks() * per_block + margins
}

impl Markers<'_> {
    /// The same file read as a TIFF's old JPEG: three components as they are, and samples of smaller ones repeated as libtiff
    /// does. Nothing is done where there are not three.
    pub fn leave_samples(&mut self) {
        if self.frame.components.len() == 3 {
            self.color = JpegColor::Rgb;
            self.frame.repeats = true;
        }
    }

    /// The same file as a picture of a half, a quarter or an eighth of the sides (`by` is 2, 4 or 8), rounded up: an average
    /// over the pixels, nearly, for less work. False, and nothing done, where the blocks do not allow it.
    pub fn make_smaller(&mut self, by: u32) -> bool {
        let smaller = self.frame.smaller(by);
        let is_done = smaller.is_some();
        if let Some(frame) = smaller {
            self.frame = frame;
        }
        is_done
    }
}

impl Decoder {
    /// Decodes `part` of the picture in `bytes` to RGB into `out`, three bytes a pixel. `markers` is what [`walk`] found to the end.
    /// Pixels are those of the whole picture. With `everything`, the whole file is read, so that no damage goes unseen; without, reading
    /// ends below the part and no damage is reported.
    ///
    /// # Errors
    /// [`DecodeError::Malformed`] when there is nothing to show.
    pub fn decode(
        &mut self,
        bytes: &[u8],
        markers: &Markers<'_>,
        part: Part,
        everything: bool,
        out: &mut Vec<u8>,
    ) -> Result<Option<Damage>, DecodeError> {
        let frame = &markers.frame;
        let area = McuArea::around(frame, part.x, part.y, part.width, part.height);
        let mut findings = Findings::default();
        self.read_scans(bytes, markers, area, everything, &mut findings)?;
        self.write_pixels(markers, part, out);
        Ok(findings.into_damage(frame.height).filter(|_| everything))
    }

    /// What the buffers hold on to.
    pub fn kept_bytes(&self) -> usize {
        let planes: usize = self.planes.iter().map(Plane::kept_bytes).sum();
        planes + self.coefficients.kept_bytes() + self.segment.capacity()
    }

    /// Reads every scan into the planes.
    fn read_scans(
        &mut self,
        bytes: &[u8],
        markers: &Markers<'_>,
        area: McuArea,
        everything: bool,
        findings: &mut Findings,
    ) -> Result<(), DecodeError> {
        let frame = &markers.frame;
        self.tables.clear();
        self.quant = [None; 4];
        if frame.progressive {
            self.coefficients.reset(frame);
        }
        for (plane, component) in self.planes.iter_mut().zip(&frame.components) {
            plane.reset(component, area);
        }
        let mut seen = [false; 4];
        let mut received = Received::nothing();
        let mut scans = 0;
        let mut framed = false;
        let mut at = 2;
        while let Some(marker) = next_marker(bytes, &mut at) {
            match marker {
                0xD9 => break,
                0x01 | 0xD0..=0xD8 => continue, // markers without a body
                _ => {}
            }
            let Some(body) = segment(bytes, &mut at) else {
                findings.note(DamageKind::ExtraData, None);
                break;
            };
            let result = match marker {
                0xDB => self.tables.read_quant(body).map_err(str::to_owned),
                0xC4 => self.tables.read_huffman(body).map_err(str::to_owned),
                0xDD => self
                    .tables
                    .read_restart_interval(body)
                    .map_err(str::to_owned),
                0xC0..=0xC2 if framed => Err("a second frame header follows".to_owned()),
                0xC0..=0xC2 => {
                    framed = true;
                    Ok(())
                }
                0xDA if scans == MAX_SCANS => Err(format!("it has more than {MAX_SCANS} scans")),
                0xDA => {
                    scans += 1;
                    self.read_scan(
                        bytes, &mut at, body, markers, area, everything, &mut seen, findings,
                    )
                    .map(|scan| received.add(&scan))
                }
                _ => Ok(()),
            };
            if let Err(reason) = result {
                if !seen.contains(&true) {
                    return Err(malformed(reason));
                }
                findings.note(DamageKind::Other(reason), None);
                break;
            }
            // One scan of everything: whatever follows is no picture.
            if !frame.progressive && scans == 1 && !everything && self.all_seen(frame, &seen) {
                break;
            }
        }
        for (index, component) in frame.components.iter().enumerate() {
            if !seen[index] {
                findings.note(
                    DamageKind::Other(format!("component {} has no data", component.id)),
                    Some(0.0),
                );
                self.planes[index].blank();
            } else if frame.progressive {
                self.transform(frame, index, area);
            }
        }
        if frame.progressive && !received.is_whole(frame.components.len()) {
            let what = "its last scans are missing, and fine detail with them";
            findings.note(DamageKind::Other(what.to_owned()), None);
        }
        Ok(())
    }

    fn all_seen(&self, frame: &frame::Frame, seen: &[bool; 4]) -> bool {
        seen[..frame.components.len()].iter().all(|&s| s)
    }

    /// Reads the scan whose header is `body` and whose data begins at `at`; moves behind it.
    #[allow(clippy::too_many_arguments)]
    fn read_scan(
        &mut self,
        bytes: &[u8],
        at: &mut usize,
        body: &[u8],
        markers: &Markers<'_>,
        area: McuArea,
        everything: bool,
        seen: &mut [bool; 4],
        findings: &mut Findings,
    ) -> Result<Scan, String> {
        let frame = &markers.frame;
        let scan = Scan::read(body, frame)?;
        if !frame.progressive {
            self.tables.add_standard();
        }
        for component in &scan.components {
            let number = frame.components[component.index].quant;
            let table = self
                .tables
                .quant
                .get(usize::from(number))
                .copied()
                .flatten();
            let latched = &mut self.quant[component.index];
            *latched = latched.or(table);
            if latched.is_none() {
                return Err(format!("quantization table {number} is missing"));
            }
        }
        let needs_dc = scan.first == 0 && scan.high == 0;
        let needs_ac = !frame.progressive || scan.first > 0;
        for component in &scan.components {
            if needs_dc {
                build(&mut self.dc, &self.tables.dc, component.dc, DcTable::new)?;
            }
            if needs_ac {
                build(&mut self.ac, &self.tables.ac, component.ac, AcTable::new)?;
            }
        }
        let mut segments = Segments::new(bytes, *at, &mut self.segment);
        let dc: Vec<&DcTable> = scan
            .components
            .iter()
            .filter_map(|c| self.dc.get(c.dc)?.as_ref().map(|b| &*b.table))
            .collect();
        let ac: Vec<&AcTable> = scan
            .components
            .iter()
            .filter_map(|c| self.ac.get(c.ac)?.as_ref().map(|b| &*b.table))
            .collect();
        if frame.progressive {
            let decoding = progressive::Decoding {
                frame,
                scan: &scan,
                dc,
                ac: ac.first().copied(),
                restart_interval: self.tables.restart_interval,
                area,
                stop_early: !everything,
            };
            self.vectors
                .progressive(&decoding, &mut segments, &mut self.coefficients, findings);
        } else {
            let quant = scan
                .components
                .iter()
                .filter_map(|c| self.quant[c.index].as_ref())
                .collect();
            let decoding = sequential::Decoding {
                frame,
                scan: &scan,
                dc,
                ac,
                quant,
                restart_interval: self.tables.restart_interval,
                area,
                stop_early: !everything,
            };
            self.vectors
                .sequential(&decoding, &mut segments, &mut self.planes, findings);
        }
        *at = segments.end();
        for component in &scan.components {
            seen[component.index] |= scan.first == 0;
        }
        Ok(scan)
    }

    /// Transforms a component whose coefficients are complete.
    fn transform(&mut self, frame: &frame::Frame, index: usize, area: McuArea) {
        if let Some(quant) = &self.quant[index] {
            let plane = &mut self.planes[index];
            self.vectors
                .transform(&mut self.coefficients, frame, index, quant, area, plane);
        }
    }

    /// Turns the planes into pixels.
    fn write_pixels(&mut self, markers: &Markers<'_>, part: Part, out: &mut Vec<u8>) {
        let components = markers.frame.components.len();
        for plane in &mut self.planes[..components] {
            plane.extend_edges();
        }
        out.resize(part.width as usize * part.height as usize * 3, 0);
        self.vectors
            .pixels(markers, part, &self.planes, &mut self.rows, out);
    }
}

/// Builds table `number` unless it is there already.
fn build<T>(
    built: &mut [Option<Built<T>>; 4],
    specs: &[Option<Spec>; 4],
    number: usize,
    new: impl Fn(&Spec) -> Result<Box<T>, String>,
) -> Result<(), String> {
    let (Some(slot), Some(Some(spec))) = (built.get_mut(number), specs.get(number)) else {
        return Err(format!("Huffman table {number} is missing"));
    };
    if slot.as_ref().is_none_or(|b| b.spec != *spec) {
        *slot = Some(Built {
            spec: spec.clone(),
            table: new(spec)?,
        });
    }
    Ok(())
}
