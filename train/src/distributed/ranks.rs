//! Several processes as the training loop's [`Collective`]: gradients over libtorch's reducer, numbers over Gloo.

use std::net::{ToSocketAddrs, UdpSocket};
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result};
use tch::{Device, Kind, Tensor};
use torch_ext::c10d::{
    GlooAddress, Overlap, PendingSum, ProcessGroup, ReduceOp, Reducer, ReducerConfig, Store,
};

use super::heartbeat::Heartbeat;
use super::local::{LocalPlace, machine, place_among, set_local_place};
use super::placement::Placement;
use crate::collective::{Collective, Further};

/// How long processes may take to find each other.
const MEETING_TIMEOUT: Duration = Duration::from_secs(300);

/// The meeting point of the processes, before there is anything to train.
pub struct Session {
    placement: Placement,
    store: Store,
    heartbeat: Rc<Heartbeat>,
    timeout: Duration,
}

impl Session {
    /// Finds the others. `timeout` is how long they may stay away from an exchange later on.
    ///
    /// # Errors
    /// The store cannot be served or reached.
    pub fn join(placement: Placement, timeout: Duration) -> Result<Self> {
        let Placement {
            ref host,
            port,
            rank,
            size,
            ..
        } = placement;
        let store = if placement.serves_the_store() {
            Store::serve(port, MEETING_TIMEOUT)
                .with_context(|| format!("rank 0 cannot serve the store on port {port}"))?
        } else {
            connect(host, port)?
        };
        // Its own connection: the heartbeat must not wait behind the main thread.
        let watching = connect(host, port)?;
        let prefix = format!("train/attempt-{}", placement.attempt);
        let store = store.prefixed(&prefix)?;
        let watching = watching.prefixed(&prefix)?;
        let heartbeat = Heartbeat::new(watching, (rank, size), timeout)?;
        Ok(Self {
            store,
            placement,
            heartbeat: Rc::new(heartbeat),
            timeout,
        })
    }

    /// This process, from 0.
    pub fn rank(&self) -> usize {
        self.placement.rank
    }

    /// One text that rank 0 makes and all get.
    ///
    /// # Errors
    /// Rank 0's own, or that rank 0 went away.
    pub fn agree(&self, key: &str, make: impl FnOnce() -> Result<String>) -> Result<String> {
        if self.placement.rank == 0 {
            let text = make()?;
            self.store.set(key, text.as_bytes())?;
            return Ok(text);
        }
        let bytes = self
            .store
            .get(key)
            .with_context(|| format!("waiting for rank 0 to tell its {key}"))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// How many processes there are.
    pub fn size(&self) -> usize {
        self.placement.size
    }

    /// Runs this rank; should it fail, the others are told why.
    ///
    /// # Errors
    /// The rank's own.
    pub fn fail_on_error<T>(&self, body: impl FnOnce() -> Result<T>) -> Result<T> {
        body().map_err(|error| {
            let error = self.heartbeat.explain(error);
            self.heartbeat.fail(&error);
            error
        })
    }

    /// The processes as the training loop sees them.
    ///
    /// # Errors
    /// The processes cannot connect to each other.
    pub fn collective(&self) -> Result<Ranks> {
        let Placement { rank, size, .. } = self.placement;
        self.store.set(&machine_key(rank), machine().as_bytes())?;
        self.heartbeat.barrier("begin")?;
        set_local_place(self.local_place()?);
        let address = own_address(&self.placement);
        let control = ProcessGroup::gloo(&self.store, rank, size, &address, self.timeout)
            .with_context(|| {
                format!("rank {rank} cannot connect to the others from {address:?}")
            })?;
        Ok(Ranks {
            placement: self.placement.clone(),
            store: self.store.prefixed("gradients")?,
            heartbeat: Rc::clone(&self.heartbeat),
            timeout: self.timeout,
            reducer: None,
            question: None,
            data: None,
            control: Rc::new(control),
            barriers: 0,
        })
    }

    /// This process among those of its machine: as the launcher says, else as they found each other.
    fn local_place(&self) -> Result<LocalPlace> {
        let Placement {
            rank,
            size,
            local_rank,
            local_size,
            sees_all_gpus,
            ..
        } = self.placement;
        let machines = (0..size)
            .map(|rank| {
                let bytes = self.store.get(&machine_key(rank))?;
                Ok(String::from_utf8_lossy(&bytes).into_owned())
            })
            .collect::<Result<Vec<String>>>()?;
        let (found_rank, found_size) = place_among(&machines, rank);
        Ok(LocalPlace {
            rank: local_rank.unwrap_or(found_rank),
            size: local_size.unwrap_or(found_size),
            sees_all_gpus,
        })
    }
}

fn machine_key(rank: usize) -> String {
    format!("machine/{rank}")
}

fn connect(host: &str, port: u16) -> Result<Store> {
    Store::connect(host, port, MEETING_TIMEOUT)
        .with_context(|| format!("no store answers at {host}:{port} (MASTER_ADDR and MASTER_PORT)"))
}

/// The address of this machine from which the others are reached: the one that leads to the store.
fn own_address(placement: &Placement) -> GlooAddress {
    if let Ok(interface) = std::env::var("GLOO_SOCKET_IFNAME") {
        return GlooAddress::Interface(interface);
    }
    let toward_store = || {
        let target = (placement.host.as_str(), placement.port)
            .to_socket_addrs()
            .ok()?
            .next()?;
        let socket = UdpSocket::bind(if target.is_ipv4() {
            "0.0.0.0:0"
        } else {
            "[::]:0"
        })
        .ok()?;
        // Sends nothing: it only asks for the route.
        socket.connect(target).ok()?;
        Some(socket.local_addr().ok()?.ip().to_string())
    };
    toward_store().map_or(GlooAddress::HostName, GlooAddress::Host)
}

/// Several processes, seen from one of them.
pub struct Ranks {
    placement: Placement,
    store: Store,
    heartbeat: Rc<Heartbeat>,
    timeout: Duration,
    // In this order: the reducer and what is under way go before their group.
    reducer: Option<Reducer>,
    question: Option<PendingSum>,
    /// Over the device of the parameters; none before they are attached.
    data: Option<Rc<ProcessGroup>>,
    /// Over the CPU, for numbers.
    control: Rc<ProcessGroup>,
    /// Barriers so far: each has a name of its own.
    barriers: u64,
}

impl Ranks {
    fn data(&self) -> &ProcessGroup {
        self.data.as_ref().unwrap_or(&self.control)
    }
}

impl Collective for Ranks {
    fn rank(&self) -> usize {
        self.placement.rank
    }

    fn size(&self) -> usize {
        self.placement.size
    }

    fn attach(&mut self, parameters: &[Tensor], buffers: &[Tensor]) -> Result<()> {
        let device = parameters.first().map_or(Device::Cpu, Tensor::device);
        // Reading a large data set takes the ranks different times, more than an exchange may.
        self.heartbeat.barrier("attach")?;
        let Placement { rank, size, .. } = self.placement;
        let cuda_device = match device {
            Device::Cuda(index) => Some(index),
            _ => None,
        };
        let group = match cuda_device {
            None => Rc::clone(&self.control),
            Some(index) => {
                torch_ext::device::set_current(index)?;
                Rc::new(ProcessGroup::nccl(&self.store, rank, size, self.timeout)?)
            }
        };
        self.data = Some(Rc::clone(&group));
        self.heartbeat.exchange(|| {
            group.broadcast(parameters, 0)?;
            Ok(group.broadcast(buffers, 0)?)
        })?;
        let config = ReducerConfig {
            cuda_device,
            ..ReducerConfig::default()
        };
        self.reducer = Some(
            self.heartbeat
                .exchange(|| Ok(Reducer::new(&group, parameters, &config)?))?,
        );
        Ok(())
    }

    fn backward(&mut self, loss: &Tensor, synchronize: bool, further: Further<'_>) -> Result<()> {
        let Some(reducer) = self.reducer.as_mut().filter(|_| synchronize) else {
            // Synchronized batch norm exchanges in every backward, also of an accumulating micro-batch.
            return self.heartbeat.exchange(|| {
                loss.f_backward()?;
                further()
            });
        };
        self.heartbeat.exchange(|| {
            // Buckets are rebuilt between steps; nothing needs it to be before the forward pass.
            reducer.before_forward()?;
            reducer.before_backward(loss)?;
            loss.f_backward()?;
            further()?;
            Ok(reducer.check_finished()?)
        })
    }

    fn sum(&mut self, values: &mut [f64]) -> Result<()> {
        let tensor = Tensor::from_slice(values);
        self.heartbeat
            .exchange(|| Ok(self.control.all_reduce(&tensor, ReduceOp::Sum)?))?;
        tensor.f_copy_data(values, values.len())?;
        Ok(())
    }

    fn average(&mut self, tensors: &[Tensor]) -> Result<()> {
        let floats: Vec<&Tensor> = tensors
            .iter()
            .filter(|tensor| tensor.kind() == Kind::Float)
            .collect();
        if floats.is_empty() {
            return Ok(());
        }
        tch::no_grad(|| {
            let flat: Vec<Tensor> = floats
                .iter()
                .map(|tensor| tensor.f_reshape([-1]))
                .collect::<Result<_, _>>()?;
            let joined = Tensor::f_cat(&flat, 0)?;
            self.heartbeat
                .exchange(|| Ok(self.data().all_reduce(&joined, ReduceOp::Mean)?))?;
            let mut start = 0;
            for tensor in floats {
                let count = tensor.numel() as i64;
                let part = joined.f_narrow(0, start, count)?.f_view_as(tensor)?;
                tensor.shallow_clone().f_copy_(&part)?;
                start += count;
            }
            Ok(())
        })
    }

    fn gather(&mut self, tensors: &[Tensor]) -> Result<Vec<Vec<Tensor>>> {
        if tensors.is_empty() {
            return Ok(Vec::new());
        }
        tch::no_grad(|| {
            let flat: Vec<Tensor> = tensors
                .iter()
                .map(|tensor| tensor.f_reshape([-1]))
                .collect::<Result<_, _>>()?;
            let joined = Tensor::f_cat(&flat, 0)?;
            let all = self
                .heartbeat
                .exchange(|| Ok(self.data().all_gather(&joined)?))?;
            (1..self.placement.size as i64)
                .map(|rank| {
                    let (row, mut start) = (all.f_get(rank)?, 0);
                    let part = |tensor: &Tensor| -> Result<Tensor> {
                        let count = tensor.numel() as i64;
                        let part = row.f_narrow(0, start, count)?.f_view_as(tensor)?;
                        start += count;
                        Ok(part)
                    };
                    tensors.iter().map(part).collect()
                })
                .collect()
        })
    }

    fn barrier(&mut self) -> Result<()> {
        self.barriers += 1;
        self.heartbeat.barrier(&self.barriers.to_string())
    }

    fn begin_any(&mut self, flags: [bool; 2]) -> Result<()> {
        let flags = flags.map(|flag| f32::from(u8::from(flag)));
        self.question = Some(self.control.begin_sum(Tensor::from_slice(&flags))?);
        Ok(())
    }

    fn finish_any(&mut self) -> Result<Option<[bool; 2]>> {
        let Some(question) = self.question.take() else {
            return Ok(Some([false; 2]));
        };
        let sums = self.heartbeat.exchange(|| Ok(question.wait()?))?;
        let flag = |index| Ok::<_, anyhow::Error>(sums.f_double_value(&[index])? > 0.0);
        Ok(Some([flag(0)?, flag(1)?]))
    }

    fn norm_group(&self) -> Option<Rc<ProcessGroup>> {
        self.data.clone()
    }

    fn set_step(&mut self, epoch: u64, step: u64) {
        self.heartbeat.set_step(epoch, step);
    }

    fn overlap(&self) -> Option<Overlap> {
        self.reducer.as_ref()?.overlap().ok()
    }

    fn shut_down(&mut self) -> Result<()> {
        self.heartbeat.barrier("end")?;
        self.reducer = None;
        self.data().shutdown()?;
        self.heartbeat.leave(self.placement.serves_the_store());
        Ok(())
    }
}
