//! A small HTTP service: a drag-and-drop page and a JSON endpoint, from the same binary and the same classifier.
//!
//! | request | answer |
//! |---|---|
//! | `GET /` | the page |
//! | `POST /api/classify?topk=5&at_least=0.8&name=photo.jpg` | the image file as body; one object of the JSON-lines schema |
//! | `GET /api/model` | what is known of the model |
//! | `GET /healthz` | `ok` |
//!
//! Bounded in upload size, time, images at once and connections. On loopback, requests that a foreign web page sends
//! through the visitor's browser are refused: the `Host` must be loopback and an `Origin` must be the service itself.

mod answer;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use image_data::decode::DecodeOptions;
use inference::{Cancel, Classifier};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::words::WordsArgs;

/// What the service may cost.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Largest upload.
    pub upload_bytes: usize,
    /// For reading a request, and again for answering it.
    pub timeout: Duration,
    /// Images decoded and classified at once.
    pub concurrency: usize,
    /// Open connections.
    pub connections: usize,
}

/// What every request sees.
pub(crate) struct State {
    classifier: Classifier,
    decode: DecodeOptions,
    words: WordsArgs,
    limits: Limits,
    /// Whether only this machine can reach the service, so that foreign hosts and origins are refused.
    loopback: bool,
    work: Arc<Semaphore>,
}

/// Listens until `cancel`; `ready` is told the address, with the port that was really taken.
///
/// # Errors
/// When the address cannot be listened on.
pub fn run(
    classifier: Classifier,
    decode: DecodeOptions,
    words: WordsArgs,
    address: SocketAddr,
    limits: Limits,
    cancel: &Cancel,
    ready: impl FnOnce(SocketAddr),
) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .max_blocking_threads(limits.concurrency)
        .build()
        .context("cannot start the service")?;
    let state = Arc::new(State {
        loopback: address.ip().is_loopback(),
        work: Arc::new(Semaphore::new(limits.concurrency)),
        classifier,
        decode,
        words,
        limits,
    });
    let result = runtime.block_on(accept(state, address, cancel, ready));
    // An image in work must not hold up Ctrl-C.
    runtime.shutdown_background();
    result
}

async fn accept(
    state: Arc<State>,
    address: SocketAddr,
    cancel: &Cancel,
    ready: impl FnOnce(SocketAddr),
) -> Result<()> {
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}"))?;
    ready(listener.local_addr().context("cannot tell the address")?);
    let connections = Arc::new(Semaphore::new(state.limits.connections));
    while !cancel.is_cancelled() {
        let Ok(accepted) =
            tokio::time::timeout(Duration::from_millis(100), listener.accept()).await
        else {
            continue;
        };
        let Ok((stream, _)) = accepted else {
            // Out of file descriptors, say: give the open connections time to end.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let Ok(place) = Arc::clone(&connections).try_acquire_owned() else {
            drop(stream);
            continue;
        };
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            let service = service_fn(|request| answer::answer(Arc::clone(&state), request));
            let served = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(state.limits.timeout)
                .serve_connection(TokioIo::new(stream), service)
                .await;
            // A visitor who goes away is not our problem.
            drop((served, place));
        });
    }
    Ok(())
}
