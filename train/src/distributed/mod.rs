//! Training with several processes: who is who (`placement`), starting them (`launch`), working together (`ranks`), and
//! noticing who is missing (`heartbeat`, `status`). The training loop sees none of it but [`crate::collective::Collective`].

mod heartbeat;
mod launch;
mod local;
mod placement;
mod ranks;
mod status;

pub use launch::{LaunchArgs, end_with_launcher, launch};
pub use local::{LocalPlace, cores_per_process, local_place, threads_of_share, wanted_device};
pub use placement::Placement;
pub use ranks::{Ranks, Session};
