//! One request, one answer.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use image_data::decode::decode;
use inference::RgbImage;
use inference::stream::Outcome;
use percent_encoding::percent_decode_str;
use tokio::time::timeout;

use super::State;
use crate::args::{AnswerArgs, fraction};
use crate::output::{Shown, answer_object, failure_object};

type Reply = Response<Full<Bytes>>;

const PAGE: &str = include_str!("page.html");
const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/json";

/// The page may run its own script and show dropped images, and nothing else.
const POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src blob: data:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Classes shown when the request does not say.
const DEFAULT_TOP_K: usize = 5;

pub(super) async fn answer(
    state: Arc<State>,
    request: Request<Incoming>,
) -> Result<Reply, Infallible> {
    let mut reply = if allowed(&state, &request) {
        route(&state, request).await
    } else {
        problem(
            StatusCode::FORBIDDEN,
            "this service answers only its own page and programs on this machine",
        )
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
    Ok(reply)
}

async fn route(state: &Arc<State>, request: Request<Incoming>) -> Reply {
    let path = request.uri().path().to_owned();
    match (request.method(), path.as_str()) {
        (&Method::GET, "/") => reply(StatusCode::OK, HTML, PAGE),
        (&Method::GET, "/healthz") => reply(StatusCode::OK, "text/plain", "ok\n"),
        (&Method::GET, "/api/model") => match serde_json::to_string(state.classifier.model()) {
            Ok(text) => reply(StatusCode::OK, JSON, text),
            Err(error) => problem(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
        },
        (&Method::POST, "/api/classify") => classify(state, request).await,
        (_, "/" | "/healthz" | "/api/model") => {
            let mut reply = problem(StatusCode::METHOD_NOT_ALLOWED, "expected GET");
            reply
                .headers_mut()
                .insert(header::ALLOW, HeaderValue::from_static("GET"));
            reply
        }
        (_, "/api/classify") => {
            let mut reply = problem(
                StatusCode::METHOD_NOT_ALLOWED,
                "expected POST with an image file as body",
            );
            reply
                .headers_mut()
                .insert(header::ALLOW, HeaderValue::from_static("POST"));
            reply
        }
        _ => problem(
            StatusCode::NOT_FOUND,
            "no such page; there are /, /api/classify, /api/model and /healthz",
        ),
    }
}

async fn classify(state: &Arc<State>, request: Request<Incoming>) -> Reply {
    let query = match Query::parse(request.uri().query().unwrap_or_default()) {
        Ok(query) => query,
        Err(error) => return problem(StatusCode::BAD_REQUEST, &error),
    };
    let limits = &state.limits;
    let too_large = || {
        let text = format!(
            "expected an image file of at most {} bytes",
            limits.upload_bytes
        );
        failure(StatusCode::PAYLOAD_TOO_LARGE, &query.name, &text)
    };
    let announced = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok());
    if announced
        .and_then(|length| length.parse::<u64>().ok())
        .is_some_and(|n| n > limits.upload_bytes as u64)
    {
        return too_large();
    }
    let body = Limited::new(request.into_body(), limits.upload_bytes).collect();
    let bytes = match timeout(limits.timeout, body).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => return too_large(),
        Ok(Err(_)) => return failure(StatusCode::BAD_REQUEST, &query.name, "the upload broke off"),
        Err(_) => {
            return failure(
                StatusCode::REQUEST_TIMEOUT,
                &query.name,
                "the upload took too long",
            );
        }
    };
    let waited = timeout(limits.timeout, Arc::clone(&state.work).acquire_owned()).await;
    let Ok(Ok(place)) = waited else {
        return failure(
            StatusCode::SERVICE_UNAVAILABLE,
            &query.name,
            "too many images in work; try again",
        );
    };
    let shared = Arc::clone(state);
    let asked = query.clone();
    // The place in the work goes with the work: an answer that came too late still counts until it is done.
    let work = tokio::task::spawn_blocking(move || {
        let reply = work(&shared, &asked, &bytes);
        drop(place);
        reply
    });
    match timeout(limits.timeout, work).await {
        Ok(Ok(reply)) => reply,
        Ok(Err(_)) => failure(
            StatusCode::INTERNAL_SERVER_ERROR,
            &query.name,
            "the classifier failed",
        ),
        Err(_) => failure(
            StatusCode::GATEWAY_TIMEOUT,
            &query.name,
            "the image took too long",
        ),
    }
}

fn work(state: &State, query: &Query, bytes: &[u8]) -> Reply {
    let image = match decode(bytes, &state.decode) {
        Ok(image) => image,
        Err(error) => {
            return failure(
                StatusCode::UNPROCESSABLE_ENTITY,
                &query.name,
                &error.to_string(),
            );
        }
    };
    match outcome(state, &image, query.top_k) {
        Ok(outcome) => {
            let mut words = state.words.clone();
            words.at_least = query.at_least.unwrap_or(words.at_least);
            let args = AnswerArgs {
                words,
                ..AnswerArgs::default()
            };
            let shown = Shown::new(&query.name, &state.classifier, &outcome, &args);
            match answer_object(&shown) {
                Ok(text) => reply(StatusCode::OK, JSON, text + "\n"),
                Err(error) => failure(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    &query.name,
                    &error.to_string(),
                ),
            }
        }
        Err(error) => failure(
            StatusCode::INTERNAL_SERVER_ERROR,
            &query.name,
            &error.to_string(),
        ),
    }
}

fn outcome(state: &State, image: &RgbImage, top_k: usize) -> Result<Outcome, inference::Error> {
    let output = state.classifier.logits(image)?;
    Ok(Outcome {
        predictions: state.classifier.answer(&output, top_k)?,
        probabilities: state.classifier.probabilities(&output),
        output,
        size: [image.width, image.height],
        input: None,
        decode_time: std::time::Duration::ZERO,
        preprocess_time: std::time::Duration::ZERO,
    })
}

/// Whether the request comes from where it may come from.
fn allowed<B>(state: &State, request: &Request<B>) -> bool {
    let text = |name| {
        request
            .headers()
            .get(name)
            .and_then(|value: &HeaderValue| value.to_str().ok())
    };
    let host = text(header::HOST);
    if state.loopback && !host.is_some_and(is_loopback) {
        return false;
    }
    match (request.headers().get(header::ORIGIN), host) {
        (None, _) => true,
        (Some(origin), Some(host)) => origin
            .to_str()
            .is_ok_and(|origin| origin == format!("http://{host}")),
        (Some(_), None) => false,
    }
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

/// What a request may ask for.
#[derive(Clone, Debug, PartialEq)]
struct Query {
    top_k: usize,
    /// In place of the service's own `--at-least`.
    at_least: Option<f32>,
    name: String,
}

impl Query {
    fn parse(text: &str) -> Result<Self, String> {
        let mut query = Self {
            top_k: DEFAULT_TOP_K,
            at_least: None,
            name: "upload".to_owned(),
        };
        for part in text.split('&').filter(|part| !part.is_empty()) {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            match key {
                "topk" => {
                    query.top_k = value.parse().ok().filter(|k| *k > 0).ok_or_else(|| {
                        format!("topk: expected a whole number from 1, got '{value}'")
                    })?;
                }
                "at_least" => {
                    let value = fraction(value).map_err(|error| format!("at_least: {error}"))?;
                    query.at_least = Some(value);
                }
                "name" => query.name = percent_decode_str(value).decode_utf8_lossy().into_owned(),
                other => return Err(format!("expected topk, at_least or name, got '{other}'")),
            }
        }
        Ok(query)
    }
}

fn reply(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Full::new(body.into()));
    *reply.status_mut() = status;
    reply
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    reply
}

fn failure(status: StatusCode, name: &str, error: &str) -> Reply {
    let text = failure_object(name, error).unwrap_or_default();
    reply(status, JSON, text + "\n")
}

fn problem(status: StatusCode, error: &str) -> Reply {
    let text = serde_json::json!({ "schema": crate::output::SCHEMA, "error": error }).to_string();
    reply(status, JSON, text + "\n")
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

    #[test]
    fn queries_are_checked() {
        let query = Query::parse("topk=3&name=a%20b%26.jpg").unwrap();
        assert_eq!(
            query,
            Query {
                top_k: 3,
                at_least: None,
                name: "a b&.jpg".into()
            }
        );
        assert_eq!(Query::parse("").unwrap().top_k, DEFAULT_TOP_K);
        assert_eq!(Query::parse("at_least=0.5").unwrap().at_least, Some(0.5));
        assert!(Query::parse("at_least=2").is_err());
        assert!(Query::parse("topk=0").is_err() && Query::parse("k=1").is_err());
    }
}
