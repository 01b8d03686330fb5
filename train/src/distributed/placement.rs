//! This process's place among the others, from the environment its launcher set: torchrun's variables (also our own
//! launcher's), Slurm's, Open MPI's, or PMI's (MPICH, Intel MPI).

use anyhow::{Context, Result, bail};

/// Port where nobody says otherwise; PyTorch's.
const DEFAULT_PORT: u16 = 29500;

/// Who this process is and where the others meet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// From 0, over all machines.
    pub rank: usize,
    /// Processes over all machines.
    pub size: usize,
    /// From 0, on this machine; none where the launcher does not say.
    pub local_rank: Option<usize>,
    /// Processes on this machine; none where the launcher does not say.
    pub local_size: Option<usize>,
    /// torchrun and our own launcher show every process all GPUs; Slurm and MPI may show each its own only.
    pub sees_all_gpus: bool,
    /// Where the store is.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The launcher serves the store; otherwise rank 0 does.
    pub store_is_served: bool,
    /// How often the launcher has restarted the processes: keys of an earlier attempt must not be met.
    pub attempt: u32,
}

impl Placement {
    /// Reads the process's environment; none: it trains alone.
    ///
    /// # Errors
    /// Variables that contradict each other or are not numbers.
    pub fn from_env() -> Result<Option<Self>> {
        Self::read(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    }

    /// Whether this process is the one that serves the store.
    pub fn serves_the_store(&self) -> bool {
        self.rank == 0 && !self.store_is_served
    }

    fn read(get: impl Fn(&str) -> Option<String>) -> Result<Option<Self>> {
        let number = |name: &str| -> Result<Option<usize>> {
            get(name)
                .map(|text| {
                    text.parse()
                        .with_context(|| format!("{name}: expected a number, got '{text}'"))
                })
                .transpose()
        };
        let required = |name: &str, because: &str| -> Result<usize> {
            number(name)?.with_context(|| format!("{because} is set but {name} is not"))
        };
        let mut sees_all_gpus = false;
        let (rank, size, local_rank, local_size) = if let Some(rank) = number("RANK")? {
            sees_all_gpus = true;
            (
                rank,
                required("WORLD_SIZE", "RANK")?,
                number("LOCAL_RANK")?,
                number("LOCAL_WORLD_SIZE")?,
            )
        } else if let Some(size) = number("OMPI_COMM_WORLD_SIZE")? {
            let because = "OMPI_COMM_WORLD_SIZE";
            (
                required("OMPI_COMM_WORLD_RANK", because)?,
                size,
                number("OMPI_COMM_WORLD_LOCAL_RANK")?,
                number("OMPI_COMM_WORLD_LOCAL_SIZE")?,
            )
        } else if let Some(size) = number("SLURM_STEP_NUM_TASKS")? {
            // SLURM_NTASKS alone is also set in a batch script that starts this program once, without srun.
            let because = "SLURM_STEP_NUM_TASKS";
            (
                required("SLURM_PROCID", because)?,
                size,
                number("SLURM_LOCALID")?,
                None,
            )
        } else if let Some(size) = number("PMI_SIZE")? {
            let local = number("MPI_LOCALRANKID")?.or(number("PMI_LOCAL_RANK")?);
            let local_size = number("MPI_LOCALNRANKS")?.or(number("PMI_LOCAL_SIZE")?);
            (required("PMI_RANK", "PMI_SIZE")?, size, local, local_size)
        } else {
            return Ok(None);
        };
        if rank >= size {
            bail!("rank {rank} is not one of {size} processes: check RANK and WORLD_SIZE");
        }
        let is_ours = get("TRAIN_LAUNCHER_PID").is_some();
        if size == 1 && !is_ours {
            return Ok(None);
        }
        let host = match get("MASTER_ADDR").or_else(|| get("SLURM_LAUNCH_NODE_IPADDR")) {
            Some(host) => host,
            None => match get("SLURM_STEP_NODELIST").or_else(|| get("SLURM_NODELIST")) {
                Some(list) => first_node(&list),
                None if get("SLURM_JOB_ID").is_none() && local_rank.unwrap_or(0) == rank => {
                    "127.0.0.1".to_owned()
                }
                None => {
                    bail!("{size} processes but no MASTER_ADDR: set it to the machine of rank 0")
                }
            },
        };
        let port =
            match number("MASTER_PORT")? {
                Some(port) => u16::try_from(port)
                    .with_context(|| format!("MASTER_PORT: {port} is no port"))?,
                // Two jobs of one node must not meet.
                None => number("SLURM_JOB_ID")?
                    .map_or(DEFAULT_PORT, |job| 20_000 + (job % 10_000) as u16),
            };
        Ok(Some(Self {
            rank,
            size,
            local_rank,
            local_size: local_size.filter(|size| *size > 0),
            sees_all_gpus,
            host,
            port,
            store_is_served: get("TORCHELASTIC_USE_AGENT_STORE")
                .is_some_and(|value| value == "True"),
            attempt: number("TORCHELASTIC_RESTART_COUNT")?.unwrap_or(0) as u32,
        }))
    }
}

/// The first host of a Slurm node list such as `gpu[03-05,9],login1`.
fn first_node(list: &str) -> String {
    let Some(open) = list
        .find('[')
        .filter(|&open| list.find(',').is_none_or(|comma| open < comma))
    else {
        return list.split(',').next().unwrap_or(list).to_owned();
    };
    let (prefix, rest) = list.split_at(open);
    let inside = rest.trim_start_matches('[');
    let end = inside.find([',', '-', ']']).unwrap_or(inside.len());
    format!("{prefix}{}", &inside[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Option<Placement>> {
        Placement::read(|name| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn torchrun_and_plain_variables() {
        let placement = read(&[
            ("RANK", "5"),
            ("WORLD_SIZE", "8"),
            ("LOCAL_RANK", "1"),
            ("MASTER_ADDR", "node0"),
            ("MASTER_PORT", "1234"),
            ("TORCHELASTIC_USE_AGENT_STORE", "True"),
            ("TORCHELASTIC_RESTART_COUNT", "2"),
            ("SLURM_STEP_NUM_TASKS", "2"),
        ])
        .unwrap()
        .unwrap();
        assert_eq!(
            (placement.rank, placement.size, placement.local_rank),
            (5, 8, Some(1))
        );
        assert!(placement.sees_all_gpus);
        assert_eq!((placement.host.as_str(), placement.port), ("node0", 1234));
        assert_eq!((placement.store_is_served, placement.attempt), (true, 2));
    }

    #[test]
    fn slurm_open_mpi_and_pmi() {
        let slurm = read(&[
            ("SLURM_STEP_NUM_TASKS", "4"),
            ("SLURM_PROCID", "3"),
            ("SLURM_LOCALID", "1"),
            ("SLURM_STEP_NODELIST", "gpu[03-05,9],login1"),
            ("SLURM_JOB_ID", "123456"),
        ])
        .unwrap()
        .unwrap();
        assert_eq!((slurm.rank, slurm.size, slurm.local_rank), (3, 4, Some(1)));
        assert_eq!((slurm.sees_all_gpus, slurm.local_size), (false, None));
        assert_eq!((slurm.host.as_str(), slurm.port), ("gpu03", 23_456));
        let mpi = read(&[
            ("OMPI_COMM_WORLD_SIZE", "2"),
            ("OMPI_COMM_WORLD_RANK", "1"),
            ("OMPI_COMM_WORLD_LOCAL_RANK", "1"),
        ])
        .unwrap()
        .unwrap();
        assert_eq!(
            (mpi.rank, mpi.size, mpi.host.as_str(), mpi.port),
            (1, 2, "127.0.0.1", DEFAULT_PORT)
        );
        let pmi = read(&[("PMI_SIZE", "2"), ("PMI_RANK", "0"), ("MASTER_ADDR", "a")])
            .unwrap()
            .unwrap();
        assert_eq!((pmi.rank, pmi.size, pmi.host.as_str()), (0, 2, "a"));
    }

    #[test]
    fn alone_without_variables_or_with_one_process() {
        assert_eq!(read(&[]).unwrap(), None);
        assert_eq!(read(&[("RANK", "0"), ("WORLD_SIZE", "1")]).unwrap(), None);
        // A batch script that does not use srun.
        assert_eq!(
            read(&[("SLURM_NTASKS", "4"), ("SLURM_PROCID", "0")]).unwrap(),
            None
        );
    }

    #[test]
    fn contradictions_are_errors() {
        for (variables, word) in [
            (&[("RANK", "0")][..], "WORLD_SIZE"),
            (&[("RANK", "2"), ("WORLD_SIZE", "2")], "rank 2"),
            (&[("RANK", "x"), ("WORLD_SIZE", "2")], "number"),
            (
                &[("RANK", "3"), ("WORLD_SIZE", "4"), ("LOCAL_RANK", "1")],
                "MASTER_ADDR",
            ),
        ] {
            let error = read(variables).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    fn first_nodes() {
        for (list, first) in [
            ("a", "a"),
            ("a1,b2", "a1"),
            ("a[1,3]", "a1"),
            ("n[007-9]", "n007"),
            ("x,n[1-2]", "x"),
        ] {
            assert_eq!(first_node(list), first);
        }
    }
}
