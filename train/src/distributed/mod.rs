//! Training with several processes: who is who (`placement`), starting them (`launch`), working together (`ranks`), and
//! noticing who is missing (`beacon`, `signs`). The training loop sees none of it but [`crate::world::World`].

mod beacon;
mod launch;
mod placement;
mod ranks;
mod signs;

pub use launch::{LaunchArgs, end_with_launcher, launch};
pub use placement::Placement;
pub use ranks::{Ranks, Session};

/// Processes of this run on this machine, which share its cores.
pub fn local_processes() -> usize {
    let set = std::env::var("LOCAL_WORLD_SIZE")
        .ok()
        .and_then(|text| text.parse().ok());
    set.filter(|&count| count > 0).unwrap_or(1)
}

/// Cores for each process of this run on this machine, at least one.
pub fn cores_per_process() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    (cores / local_processes()).max(1)
}
