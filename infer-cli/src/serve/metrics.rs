//! Counters of the service in Prometheus' text format, version 0.0.4.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::State;
use super::body::UNIT_BYTES;

/// Upper ends of the buckets of times, in seconds.
const BUCKETS: [f64; 11] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

#[derive(Default)]
pub(super) struct Metrics {
    /// By route and status. Routes are our own few, so a stranger cannot fill memory with names.
    requests: Mutex<BTreeMap<(&'static str, u16), u64>>,
    /// Seconds a request took, by bucket; the last is for all others.
    times: [AtomicU64; BUCKETS.len() + 1],
    time_micros: AtomicU64,
    pub answered: AtomicU64,
    pub failed: AtomicU64,
    pub damaged: AtomicU64,
    pub decode_micros: AtomicU64,
    pub network_micros: AtomicU64,
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

impl Metrics {
    /// A request was answered.
    pub fn request(&self, route: &'static str, status: u16, time: Duration) {
        self.count_request(route, status);
        let seconds = time.as_secs_f64();
        let bucket = BUCKETS.iter().position(|end| seconds <= *end);
        add(&self.times[bucket.unwrap_or(BUCKETS.len())], 1);
        add(&self.time_micros, micros(time));
    }

    /// A request was refused whose head was not read to its end, so that it has no time of its own.
    pub fn unread(&self, status: u16) {
        self.count_request("unread", status);
    }

    fn count_request(&self, route: &'static str, status: u16) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        *requests.entry((route, status)).or_default() += 1;
    }

    /// Adds a time to a sum.
    pub fn time(sum: &AtomicU64, time: Duration) {
        add(sum, micros(time));
    }

    /// One more.
    pub fn count(counter: &AtomicU64) {
        add(counter, 1);
    }
}

fn add(counter: &AtomicU64, amount: u64) {
    counter.fetch_add(amount, Ordering::Relaxed);
}

/// The page at `/metrics`.
pub(super) fn page(state: &State) -> String {
    let metrics = &state.metrics;
    let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let seconds = |counter: &AtomicU64| get(counter) as f64 / 1e6;
    let mut page = String::new();
    let mut family = |name: &str, kind: &str, help: &str, lines: &[(String, f64)]| {
        let _ = writeln!(page, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (labels, value) in lines {
            let _ = writeln!(page, "{name}{labels} {value}");
        }
    };
    let requests = metrics
        .requests
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let by_status: Vec<(String, f64)> = requests
        .iter()
        .map(|((route, status), n)| {
            (
                format!("{{path=\"{route}\",status=\"{status}\"}}"),
                *n as f64,
            )
        })
        .collect();
    drop(requests);
    family(
        "infer_requests_total",
        "counter",
        "Requests answered.",
        &by_status,
    );
    let mut sum = 0;
    let mut histogram = Vec::new();
    for (place, count) in metrics.times.iter().enumerate() {
        sum += get(count);
        let end = BUCKETS.get(place).map_or("+Inf".to_owned(), f64::to_string);
        histogram.push((format!("_bucket{{le=\"{end}\"}}"), sum as f64));
    }
    histogram.push(("_sum".to_owned(), seconds(&metrics.time_micros)));
    histogram.push(("_count".to_owned(), sum as f64));
    family(
        "infer_request_duration_seconds",
        "histogram",
        "Time from a request's headers to its answer.",
        &histogram,
    );
    let of = |result: &str, n: u64| (format!("{{result=\"{result}\"}}"), n as f64);
    family(
        "infer_images_total",
        "counter",
        "Images, by what came of them; damaged ones are among the answered.",
        &[
            of("answered", get(&metrics.answered)),
            of("damaged", get(&metrics.damaged)),
            of("failed", get(&metrics.failed)),
        ],
    );
    let one = |value: f64| [(String::new(), value)];
    family(
        "infer_decode_seconds_total",
        "counter",
        "Time spent on decoding.",
        &one(seconds(&metrics.decode_micros)),
    );
    family(
        "infer_network_seconds_total",
        "counter",
        "Time spent on preprocessing and the network.",
        &one(seconds(&metrics.network_micros)),
    );
    family(
        "infer_connections",
        "gauge",
        "Open connections.",
        &one(state.connections.count() as f64),
    );
    family(
        "infer_requests_in_flight",
        "gauge",
        "Requests being answered, this one included.",
        &one(state.connections.busy() as f64),
    );
    let limits = &state.config.limits;
    let free = state.room.available_permits();
    let shared = limits.shared_units().saturating_sub(free) * UNIT_BYTES;
    let turn = (1 - state.turn.available_permits().min(1)) * limits.upload_bytes;
    family(
        "infer_buffered_bytes",
        "gauge",
        "Memory that uploads take or have set aside.",
        &one((shared + turn) as f64),
    );
    page
}
