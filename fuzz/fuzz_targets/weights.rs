//! Any bytes as a checkpoint: the pickle of PyTorch, its old tar and zip forms, and safetensors.
#![no_main]

use std::io::Write as _;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for ending in [".pth", ".safetensors"] {
        let Ok(mut file) = tempfile::Builder::new().suffix(ending).tempfile() else {
            return;
        };
        if file.write_all(bytes).is_err() {
            return;
        }
        if let Err(error) = model_core::weights::read_plain(file.path()) {
            assert!(!error.to_string().contains('\n'), "{error}");
        }
    }
});
