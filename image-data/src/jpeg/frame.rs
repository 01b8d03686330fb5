//! The frame header (SOF) and the arithmetic of blocks and MCUs that follows from it.

/// How components become colors, decided as libjpeg decides it (`jdapimin.c`, `default_decompress_parms`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JpegColor {
    /// One component.
    Gray,
    /// Luma and two chromas.
    YCbCr,
    /// Three colors as they are.
    Rgb,
    /// Four inks.
    Cmyk,
    /// Luma, two chromas and black (Adobe).
    Ycck,
    /// Four amounts of ink as a TIFF stores them: 255 is full. No JPEG file says so; its reader does.
    Inks,
}

/// One component of the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Component {
    pub id: u8,
    /// Sampling factors, 1 to 4.
    pub h: u32,
    pub v: u32,
    /// Number of its quantization table.
    pub quant: u8,
    /// Samples on a side of a block: 8, or fewer in a picture that is decoded smaller.
    pub block: u32,
    /// Samples: the picture's size scaled by the sampling factors, rounded up.
    pub width: u32,
    pub height: u32,
}

impl Component {
    /// Blocks that hold samples of the picture, across.
    pub fn blocks_x(&self) -> u32 {
        self.width.div_ceil(self.block)
    }

    /// Blocks that hold samples of the picture, down.
    pub fn blocks_y(&self) -> u32 {
        self.height.div_ceil(self.block)
    }
}

/// What SOF says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub width: u32,
    pub height: u32,
    pub(super) progressive: bool,
    pub(super) components: Vec<Component>,
    /// Pixels on a side of a block of a component that is not subsampled: 8, or fewer as above.
    pub(super) block: u32,
    /// Largest sampling factors.
    pub(super) h_max: u32,
    pub(super) v_max: u32,
    /// Samples of smaller components are repeated and not interpolated: what a reader of TIFF wants.
    pub(super) repeats: bool,
}

/// Why a frame header is none.
#[derive(Debug)]
pub(super) enum FrameError {
    Malformed(String),
    Unsupported(String),
}

impl Frame {
    /// Reads the body of SOF0, SOF1 or SOF2. The height may be 0 and come later (DNL).
    pub(super) fn read(marker: u8, body: &[u8]) -> Result<Self, FrameError> {
        let malformed = |reason: &str| Err(FrameError::Malformed(reason.to_owned()));
        let [precision, h1, h0, w1, w0, count, rest @ ..] = body else {
            return malformed("the frame header is too short");
        };
        if *precision != 8 {
            return Err(FrameError::Unsupported(format!("{precision}-bit JPEG")));
        }
        let count = usize::from(*count);
        if count == 0 || rest.len() != count * 3 {
            return malformed("the frame header has another length than its components need");
        }
        if count > 4 || count == 2 {
            return Err(FrameError::Unsupported(format!(
                "a JPEG of {count} components"
            )));
        }
        let mut components = Vec::with_capacity(count);
        for &[id, sampling, quant] in rest.as_chunks::<3>().0 {
            let (h, v) = (u32::from(sampling >> 4), u32::from(sampling & 15));
            if !(1..=4).contains(&h) || !(1..=4).contains(&v) {
                return malformed("a sampling factor is not 1 to 4");
            }
            components.push(Component {
                id,
                h,
                v,
                quant,
                block: 8,
                width: 0,
                height: 0,
            });
        }
        let largest =
            |factor: fn(&Component) -> u32| components.iter().map(factor).max().unwrap_or(1);
        let mut frame = Self {
            width: u32::from(u16::from_be_bytes([*w1, *w0])),
            height: 0,
            progressive: marker == 0xC2,
            block: 8,
            h_max: largest(|c| c.h),
            v_max: largest(|c| c.v),
            repeats: false,
            components,
        };
        frame.set_height(u32::from(u16::from_be_bytes([*h1, *h0])));
        Ok(frame)
    }

    /// Sets the height, which DNL may bring only behind the first scan.
    pub(super) fn set_height(&mut self, height: u32) {
        self.height = height;
        let (across, down) = (self.h_max * self.block, self.v_max * self.block);
        let width = self.width;
        for component in &mut self.components {
            component.width = (width * component.h * component.block).div_ceil(across);
            component.height = (height * component.v * component.block).div_ceil(down);
        }
    }

    /// The same blocks as a picture of a half, a quarter or an eighth of the sides, rounded up: each block gives fewer
    /// samples. Of subsampled components it gives more, as far as there is use for them, so that they need not be
    /// interpolated. None for sampling factors whose blocks would not meet.
    pub(super) fn smaller(&self, by: u32) -> Option<Self> {
        let (h_max, v_max) = (self.h_max, self.v_max);
        let fits = |c: &Component| h_max.is_multiple_of(c.h) && v_max.is_multiple_of(c.v);
        if !self.components.iter().all(fits) {
            return None;
        }
        let mut frame = self.clone();
        frame.block = 8 / by;
        frame.width = self.width.div_ceil(by);
        for c in &mut frame.components {
            c.block = frame.block;
            while c.block < 8
                && (h_max * frame.block).is_multiple_of(c.h * c.block * 2)
                && (v_max * frame.block).is_multiple_of(c.v * c.block * 2)
            {
                c.block *= 2;
            }
        }
        frame.set_height(self.height.div_ceil(by));
        Some(frame)
    }

    /// MCUs of a scan of several components, across.
    pub(super) fn mcus_x(&self) -> u32 {
        self.width.div_ceil(self.block * self.h_max)
    }

    /// MCUs of a scan of several components, down.
    pub(super) fn mcus_y(&self) -> u32 {
        self.height.div_ceil(self.block * self.v_max)
    }

    /// Blocks of all components, padding of the last MCUs included.
    pub(super) fn blocks(&self) -> u64 {
        let mcus = u64::from(self.mcus_x()) * u64::from(self.mcus_y());
        let per_mcu: u32 = self.components.iter().map(|c| c.h * c.v).sum();
        mcus * u64::from(per_mcu)
    }

    /// The color space, from the markers before the first scan.
    pub(super) fn color(&self, jfif: bool, adobe: Option<u8>) -> JpegColor {
        let ids: Vec<u8> = self.components.iter().map(|c| c.id).collect();
        match (ids.len(), adobe) {
            (1 | 2, _) => JpegColor::Gray,
            (3, _) if jfif => JpegColor::YCbCr,
            (3, Some(0)) => JpegColor::Rgb,
            (3, None) if ids == b"RGB" => JpegColor::Rgb,
            // An Adobe transform that does not fit three components counts as YCbCr.
            (3, _) => JpegColor::YCbCr,
            (_, None | Some(0)) => JpegColor::Cmyk,
            (_, Some(_)) => JpegColor::Ycck,
        }
    }
}

/// MCUs to decode: columns `x0..x1` and rows `y0..y1` in units of interleaved MCUs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct McuArea {
    pub x0: u32,
    pub x1: u32,
    pub y0: u32,
    pub y1: u32,
}

impl McuArea {
    /// What the pixels `x..x + width`, `y..y + height` need: chroma interpolation looks one sample further on every side.
    pub fn around(frame: &Frame, x: u32, y: u32, width: u32, height: u32) -> Self {
        let (mcu_w, mcu_h) = (frame.block * frame.h_max, frame.block * frame.v_max);
        Self {
            x0: x.saturating_sub(frame.h_max) / mcu_w,
            x1: (x + width + frame.h_max)
                .div_ceil(mcu_w)
                .min(frame.mcus_x()),
            y0: y.saturating_sub(frame.v_max) / mcu_h,
            y1: (y + height + frame.v_max)
                .div_ceil(mcu_h)
                .min(frame.mcus_y()),
        }
    }
}
