//! Errors of libtorch in words of ours. tch hands C++ exceptions over as text, forty frames of a backtrace included; what
//! kind they are of is decided here and nowhere else.

use anyhow::Error;
use model_core::text::join_causes;
use tch::TchError;
use torch_ext::TorchError;

/// A device or the host has no memory left for a batch.
#[derive(Debug, thiserror::Error)]
#[error("out of memory with batches of {images} at {side} pixels")]
pub struct OutOfMemory {
    /// Computed at a time.
    pub images: usize,
    /// Their side, in pixels.
    pub side: u32,
    /// What there is to do about it.
    pub remedy: MemoryRemedy,
}

/// What helps a run that is out of memory; the command line has the words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryRemedy {
    /// The run was told how many images to compute at a time: let it find out.
    FindMicroBatch,
    /// Compute so many images at a time.
    SmallerMicroBatch(usize),
    /// The smallest number of images does not fit: less has to be kept of each.
    LessPerImage,
    /// Of a measurement of one batch: another batch.
    SmallerBatch(usize),
}

/// Whether libtorch ran out of device or host memory.
pub fn is_out_of_memory(error: &Error) -> bool {
    error.chain().any(is_memory_error)
}

fn is_memory_error(cause: &(dyn std::error::Error + 'static)) -> bool {
    if let Some(error) = cause.downcast_ref::<TorchError>() {
        return error.is_out_of_memory();
    }
    cause
        .downcast_ref::<TchError>()
        .is_some_and(|error| torch_ext::error::is_out_of_memory(&error.to_string()))
}

/// An error that came of too little memory says which batch was too large; others stay as they are.
pub fn explain_memory(error: Error, images: usize, side: u32, remedy: MemoryRemedy) -> Error {
    if !is_out_of_memory(&error) || error.downcast_ref::<OutOfMemory>().is_some() {
        return error;
    }
    error.context(OutOfMemory {
        images,
        side,
        remedy,
    })
}

/// An error and its causes as a person reads them: libtorch's without the C++ frames, no text twice.
pub fn describe(error: &Error) -> String {
    join_causes(error.chain().map(|cause| {
        if is_memory_error(cause) {
            return out_of_memory(&cause.to_string());
        }
        match cause.downcast_ref::<TchError>() {
            Some(TchError::Torch(text)) => torch_ext::error::without_backtrace(text),
            _ => cause.to_string(),
        }
    }))
}

/// libtorch's report of its allocator in our words.
fn out_of_memory(text: &str) -> String {
    match torch_ext::error::wanted_memory(text) {
        Some(wanted) => format!("no memory for {wanted} more"),
        None => "no memory".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    fn too_large() -> Error {
        // 2^60 bytes: no machine has them.
        let shape = [1_i64 << 58];
        let options = (tch::Kind::Float, tch::Device::Cpu);
        Error::new(tch::Tensor::f_zeros(shape, options).unwrap_err())
    }

    #[test]
    fn out_of_memory_says_what_did_not_fit_in_words_of_ours() {
        let remedy = MemoryRemedy::LessPerImage;
        let error = explain_memory(too_large().context("node 3 (conv)"), 64, 224, remedy);
        assert_eq!(
            describe(&error),
            "out of memory with batches of 64 at 224 pixels: node 3 (conv): no memory for 1073741824.00 GiB more"
        );
        // Explained once, however many callers try.
        let again = describe(&explain_memory(error, 32, 224, remedy));
        assert_eq!(again.matches("batches of").count(), 1, "{again}");
        assert!(again.contains("batches of 64"), "{again}");
    }

    #[test]
    fn other_errors_of_libtorch_come_without_its_own_headings() {
        let matrix = tch::Tensor::from_slice(&[1.0_f32; 6]).view([2, 3]);
        let error = Error::new(matrix.f_mm(&matrix).unwrap_err());
        let text = describe(&error);
        assert!(text.starts_with("mat1 and mat2 shapes cannot be"), "{text}");
        assert!(!text.contains("frame #") && !text.contains('\n'), "{text}");
    }

    #[test]
    fn other_errors_stay_as_they_are_and_say_nothing_twice() {
        let remedy = MemoryRemedy::LessPerImage;
        let other = explain_memory(anyhow::anyhow!("no such file"), 1, 1, remedy);
        assert_eq!(describe(&other), "no such file");
        let twice: anyhow::Result<()> = Err(anyhow::anyhow!("disk full"));
        let twice = twice.context("cannot write x: disk full").unwrap_err();
        assert_eq!(describe(&twice), "cannot write x: disk full");
        let missing = Error::new(std::fs::read("no/such/file").unwrap_err());
        assert!(missing.to_string().contains("(os error "), "{missing}");
        let text = describe(&missing.context("cannot read no/such/file"));
        assert!(text.starts_with("cannot read no/such/file: "), "{text}");
        assert!(!text.contains("os error"), "{text}");
    }
}
