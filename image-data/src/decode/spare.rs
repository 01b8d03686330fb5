//! The memory of a picture that is no longer needed, kept by its thread for the next one. Fresh memory of this size comes
//! from the system page by page, each with a fault and zeroed: some eight hundredths of a training sample.

use std::cell::RefCell;

use model_core::RgbImage;

/// A thread keeps no more.
pub(super) const KEPT_BYTES: usize = 64 << 20;

thread_local! {
    static SPARE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Leaves the memory of `image` to this thread's next [`decode_part`](super::decode_part).
pub fn recycle(image: RgbImage) {
    SPARE.with_borrow_mut(|spare| {
        if (spare.capacity() + 1..=KEPT_BYTES).contains(&image.data.capacity()) {
            *spare = image.data;
        }
    });
}

/// What was left, or nothing. It holds old pixels.
pub(super) fn take() -> Vec<u8> {
    SPARE.take()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_keeps_the_larger_memory_and_not_too_much() {
        let image = |bytes: usize| RgbImage {
            width: 1,
            height: 1,
            data: Vec::with_capacity(bytes),
        };
        assert_eq!(take().capacity(), 0);
        recycle(image(100));
        recycle(image(50));
        assert_eq!(take().capacity(), 100);
        assert_eq!(take().capacity(), 0);
        recycle(image(KEPT_BYTES + 1));
        assert_eq!(take().capacity(), 0);
    }
}
