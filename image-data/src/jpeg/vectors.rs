//! Which instructions a decoder uses: found once, carried as a value, the same bytes whichever it is. Each loop is written
//! once and compiled for every choice.

use super::findings::Findings;
use super::frame::{Frame, McuArea};
use super::planes::Plane;
use super::progressive::{self, Coefficients};
use super::segments::Segments;
use super::sequential;
use super::tables::QuantTable;
use super::{Markers, Part, color, idct, upsample};

#[derive(Clone, Copy)]
pub(super) enum Vectors {
    #[cfg(target_arch = "x86_64")]
    Avx2(idct::x86::Avx2),
    Portable,
}

/// Calls `$body` with `$idct`, `$doubling` and `$convert` for the choice, compiled for its instructions.
macro_rules! dispatch {
    ($vectors:expr, |$idct:ident, $doubling:ident, $convert:ident| $body:expr) => {
        match $vectors {
            #[cfg(target_arch = "x86_64")]
            Vectors::Avx2(avx2) => {
                let ($idct, $doubling, $convert) = (avx2, avx2, avx2);
                let _ = ($idct, $doubling, $convert);
                // SAFETY: `avx2` proves that the processor has what the function asks for.
                unsafe { with_avx2(|| $body) }
            }
            Vectors::Portable => {
                let ($idct, $doubling, $convert) =
                    (idct::Portable, upsample::Portable, color::Portable);
                let _ = ($idct, $doubling, $convert);
                $body
            }
        }
    };
}

/// Calls `work`, inlined, so that it is compiled for these instructions.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2")]
fn with_avx2<R>(work: impl FnOnce() -> R) -> R {
    work()
}

impl Vectors {
    /// The best that this processor has.
    pub fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        if let Some(avx2) = idct::x86::Avx2::detect() {
            return Self::Avx2(avx2);
        }
        Self::Portable
    }

    /// Decodes a sequential scan.
    pub fn sequential(
        self,
        decoding: &sequential::Decoding<'_>,
        segments: &mut Segments<'_, '_>,
        planes: &mut [Plane],
        findings: &mut Findings,
    ) {
        dispatch!(self, |idct, _doubling, _convert| decoding
            .run(idct, segments, planes, findings));
    }

    /// Decodes a progressive scan.
    pub fn progressive(
        self,
        decoding: &progressive::Decoding<'_>,
        segments: &mut Segments<'_, '_>,
        coefficients: &mut Coefficients,
        findings: &mut Findings,
    ) {
        dispatch!(self, |_idct, _doubling, _convert| decoding.run(
            segments,
            coefficients,
            findings
        ));
    }

    /// Transforms the blocks of one component.
    pub fn transform(
        self,
        coefficients: &mut Coefficients,
        frame: &Frame,
        component: usize,
        quant: &QuantTable,
        area: McuArea,
        plane: &mut Plane,
    ) {
        dispatch!(self, |idct, _doubling, _convert| coefficients
            .transform(idct, frame, component, quant, area, plane));
    }

    /// Upsamples and converts `part` into `out`, three bytes a pixel.
    pub fn pixels(
        self,
        markers: &Markers<'_>,
        part: Part,
        planes: &[Plane; 4],
        buffers: &mut [Vec<u8>; 4],
        out: &mut [u8],
    ) {
        dispatch!(self, |_idct, doubling, convert| {
            let frame = &markers.frame;
            let stride = part.width as usize * 3;
            for (line, y) in out.chunks_exact_mut(stride).zip(part.y..) {
                let mut rows: [&[u8]; 4] = [&[]; 4];
                let inputs = frame.components.iter().zip(planes).zip(&mut *buffers);
                for (row, ((component, plane), buffer)) in rows.iter_mut().zip(inputs) {
                    let span = (y, part.x, part.x + part.width);
                    *row = upsample::row(doubling, plane, component, frame, span, buffer);
                }
                color::row(convert, markers.color, rows, line);
            }
        });
    }
}
