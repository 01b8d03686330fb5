//! A decoded picture: interleaved 8-bit RGB, nothing else. Decoding lives in `image-data`.

/// An RGB image, row-major, three bytes a pixel: `data[(y * width + x) * 3 + channel]`.
#[derive(Clone, PartialEq, Eq)]
pub struct RgbImage {
    /// Columns, at least 1.
    pub width: u32,
    /// Rows, at least 1.
    pub height: u32,
    /// `3 * width * height` bytes.
    pub data: Vec<u8>,
}

/// Why bytes are no image.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PixelsError {
    /// A side is zero.
    #[error("an image needs at least one pixel, got {width} x {height}")]
    Empty {
        /// Columns asked for.
        width: u32,
        /// Rows asked for.
        height: u32,
    },
    /// The buffer does not hold exactly the pixels.
    #[error("{width} x {height} RGB pixels take {expected} bytes, got {got}")]
    Length {
        /// Columns asked for.
        width: u32,
        /// Rows asked for.
        height: u32,
        /// Bytes such an image takes.
        expected: u64,
        /// Bytes handed in.
        got: usize,
    },
}

impl RgbImage {
    /// Wraps `data`, which must hold `3 * width * height` bytes.
    ///
    /// # Errors
    /// [`PixelsError`] when a side is zero or the length does not match.
    pub fn new(width: u32, height: u32, data: Vec<u8>) -> Result<Self, PixelsError> {
        if width == 0 || height == 0 {
            return Err(PixelsError::Empty { width, height });
        }
        // Two u32 multiplied by 3 fit u128 only in theory; saturating keeps the comparison honest.
        let expected = u64::from(width) * u64::from(height);
        let expected = expected.saturating_mul(3);
        if data.len() as u64 != expected {
            return Err(PixelsError::Length {
                width,
                height,
                expected,
                got: data.len(),
            });
        }
        Ok(Self {
            width,
            height,
            data,
        })
    }

    /// An image of one color.
    ///
    /// # Errors
    /// [`PixelsError::Empty`] when a side is zero.
    pub fn filled(width: u32, height: u32, rgb: [u8; 3]) -> Result<Self, PixelsError> {
        let pixels = width as usize * height as usize;
        Self::new(width, height, rgb.repeat(pixels))
    }

    /// Bytes in one row.
    pub fn stride(&self) -> usize {
        self.width as usize * 3
    }

    /// Row `y`, which must be below `height`.
    pub fn row(&self, y: u32) -> &[u8] {
        let stride = self.stride();
        &self.data[y as usize * stride..(y as usize + 1) * stride]
    }

    /// The pixel at column `x`, row `y`.
    pub fn pixel(&self, x: u32, y: u32) -> [u8; 3] {
        let at = y as usize * self.stride() + x as usize * 3;
        [self.data[at], self.data[at + 1], self.data[at + 2]]
    }

    /// The rectangle at `(x, y)`, cut to what lies inside the image; at least one pixel remains.
    pub fn crop(&self, x: u32, y: u32, width: u32, height: u32) -> RgbImage {
        let x = x.min(self.width - 1);
        let y = y.min(self.height - 1);
        let width = width.clamp(1, self.width - x);
        let height = height.clamp(1, self.height - y);
        let mut data = Vec::with_capacity(width as usize * height as usize * 3);
        for row in y..y + height {
            let line = self.row(row);
            data.extend_from_slice(&line[x as usize * 3..(x + width) as usize * 3]);
        }
        RgbImage {
            width,
            height,
            data,
        }
    }

    /// Mirrors left and right in place.
    pub fn flip_horizontal(&mut self) {
        let stride = self.stride();
        for row in self.data.chunks_exact_mut(stride) {
            let (pixels, _) = row.as_chunks_mut::<3>();
            pixels.reverse();
        }
    }
}

impl std::fmt::Debug for RgbImage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RgbImage({} x {})", self.width, self.height)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(width: u32, height: u32) -> RgbImage {
        let data = (0..width * height * 3).map(|i| i as u8).collect();
        RgbImage::new(width, height, data).unwrap()
    }

    #[test]
    fn refuses_what_is_no_image() {
        assert_eq!(
            RgbImage::new(0, 4, vec![]),
            Err(PixelsError::Empty {
                width: 0,
                height: 4
            })
        );
        let error = RgbImage::new(2, 2, vec![0; 11]).unwrap_err();
        assert_eq!(error.to_string(), "2 x 2 RGB pixels take 12 bytes, got 11");
    }

    #[test]
    fn crop_takes_the_rectangle_and_stays_inside() {
        let image = numbered(4, 3);
        assert_eq!(image.crop(1, 1, 2, 1).data, image.data[15..21]);
        let cut = image.crop(3, 2, 10, 10);
        assert_eq!((cut.width, cut.height), (1, 1));
        assert_eq!(cut.pixel(0, 0), image.pixel(3, 2));
    }

    #[test]
    fn flipping_twice_is_nothing_and_once_mirrors_pixels_whole() {
        let image = numbered(5, 2);
        let mut mirrored = image.clone();
        mirrored.flip_horizontal();
        assert_eq!(mirrored.pixel(0, 1), image.pixel(4, 1));
        mirrored.flip_horizontal();
        assert_eq!(mirrored, image);
    }
}
