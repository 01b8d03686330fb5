//! A small HTTP service: a page that takes photos and a JSON endpoint, from the same binary and the same classifier.
//!
//! | request | answer |
//! |---|---|
//! | `GET /` | the page |
//! | `POST /api/classify?topk=5&abstain=0.4&at_least=0.8&name=photo.jpg` | the image file as body; one object of the JSON-lines schema |
//! | the same as `multipart/form-data` | one photo: its object; several: an array of them |
//! | `GET /api/model` | what a visitor may know of the model |
//! | `GET /healthz` | `ok` |
//! | `GET /metrics` | counters in Prometheus' text format |
//!
//! Bounded in upload size, buffered uploads, time, images at once and connections. An image is decoded beside others,
//! but the network runs one at a time with all its threads, so threads are not multiplied by requests. On loopback,
//! requests that a foreign web page sends through the visitor's browser are refused: the `Host` must be loopback and an
//! `Origin` must be the service itself.

mod answer;
mod body;
mod classify;
mod connection;
mod connections;
mod metrics;
pub mod multipart;
mod query;
mod socket;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result};
use image_data::decode::DecodeConfig;
use inference::{Cancel, Classifier};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{Semaphore, watch};

use crate::words::WordsArgs;
use connections::Connections;
use metrics::Metrics;

/// What the service may cost.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Largest upload.
    pub upload_bytes: usize,
    /// Uploads in memory, all together.
    pub buffered_bytes: usize,
    /// For reading a request, and again for answering it.
    pub timeout: Duration,
    /// Images decoded at once.
    pub concurrency: usize,
    /// Open connections.
    pub connections: usize,
}

impl Limits {
    /// The places for uploads that do not have the turn, in units of [`body::UNIT_BYTES`].
    fn shared_units(&self) -> usize {
        body::units(self.buffered_bytes.saturating_sub(self.upload_bytes))
    }
}

/// How the service answers.
#[derive(Clone, Debug)]
pub struct ServeConfig {
    /// Where it listens.
    pub address: SocketAddr,
    /// What it may cost.
    pub limits: Limits,
    /// How images are read.
    pub decode: DecodeConfig,
    /// In which words it answers.
    pub words: WordsArgs,
    /// Whether every request gets a line on stderr.
    pub log: bool,
}

/// What every request sees.
struct State {
    classifier: Classifier,
    config: ServeConfig,
    /// Whether only this machine can reach the service, so that foreign hosts and origins are refused.
    loopback: bool,
    /// Places for uploads in memory, in units of [`body::UNIT_BYTES`].
    room: Arc<Semaphore>,
    /// The one place for an upload that may go on without room; its memory is set aside.
    turn: Arc<Semaphore>,
    /// Places for images that are decoded.
    work: Arc<Semaphore>,
    /// The network runs one image at a time.
    network: Mutex<()>,
    metrics: Metrics,
    connections: Connections,
}

/// Listens until `cancel`, then lets requests under way finish; `ready` is told the address, with the port that was
/// really taken.
///
/// # Errors
/// When the address cannot be listened on.
pub fn run(
    classifier: Classifier,
    config: ServeConfig,
    cancel: &Cancel,
    ready: impl FnOnce(SocketAddr),
) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .max_blocking_threads(config.limits.concurrency)
        .build()
        .context("cannot start the service")?;
    let state = Arc::new(State {
        loopback: config.address.ip().is_loopback(),
        room: Arc::new(Semaphore::new(config.limits.shared_units())),
        turn: Arc::new(Semaphore::new(1)),
        work: Arc::new(Semaphore::new(config.limits.concurrency)),
        network: Mutex::new(()),
        metrics: Metrics::default(),
        connections: Connections::default(),
        classifier,
        config,
    });
    let result = runtime.block_on(accept(state, cancel, ready));
    // What the grace did not suffice for must not hold up the end.
    runtime.shutdown_background();
    result
}

/// How often a stop is looked for, and how long an accept that failed waits.
const TICK: Duration = Duration::from_millis(100);

/// A connection that has had no request for so long makes room for others.
const IDLE: Duration = Duration::from_secs(1);

/// Connections that wait in the system's queue; it may allow fewer. When the queue is full, the system loses some.
const QUEUE: u32 = 4096;

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    // The port of a service that was just stopped is free at once. On Windows the option would share a port in use.
    #[cfg(not(windows))]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(QUEUE)
}

async fn accept(state: Arc<State>, cancel: &Cancel, ready: impl FnOnce(SocketAddr)) -> Result<()> {
    let address = state.config.address;
    let listener = listen(address).with_context(|| format!("cannot listen on {address}"))?;
    ready(listener.local_addr().context("cannot tell the address")?);
    let (stop, stopped) = watch::channel(false);
    let most = state.config.limits.connections;
    // Each takes a moment to leave, so that some must be able to at once, but no more than newcomers need.
    let leaving = most.div_ceil(4);
    while !cancel.is_cancelled() {
        // A connection that only waits makes room for a new one. With all of them at work, newcomers wait in the
        // system's queue: they are served later and not reset.
        if state.connections.count() >= most {
            state.connections.close_idle(IDLE, leaving);
            let ended = state.connections.one_ended();
            let _ = tokio::time::timeout(TICK / 10, ended).await;
            continue;
        }
        match tokio::time::timeout(TICK, listener.accept()).await {
            Err(_) => {}
            Ok(Ok((stream, _))) => {
                tokio::spawn(connection::serve(
                    Arc::clone(&state),
                    stream,
                    stopped.clone(),
                ));
            }
            // Out of file descriptors, say: one that only waits is given up, or the open ones get time to end.
            Ok(Err(_)) => {
                state.connections.close_idle(IDLE, leaving);
                tokio::time::sleep(TICK).await;
            }
        }
    }
    drop(listener);
    let _ = stop.send(true);
    let ended = state.connections.ended();
    // Whoever is still at it then has had the time of a whole request.
    let _ = tokio::time::timeout(state.config.limits.timeout, ended).await;
    Ok(())
}
