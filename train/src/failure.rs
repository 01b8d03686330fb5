//! Errors of libtorch in words of ours. tch hands C++ exceptions over as text, forty frames of a backtrace included; what
//! kind they are of is decided here and nowhere else.

use anyhow::Error;
use tch::TchError;

/// What was in memory when it ran out.
#[derive(Clone, Copy, Debug)]
pub struct BatchShape {
    /// Images a device took at a time.
    pub images: usize,
    /// Batches a step.
    pub accumulate: usize,
    /// Side of the images, in pixels.
    pub side: u32,
}

/// A device or the host has no memory left for a batch.
#[derive(Debug, thiserror::Error)]
#[error(
    "out of memory with batches of {} at {} pixels: try --batch-size {} --accumulate {} (the same global batch)",
    batch.images,
    batch.side,
    (batch.images / 2).max(1),
    batch.accumulate * 2
)]
pub struct OutOfMemory {
    batch: BatchShape,
}

/// Whether libtorch ran out of device or host memory.
pub fn is_out_of_memory(error: &Error) -> bool {
    error.chain().any(|cause| {
        if let Some(error) = cause.downcast_ref::<torch_ext::Error>() {
            return error.is_out_of_memory();
        }
        cause
            .downcast_ref::<TchError>()
            .is_some_and(|error| torch_ext::error::is_out_of_memory(&error.to_string()))
    })
}

/// An error that came of too little memory says which batch was too large; others stay as they are.
pub fn explain_memory(error: Error, batch: BatchShape) -> Error {
    if !is_out_of_memory(&error) || error.downcast_ref::<OutOfMemory>().is_some() {
        return error;
    }
    error.context(OutOfMemory { batch })
}

/// An error and its causes in one line, as a person reads it: libtorch's without the C++ frames, no text twice.
pub fn describe(error: &Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    for cause in error.chain() {
        let text = match cause.downcast_ref::<TchError>() {
            Some(error) => torch_ext::error::without_backtrace(&error.to_string()).to_owned(),
            None => cause.to_string(),
        };
        // Some errors repeat their cause's text in their own.
        if !parts.iter().any(|said| said.ends_with(&text)) {
            parts.push(text);
        }
    }
    parts.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    const BATCH: BatchShape = BatchShape {
        images: 64,
        accumulate: 1,
        side: 224,
    };

    fn too_large() -> Error {
        // 2^60 bytes: no machine has them.
        let shape = [1_i64 << 58];
        let options = (tch::Kind::Float, tch::Device::Cpu);
        Error::new(tch::Tensor::f_zeros(shape, options).unwrap_err())
    }

    #[test]
    fn out_of_memory_says_what_to_try_without_cpp_frames() {
        let error = explain_memory(too_large().context("node 3 (conv)"), BATCH);
        let text = describe(&error);
        assert!(
            text.starts_with(
                "out of memory with batches of 64 at 224 pixels: try --batch-size 32 --accumulate 2"
            ),
            "{text}"
        );
        assert!(text.contains("node 3 (conv)"), "{text}");
        assert!(!text.contains("frame #") && !text.contains('\n'), "{text}");
        // Explained once, however many callers try.
        let again = describe(&explain_memory(error, BATCH));
        assert_eq!(again.matches("try --batch-size").count(), 1, "{again}");
    }

    #[test]
    fn other_errors_stay_as_they_are_and_say_nothing_twice() {
        let other = explain_memory(anyhow::anyhow!("no such file"), BATCH);
        assert_eq!(describe(&other), "no such file");
        let twice: anyhow::Result<()> = Err(anyhow::anyhow!("disk full"));
        let twice = twice.context("cannot write x: disk full").unwrap_err();
        assert_eq!(describe(&twice), "cannot write x: disk full");
    }
}
