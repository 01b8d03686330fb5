//! Bytes that begin on a cache line.

/// A cache line, read and written through slices of the whole.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line {
    _bytes: [u8; LINE],
}

/// Bytes in a cache line.
pub(crate) const LINE: usize = 64;

/// Numbers whose every bit pattern is a value.
///
/// # Safety
/// The type has no padding and no invalid bit pattern, and its alignment divides a cache line.
pub(crate) unsafe trait Plain: Copy {}
// SAFETY: plain numbers.
unsafe impl Plain for u8 {}
// SAFETY: as above.
unsafe impl Plain for i8 {}
// SAFETY: as above.
unsafe impl Plain for u16 {}
// SAFETY: as above.
unsafe impl Plain for i32 {}
// SAFETY: as above.
unsafe impl Plain for f32 {}

/// Bytes of which the first begins a cache line; zeros at first.
pub(crate) struct Aligned {
    lines: Vec<Line>,
}

impl Aligned {
    /// At least `len` bytes, in whole cache lines.
    pub fn zeros(len: usize) -> Self {
        let lines = vec![Line { _bytes: [0; LINE] }; len.div_ceil(LINE)];
        Self { lines }
    }

    pub fn as_mut<T: Plain>(&mut self) -> &mut [T] {
        let count = self.bytes() / size_of::<T>();
        // SAFETY: `Line` is an array as large as its alignment, so lines follow each other without gaps; `T` is plain.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), count) }
    }

    pub fn as_ptr(&self) -> *const u8 {
        self.lines.as_ptr().cast()
    }

    pub fn bytes(&self) -> usize {
        self.lines.len() * LINE
    }
}

/// The arena of one run, as several threads write it: each its own part.
#[derive(Clone, Copy)]
pub(crate) struct Arena {
    start: *mut u8,
    len: usize,
}

// SAFETY: steps hand every place of the arena to one writer at a time; see `Step::run`.
unsafe impl Send for Arena {}
// SAFETY: as above.
unsafe impl Sync for Arena {}

impl Arena {
    pub fn over(memory: &mut Aligned) -> Self {
        Self {
            len: memory.bytes(),
            start: memory.as_mut::<u8>().as_mut_ptr(),
        }
    }

    /// # Safety
    /// `offset` lies in the arena.
    #[inline(always)]
    pub unsafe fn at(self, offset: usize) -> *mut u8 {
        debug_assert!(offset <= self.len, "{offset} of {}", self.len);
        // SAFETY: the caller's.
        unsafe { self.start.add(offset) }
    }
}
