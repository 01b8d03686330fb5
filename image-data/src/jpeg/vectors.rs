//! Which instructions a decoder uses: found once, carried as a value, the same bytes whichever it is. Each loop is written
//! once and compiled for every choice.

#[cfg(target_arch = "x86_64")]
use idct::x86::Avx2;

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
    Avx2(Avx2),
    Portable,
}

/// Makes `$name`, which runs `$body` compiled for the choice's instructions: with `$kit` as the loops to use.
macro_rules! compiled_for_each {
    ($(#[$doc:meta])* $name:ident($kit:ident, $($argument:ident: $type:ty),*) $body:block) => {
        impl Vectors {
            $(#[$doc])*
            pub fn $name(self, $($argument: $type),*) {
                #[cfg(target_arch = "x86_64")]
                #[target_feature(enable = "avx2,bmi1,bmi2")]
                fn avx2($kit: Kit<Avx2, Avx2, Avx2>, $($argument: $type),*) $body

                fn portable(
                    $kit: Kit<idct::Portable, upsample::Portable, color::Portable>,
                    $($argument: $type),*
                ) $body

                match self {
                    #[cfg(target_arch = "x86_64")]
                    Self::Avx2(proof) => {
                        let kit = Kit { idct: proof, doubling: proof, convert: proof };
                        // SAFETY: `proof` exists only where the processor has what the function asks for.
                        unsafe { avx2(kit, $($argument),*) }
                    }
                    Self::Portable => {
                        let kit = Kit {
                            idct: idct::Portable,
                            doubling: upsample::Portable,
                            convert: color::Portable,
                        };
                        portable(kit, $($argument),*);
                    }
                }
            }
        }
    };
}

/// The loops of one choice.
#[derive(Clone, Copy)]
struct Kit<I, D, C> {
    idct: I,
    doubling: D,
    convert: C,
}

impl Vectors {
    /// The best that this processor has.
    pub fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        if let Some(avx2) = Avx2::detect() {
            return Self::Avx2(avx2);
        }
        Self::Portable
    }
}

compiled_for_each! {
    /// Decodes a sequential scan.
    sequential(
        kit,
        decoding: &sequential::Decoding<'_>,
        segments: &mut Segments<'_, '_>,
        planes: &mut [Plane],
        findings: &mut Findings
    ) {
        decoding.run(kit.idct, segments, planes, findings);
    }
}

compiled_for_each! {
    /// Decodes a progressive scan.
    progressive(
        _kit,
        decoding: &progressive::Decoding<'_>,
        segments: &mut Segments<'_, '_>,
        coefficients: &mut Coefficients,
        findings: &mut Findings
    ) {
        decoding.run(segments, coefficients, findings);
    }
}

compiled_for_each! {
    /// Transforms the blocks of one component.
    transform(
        kit,
        coefficients: &mut Coefficients,
        frame: &Frame,
        component: usize,
        quant: &QuantTable,
        area: McuArea,
        plane: &mut Plane
    ) {
        coefficients.transform(kit.idct, frame, component, quant, area, plane);
    }
}

compiled_for_each! {
    /// Upsamples and converts `part` into `out`, three bytes a pixel.
    pixels(
        kit,
        markers: &Markers<'_>,
        part: Part,
        planes: &[Plane; 4],
        buffers: &mut [Vec<u8>; 4],
        out: &mut [u8]
    ) {
        let frame = &markers.frame;
        let stride = part.width as usize * 3;
        for (line, y) in out.chunks_exact_mut(stride).zip(part.y..) {
            let mut rows: [&[u8]; 4] = [&[]; 4];
            let inputs = frame.components.iter().zip(planes).zip(&mut *buffers);
            for (row, ((component, plane), buffer)) in rows.iter_mut().zip(inputs) {
                let span = (y, part.x, part.x + part.width);
                *row = upsample::row(kit.doubling, plane, component, frame, span, buffer);
            }
            color::row(kit.convert, markers.color, rows, line);
        }
    }
}
