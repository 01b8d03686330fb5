//! This process among those of the same run on the same machine: which GPU is its own, how many cores are its share.

use std::sync::OnceLock;

/// A process's place on its machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalPlace {
    /// From 0.
    pub rank: usize,
    /// Processes of this run on this machine, at least 1.
    pub size: usize,
    /// Every process sees every GPU; Slurm and MPI may show each process its own only.
    pub sees_all_gpus: bool,
}

/// Set once, when the processes have met.
static PLACE: OnceLock<LocalPlace> = OnceLock::new();

/// The place of this process; alone where it has not met others.
pub fn local_place() -> LocalPlace {
    PLACE.get().copied().unwrap_or(LocalPlace {
        rank: 0,
        size: 1,
        sees_all_gpus: true,
    })
}

/// What the processes found out when they met; the first answer stays.
pub(super) fn set_local_place(place: LocalPlace) {
    // A process meets the others once.
    let _ = PLACE.set(place);
}

/// The device that `auto` means to a process of our launcher: `--num-gpus` and `--num-processes` name one.
pub fn wanted_device() -> Option<&'static str> {
    match std::env::var("TRAIN_DEVICE_DEFAULT").ok()?.as_str() {
        "cpu" => Some("cpu"),
        "cuda" => Some("cuda"),
        _ => None,
    }
}

/// Cores for each process of this run on this machine, at least one.
pub fn cores_per_process() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let of_task = number("SLURM_CPUS_PER_TASK");
    share(cores, local_place().size, of_task)
}

/// Slurm says how many cores are a task's, bound to it or not; others leave the machine to be shared.
fn share(cores: usize, processes: usize, of_task: Option<usize>) -> usize {
    match of_task {
        Some(count) => count.clamp(1, cores),
        None => (cores / processes).max(1),
    }
}

/// libtorch's threads for this process, where it shares the machine and nobody has said how many.
pub fn threads_of_share() -> Option<usize> {
    let is_said = ["OMP_NUM_THREADS", "MKL_NUM_THREADS"]
        .into_iter()
        .any(|name| std::env::var_os(name).is_some());
    (local_place().size > 1 && !is_said).then(cores_per_process)
}

fn number(name: &str) -> Option<usize> {
    std::env::var(name).ok()?.parse().ok()
}

/// Which machine this is, so that processes of one machine find each other: its boot, and the container's name.
pub(super) fn machine() -> String {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let boot = read("/proc/sys/kernel/random/boot_id");
    let host = read("/proc/sys/kernel/hostname");
    format!("{} {}", boot.trim(), host.trim())
}

/// Rank and number of processes on the machine of `rank`, from the machines of all ranks.
pub(super) fn place_among(machines: &[String], rank: usize) -> (usize, usize) {
    let same = |other: &usize| machines[*other] == machines[rank];
    let before = (0..rank).filter(same).count();
    (before, (0..machines.len()).filter(same).count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_are_shared_out() {
        assert_eq!(share(16, 4, None), 4);
        assert_eq!(share(2, 4, None), 1);
        // Slurm's own number, whether it binds the task to them or not.
        assert_eq!(share(64, 4, Some(8)), 8);
        assert_eq!(share(8, 4, Some(8)), 8);
        assert_eq!(share(4, 1, Some(64)), 4);
    }

    #[test]
    fn processes_of_one_machine_find_each_other() {
        let machines: Vec<String> = ["a", "b", "a", "a", "b"].map(str::to_owned).to_vec();
        let places: Vec<(usize, usize)> = (0..5).map(|rank| place_among(&machines, rank)).collect();
        assert_eq!(places, [(0, 3), (0, 2), (1, 3), (2, 3), (1, 2)]);
    }
}
