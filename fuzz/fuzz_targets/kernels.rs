//! Random quantized networks on every instruction set of this processor: the same bits everywhere. The bytes choose the
//! sizes and kinds of the layers.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../kernels/tests/graphs/mod.rs"]
mod graphs;

fuzz_target!(|bytes: &[u8]| {
    if let Some(graph) = graphs::random_chain(&mut graphs::Numbers::choosing(bytes)) {
        graphs::same_bits("a chosen chain", &graph);
    }
});
