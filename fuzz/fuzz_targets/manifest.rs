//! Any text as a manifest: what is accepted is valid, and says the same after it was written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use model_core::manifest::Manifest;

fuzz_target!(|text: &str| {
    for manifest in [Manifest::from_yaml(text), Manifest::from_json(text)]
        .into_iter()
        .flatten()
    {
        if manifest.validate().is_err() {
            continue;
        }
        let Ok(written) = manifest.to_json() else {
            continue;
        };
        let again = Manifest::from_json(&written).map(|read| read.to_json().unwrap_or_default());
        assert_eq!(again.ok(), Some(written));
    }
});
