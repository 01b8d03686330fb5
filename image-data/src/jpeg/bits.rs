//! Bits of one segment of compressed data, most significant first, out of bytes whose stuffing is already gone.
//!
//! Behind the end come zeros, as in libjpeg; [`Bits::overdrawn`] says when they were needed.

/// Zero bytes that must follow a segment: the reader loads eight bytes at a time and stops moving 16 bytes behind the end.
pub(super) const PADDING: usize = 24;

#[derive(Clone, Copy)]
pub(super) struct Bits<'a> {
    data: &'a [u8],
    /// Next byte to load.
    at: usize,
    /// `at` never moves beyond it.
    limit: usize,
    /// Left-aligned; `left` bits of it count, those below are zero or equal to what the next load brings.
    buffer: u64,
    left: u32,
}

impl<'a> Bits<'a> {
    /// `data` is the segment and [`PADDING`] zeros.
    pub fn new(data: &'a [u8]) -> Self {
        assert!(data.len() >= PADDING);
        Self {
            data,
            at: 0,
            limit: data.len() - 8,
            buffer: 0,
            left: 0,
        }
    }

    /// Afterwards at least 56 bits can be taken.
    #[inline(always)]
    pub fn refill(&mut self) {
        debug_assert!(self.at <= self.limit);
        // SAFETY: `at <= limit = data.len() - 8`, kept by `new` and by the `min` below.
        let word = unsafe { self.data.as_ptr().add(self.at).cast::<[u8; 8]>().read() };
        self.buffer |= u64::from_be_bytes(word) >> self.left;
        self.at = (self.at + ((63 - self.left) >> 3) as usize).min(self.limit);
        self.left |= 56;
    }

    /// Refills when fewer than 32 bits are left.
    #[inline(always)]
    pub fn ensure_32(&mut self) {
        if self.left < 32 {
            self.refill();
        }
    }

    /// All that is loaded, left-aligned.
    #[inline(always)]
    pub fn buffer(&self) -> u64 {
        self.buffer
    }

    /// The next `count` bits, 1 to 32, as a number.
    #[inline(always)]
    pub fn peek(&self, count: u32) -> u32 {
        (self.buffer >> (64 - count)) as u32
    }

    /// Drops the low six bits of `count` many bits; no more than are loaded.
    #[inline(always)]
    pub fn skip(&mut self, count: u32) {
        let count = count & 63;
        debug_assert!(count <= self.left);
        self.buffer <<= count;
        self.left -= count;
    }

    /// Takes `count` bits, 1 to 32.
    #[inline(always)]
    pub fn take(&mut self, count: u32) -> u32 {
        let value = self.peek(count);
        self.skip(count);
        value
    }

    /// Bits that are loaded and not taken.
    #[cfg(test)]
    pub fn left(&self) -> u32 {
        self.left
    }

    /// Bits taken so far; exact up to 64 bits behind the end of the segment.
    fn taken(&self) -> usize {
        self.at * 8 - self.left as usize
    }

    /// More bits were taken than the segment has.
    #[inline(always)]
    pub fn overdrawn(&self) -> bool {
        self.taken() > (self.data.len() - PADDING) * 8
    }

    /// Whole bytes that nobody asked for.
    pub fn unread_bytes(&self) -> usize {
        ((self.data.len() - PADDING) * 8).saturating_sub(self.taken()) / 8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_come_in_order_and_zeros_follow() {
        let mut data: Vec<u8> = (1..=37).collect();
        let bytes = data.len();
        data.resize(bytes + PADDING, 0);
        let mut bits = Bits::new(&data);
        let mut want = (0..bytes * 8).map(|i| u32::from(data[i / 8] >> (7 - i % 8) & 1));
        let mut widths = (1..=16).cycle();
        let mut taken = 0;
        while taken < bytes * 8 {
            let width = widths.next().unwrap_or(1);
            bits.ensure_32();
            let expected = (0..width).fold(0, |v, _| v << 1 | want.next().unwrap_or(0));
            assert_eq!(bits.take(width), expected, "at {taken}");
            taken += width as usize;
            assert_eq!(bits.overdrawn(), taken > bytes * 8);
        }
        for _ in 0..1000 {
            bits.refill();
            assert_eq!(bits.take(13), 0);
        }
        assert!(bits.overdrawn());
        assert_eq!(bits.unread_bytes(), 0);
    }
}
