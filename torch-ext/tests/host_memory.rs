//! Memory that is kept is not faulted in again. A test binary of its own: the switch is for the whole process.

#![allow(clippy::unwrap_used)] // helpers of a test may fail it

use tch::{Device, Kind, Tensor};

/// Pages given to this process so far (`man 5 proc`, the tenth field of `stat`).
fn faults() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let after_name = stat.rsplit_once(')').unwrap().1;
    after_name
        .split_whitespace()
        .nth(7)
        .unwrap()
        .parse()
        .unwrap()
}

/// Faults while 160 MiB come and go in tensors of 40 MiB.
fn step() -> u64 {
    let before = faults();
    let tensors: Vec<Tensor> = (0..4)
        .map(|_| Tensor::ones([10 << 20], (Kind::Float, Device::Cpu)))
        .collect();
    drop(tensors);
    faults() - before
}

/// On the process's first thread, where a trainer works too: glibc gives other threads small heaps of their own.
fn main() {
    if !cfg!(all(target_os = "linux", target_env = "gnu")) {
        println!("SKIPPED: this is glibc's business, and Linux's way of counting pages");
        return;
    }
    step();
    let before = step();
    assert!(
        before > 40,
        "glibc maps large tensors afresh: {before} faults"
    );
    assert!(torch_ext::host_memory::keep(512 << 20).unwrap());
    // The first steps touch the reserve for the first time, in pieces that fit ever better.
    (0..3).for_each(|_| {
        step();
    });
    let after = step();
    assert!(after < 10, "{after} faults, {before} before");
    println!("a step needs {after} new pages, {before} before");
}
