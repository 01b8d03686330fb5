//! One request, one answer: who may ask, what there is, and the line in the log.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use image_data::formats;
use inference::ModelSource;
use model_core::scores::DEFAULT_SURE_FROM;

use super::{State, body, classify, metrics};

pub(super) type Reply = Response<Full<Bytes>>;

pub(super) const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";

/// The page may run its own script and show the visitor's pictures, and nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src blob: data:; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What there is to get.
const PAGES: [(&str, &str, &str); 6] = [
    (
        "/",
        "text/html; charset=utf-8",
        include_str!("page/page.html"),
    ),
    (
        "/page.css",
        "text/css; charset=utf-8",
        include_str!("page/page.css"),
    ),
    (
        "/page.js",
        "text/javascript; charset=utf-8",
        include_str!("page/page.js"),
    ),
    (
        "/input.js",
        "text/javascript; charset=utf-8",
        include_str!("page/input.js"),
    ),
    (
        "/queue.js",
        "text/javascript; charset=utf-8",
        include_str!("page/queue.js"),
    ),
    (
        "/show.js",
        "text/javascript; charset=utf-8",
        include_str!("page/show.js"),
    ),
];

pub(super) async fn answer(
    state: Arc<State>,
    request: Request<Incoming>,
    peer: Option<SocketAddr>,
) -> Result<Reply, Infallible> {
    let start = Instant::now();
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let (route, mut reply) = match allowed(&state, &request) {
        Ok(()) => route(&state, request, &path).await,
        Err(text) => ("refused", problem(StatusCode::FORBIDDEN, &text)),
    };
    let headers = reply.headers_mut();
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(POLICY),
    );
    let (status, took) = (reply.status(), start.elapsed());
    state.metrics.request(route, status.as_u16(), took);
    log(&state, peer, method.as_str(), &path, status, took);
    Ok(reply)
}

/// Counts and logs the answer to a request that was refused before its head was read.
pub(super) fn unread(state: &State, status: StatusCode, peer: Option<SocketAddr>) {
    state.metrics.unread(status.as_u16());
    log(state, peer, "-", "-", status, Duration::ZERO);
}

fn log(
    state: &State,
    peer: Option<SocketAddr>,
    method: &str,
    path: &str,
    status: StatusCode,
    took: Duration,
) {
    if !state.config.log {
        return;
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let time = now.map_or(0.0, |now| now.as_secs_f64());
    let peer = peer.map_or_else(|| "-".to_owned(), |peer| peer.ip().to_string());
    let (status, milliseconds) = (status.as_u16(), took.as_secs_f64() * 1e3);
    // The path is the client's: in quotes and escaped, it stays in its place.
    eprintln!(
        "time={time:.3} client={peer} method={method} path={path:?} status={status} ms={milliseconds:.1}"
    );
}

async fn route(
    state: &Arc<State>,
    request: Request<Incoming>,
    path: &str,
) -> (&'static str, Reply) {
    let method = request.method().clone();
    // HEAD is GET without the body, which the server leaves out by itself.
    let get = method == Method::GET || method == Method::HEAD;
    if path == "/api/classify" {
        let reply = if method == Method::POST {
            classify::classify(state, request).await
        } else {
            let text = "expected POST with an image file as body, or with a form that holds one";
            not_allowed(text, "POST")
        };
        return ("/api/classify", reply);
    }
    let page = PAGES.iter().find(|(name, ..)| *name == path);
    let known = page.map(|(name, ..)| *name).or(match path {
        "/healthz" => Some("/healthz"),
        "/api/model" => Some("/api/model"),
        "/metrics" => Some("/metrics"),
        _ => None,
    });
    let Some(name) = known else {
        body::discard(request.into_body()).await;
        let text = "no such page; there are /, /api/classify, /api/model, /healthz and /metrics";
        return ("other", problem(StatusCode::NOT_FOUND, text));
    };
    if !get {
        body::discard(request.into_body()).await;
        return (name, not_allowed("expected GET", "GET, HEAD"));
    }
    let reply = match (page, name) {
        (Some((_, kind, text)), _) => reply(StatusCode::OK, kind, *text),
        (None, "/healthz") => reply(StatusCode::OK, TEXT, "ok\n"),
        (None, "/metrics") => reply(
            StatusCode::OK,
            "text/plain; version=0.0.4; charset=utf-8",
            metrics::page(state),
        ),
        (None, _) => reply(StatusCode::OK, JSON, model(state) + "\n"),
    };
    (name, reply)
}

/// What a visitor may know of the model: nothing of this machine's folders.
fn model(state: &State) -> String {
    let model = state.classifier.model();
    let source = match model.source {
        ModelSource::Embedded => "embedded",
        ModelSource::File(_) => "file",
        ModelSource::Memory => "memory",
    };
    serde_json::json!({
        "schema": crate::output::SCHEMA,
        "name": model.name,
        "architecture": model.manifest.arch,
        "source": source,
        "classes": model.classes,
        "engine": model.engine.to_string(),
        "threads": model.threads,
        "model_bytes": model.model_bytes,
        "accuracy": model.manifest.accuracy,
        "license": model.manifest.license,
        "preprocessing": model.manifest.preprocessing,
        "sure_from": DEFAULT_SURE_FROM,
        "max_upload_bytes": state.config.limits.upload_bytes,
        "max_pixels": state.config.decode.limits.max_pixels,
        "extensions": formats::decoded_extensions()
            .chain(formats::not_decoded_extensions())
            .collect::<Vec<_>>(),
        "formats": formats::DECODED.map(|format| format.to_string()),
        "labels": state.classifier.labels(),
    })
    .to_string()
}

/// Whether the request comes from where it may come from.
///
/// # Errors
/// In words, when it does not.
fn allowed<B>(state: &State, request: &Request<B>) -> Result<(), String> {
    let text = |name| {
        let value = request.headers().get(name);
        value.map(|value| String::from_utf8_lossy(value.as_bytes()))
    };
    let host = text(header::HOST).unwrap_or_default();
    if state.loopback && !is_loopback(&host) {
        let got = if host.is_empty() { "none" } else { &*host };
        return Err(format!(
            "expected a Host header that names this machine, as localhost does, got {got}; \
             only this machine may use the service"
        ));
    }
    let Some(origin) = text(header::ORIGIN) else {
        return Ok(());
    };
    // A proxy may speak TLS to the browser and plain HTTP to this service.
    let own = ["http://", "https://"].map(|scheme| origin.strip_prefix(scheme));
    if !host.is_empty() && own.contains(&Some(&*host)) {
        return Ok(());
    }
    Err(format!(
        "expected the Origin of the service's own page, http://{host}, got '{origin}'; \
         other web pages may not use the service"
    ))
}

/// Whether a `Host` header names this machine, with or without a port.
fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

pub(super) fn reply(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Full::new(body.into()));
    *reply.status_mut() = status;
    reply
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    reply
}

/// 503, with when to come again.
pub(super) fn busy(body: String) -> Reply {
    let mut reply = reply(StatusCode::SERVICE_UNAVAILABLE, JSON, body);
    reply
        .headers_mut()
        .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    reply
}

fn not_allowed(text: &str, methods: &'static str) -> Reply {
    let mut reply = problem(StatusCode::METHOD_NOT_ALLOWED, text);
    reply
        .headers_mut()
        .insert(header::ALLOW, HeaderValue::from_static(methods));
    reply
}

pub(super) fn problem(status: StatusCode, error: &str) -> Reply {
    reply(status, JSON, error_body(error))
}

/// The body of every answer that is none.
pub(super) fn error_body(error: &str) -> String {
    serde_json::json!({ "schema": crate::output::SCHEMA, "error": error }).to_string() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_this_machine_only() {
        for host in [
            "localhost",
            "LOCALHOST:8750",
            "127.0.0.1:1",
            "127.9.9.9",
            "[::1]:8750",
            "[::1]",
        ] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "localhost.evil.example:80",
            "10.0.0.1",
            "127.0.0.1.evil.example",
            "[fe80::1]",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
