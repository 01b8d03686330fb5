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
mod connections;
mod metrics;
pub mod multipart;
mod query;

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use anyhow::{Context, Result};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use image_data::decode::DecodeOptions;
use inference::{Cancel, Classifier};
use tokio::net::{TcpListener, TcpStream};
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

/// How the service answers.
#[derive(Clone, Debug)]
pub struct ServeConfig {
    /// Where it listens.
    pub address: SocketAddr,
    /// What it may cost.
    pub limits: Limits,
    /// How images are read.
    pub decode: DecodeOptions,
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
        room: Arc::new(Semaphore::new(body::units(config.limits.buffered_bytes))),
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
const IDLE: Duration = Duration::from_millis(250);

/// What a connection that is to close gets, so that a request that lies in the system's buffer is read before.
const GRACE: Duration = Duration::from_millis(20);

async fn accept(state: Arc<State>, cancel: &Cancel, ready: impl FnOnce(SocketAddr)) -> Result<()> {
    let address = state.config.address;
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}"))?;
    ready(listener.local_addr().context("cannot tell the address")?);
    let (stop, stopped) = watch::channel(false);
    while !cancel.is_cancelled() {
        // A connection that only waits makes room for a new one. With all of them at work, newcomers wait in the
        // system's queue: they are served later and not reset.
        if state.connections.count() >= state.config.limits.connections
            && !state.connections.close_idle(IDLE)
        {
            tokio::time::sleep(TICK / 10).await;
            continue;
        }
        match tokio::time::timeout(TICK, listener.accept()).await {
            Err(_) => {}
            Ok(Ok((stream, _))) => {
                tokio::spawn(serve(Arc::clone(&state), stream, stopped.clone()));
            }
            // Out of file descriptors, say: one that only waits is given up, or the open ones get time to end.
            Ok(Err(_)) => {
                state.connections.close_idle(IDLE);
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

async fn serve(state: Arc<State>, stream: TcpStream, mut stopped: watch::Receiver<bool>) {
    let peer = stream.peer_addr().ok();
    let open = state.connections.open();
    let service = service_fn(|request| {
        let busy = open.request();
        let state = Arc::clone(&state);
        async move {
            let reply = answer::answer(state, request, peer).await;
            drop(busy);
            reply
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(state.config.limits.timeout)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let mut closed = pin!(open.closed(GRACE));
    let mut stop = pin!(stopped.changed());
    let mut stopping = false;
    // Whatever comes first: a visitor who goes away, a request to close, or the service's end.
    std::future::poll_fn(|context| {
        if !stopping && stop.as_mut().poll(context).is_ready() {
            stopping = true;
            connection.as_mut().graceful_shutdown();
        }
        if connection.as_mut().poll(context).is_ready() {
            return Poll::Ready(());
        }
        closed.as_mut().poll(context)
    })
    .await;
}
