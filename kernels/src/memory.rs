//! f32 memory that begins on a cache line.

/// A cache line of f32, read and written through slices of the whole.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line {
    _values: [f32; LINE],
}

/// Values in a cache line.
pub(crate) const LINE: usize = 16;

/// A vector of f32 whose first value begins a cache line; zeros at first.
pub(crate) struct Aligned {
    lines: Vec<Line>,
    len: usize,
}

impl Aligned {
    pub fn zeros(len: usize) -> Self {
        Self {
            lines: vec![
                Line {
                    _values: [0.0; LINE]
                };
                len.div_ceil(LINE)
            ],
            len,
        }
    }

    pub fn as_slice(&self) -> &[f32] {
        // SAFETY: `lines` holds at least `len` values without gaps: `Line` is an array as large as its alignment.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.len) }
    }

    pub fn as_mut_slice(&mut self) -> &mut [f32] {
        // SAFETY: as above; borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.len) }
    }

    pub fn bytes(&self) -> usize {
        self.lines.len() * size_of::<Line>()
    }
}

/// The arena of one run, as several threads write it: each its own part.
#[derive(Clone, Copy)]
pub(crate) struct Arena {
    start: *mut f32,
    len: usize,
}

// SAFETY: steps hand every place of the arena to one writer at a time; see `run`.
unsafe impl Send for Arena {}
// SAFETY: as above.
unsafe impl Sync for Arena {}

impl Arena {
    pub fn over(memory: &mut Aligned) -> Self {
        Self {
            start: memory.as_mut_slice().as_mut_ptr(),
            len: memory.len,
        }
    }

    /// # Safety
    /// `offset` lies in the arena.
    #[inline(always)]
    pub unsafe fn at(self, offset: usize) -> *mut f32 {
        debug_assert!(offset <= self.len, "{offset} of {}", self.len);
        unsafe { self.start.add(offset) }
    }
}
