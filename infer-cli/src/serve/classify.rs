//! `POST /api/classify`: the image file as body, or a form with one or several of them.

use std::sync::{Arc, PoisonError};
use std::time::Instant;

use hyper::body::Incoming;
use hyper::header;
use hyper::{Request, StatusCode};
use image_data::decode::decode_full;
use inference::stream::Outcome;
use tokio::time::timeout;

use super::answer::{JSON, Reply, busy, error_body, problem, reply};
use super::body::{self, BodyError};
use super::metrics::Metrics;
use super::query::Query;
use super::{State, multipart};
use crate::args::AnswerArgs;
use crate::output::{FailureReason, Named, Shown, answer_object, failure_object};

/// What an image without a name is called.
const NAMELESS: &str = "upload";

pub(super) async fn classify(state: &Arc<State>, request: Request<Incoming>) -> Reply {
    let mut query = match Query::parse(request.uri().query().unwrap_or_default()) {
        Ok(query) => query,
        Err(error) => {
            body::discard(request.into_body()).await;
            return problem(StatusCode::BAD_REQUEST, &error);
        }
    };
    let header = |name| {
        request
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    let boundary = header(header::CONTENT_TYPE).and_then(multipart::boundary);
    let announced = header(header::CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
    let waits = header(header::EXPECT).is_some();
    let too_large = announced.is_some_and(|n| n > state.config.limits.upload_bytes as u64);
    let upload = if too_large {
        // Who waits for a word before it sends has sent nothing that must be read.
        if !waits {
            body::discard(request.into_body()).await;
        }
        Err(BodyError::TooLarge)
    } else {
        body::read(state, request.into_body()).await
    };
    let upload = match upload {
        Ok(upload) => upload,
        Err(error) => return refused(state, error),
    };
    let Some(boundary) = boundary else {
        let name = query.name.take().unwrap_or_else(|| NAMELESS.to_owned());
        let upload = Arc::new(upload);
        let length = upload.bytes.len();
        let (status, text) = one(state, &query, name, &upload, 0..length).await;
        return finished(status, text + "\n");
    };
    let bytes = &upload.bytes;
    let parts = match boundary.and_then(|boundary| multipart::parse(bytes, &boundary)) {
        Ok(parts) => parts,
        Err(error) => return problem(StatusCode::BAD_REQUEST, &error),
    };
    let mut images = Vec::new();
    for part in parts {
        match part.file {
            Some(file) => {
                // The part as a range of the upload: it goes to another thread without a copy.
                let start = part.content.as_ptr() as usize - bytes.as_ptr() as usize;
                images.push((file, start..start + part.content.len()));
            }
            None => {
                let value = String::from_utf8_lossy(part.content);
                if let Err(error) = query.set(&part.field, value.trim()) {
                    let hint = "a photo is a field with a file name, as of curl -F file=@photo.jpg";
                    return problem(StatusCode::BAD_REQUEST, &format!("{error}; {hint}"));
                }
            }
        }
    }
    let upload = Arc::new(upload);
    match images.len() {
        0 => problem(
            StatusCode::BAD_REQUEST,
            "expected an image file in the form, as `curl -F file=@photo.jpg` sends it",
        ),
        1 => {
            let (file, range) = images.remove(0);
            let name = query.name.take().unwrap_or(file);
            let (status, text) = one(state, &query, name, &upload, range).await;
            finished(status, text + "\n")
        }
        _ => {
            let mut texts = Vec::with_capacity(images.len());
            let mut best = StatusCode::UNPROCESSABLE_ENTITY;
            for (file, range) in images {
                let (status, text) = one(state, &query, file, &upload, range).await;
                if status == StatusCode::OK {
                    best = status;
                }
                texts.push(text);
            }
            reply(best, JSON, format!("[{}]\n", texts.join(",\n")))
        }
    }
}

fn finished(status: StatusCode, text: String) -> Reply {
    if status == StatusCode::SERVICE_UNAVAILABLE {
        busy(text)
    } else {
        reply(status, JSON, text)
    }
}

fn refused(state: &State, error: BodyError) -> Reply {
    match error {
        BodyError::TooLarge => problem(
            StatusCode::PAYLOAD_TOO_LARGE,
            &format!(
                "expected at most {} MiB in one request",
                state.config.limits.upload_bytes >> 20
            ),
        ),
        BodyError::BrokeOff => problem(StatusCode::BAD_REQUEST, "the upload broke off"),
        BodyError::TooSlow => problem(StatusCode::REQUEST_TIMEOUT, "the upload took too long"),
        BodyError::NoRoom => busy(error_body("too many images in work; try again")),
    }
}

/// Classifies one image of an upload: status and object.
async fn one(
    state: &Arc<State>,
    query: &Query,
    name: String,
    upload: &Arc<body::Upload>,
    range: std::ops::Range<usize>,
) -> (StatusCode, String) {
    let time = state.config.limits.timeout;
    let failed = |status, error: &str| {
        Metrics::count(&state.metrics.failed);
        (status, failure(&name, error, None))
    };
    let Ok(Ok(place)) = timeout(time, Arc::clone(&state.work).acquire_owned()).await else {
        return failed(
            StatusCode::SERVICE_UNAVAILABLE,
            "too many images in work; try again",
        );
    };
    let (shared, upload, query, called) = (
        Arc::clone(state),
        Arc::clone(upload),
        query.clone(),
        name.clone(),
    );
    // The place goes with the work: an answer that came too late still counts until it is done.
    let work = tokio::task::spawn_blocking(move || {
        let answer = work(&shared, &query, &called, &upload.bytes[range]);
        drop(place);
        answer
    });
    match timeout(time, work).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) => failed(StatusCode::INTERNAL_SERVER_ERROR, "the classifier failed"),
        Err(_) => failed(StatusCode::GATEWAY_TIMEOUT, "the image took too long"),
    }
}

fn failure(name: &str, error: &str, code: Option<&'static str>) -> String {
    failure_object(Named::text(name), FailureReason { error, code }).unwrap_or_default()
}

fn work(state: &State, query: &Query, name: &str, bytes: &[u8]) -> (StatusCode, String) {
    use model_core::diagnostic::Diagnose;
    let metrics = &state.metrics;
    let start = Instant::now();
    let decoded = decode_full(bytes, &state.config.decode);
    Metrics::time(&metrics.decode_micros, start.elapsed());
    let outcome = match decoded {
        Ok(decoded) => {
            let start = Instant::now();
            let alone = state.network.lock().unwrap_or_else(PoisonError::into_inner);
            let outcome = state.classifier.classify_decoded(decoded, query.top_k);
            drop(alone);
            Metrics::time(&metrics.network_micros, start.elapsed());
            outcome
        }
        Err(error) => {
            Metrics::count(&metrics.failed);
            let text = failure(name, &error.to_string(), Some(error.code()));
            return (StatusCode::UNPROCESSABLE_ENTITY, text);
        }
    };
    let answered = outcome.map(|outcome| object(state, query, name, &outcome));
    match answered {
        Ok(Ok(text)) => {
            Metrics::count(&metrics.answered);
            (StatusCode::OK, text)
        }
        Ok(Err(error)) => {
            Metrics::count(&metrics.failed);
            (
                StatusCode::INTERNAL_SERVER_ERROR,
                failure(name, &error.to_string(), None),
            )
        }
        Err(error) => {
            Metrics::count(&metrics.failed);
            (
                StatusCode::INTERNAL_SERVER_ERROR,
                failure(name, &error.to_string(), None),
            )
        }
    }
}

fn object(
    state: &State,
    query: &Query,
    name: &str,
    outcome: &Outcome,
) -> serde_json::Result<String> {
    if outcome.damage.is_some() {
        Metrics::count(&state.metrics.damaged);
    }
    let mut words = state.config.words.clone();
    words.at_least = query.at_least.unwrap_or(words.at_least);
    let args = AnswerArgs {
        words,
        abstain: query.abstain,
        ..AnswerArgs::default()
    };
    let named = Named::text(name);
    answer_object(&Shown::new(named, &state.classifier, outcome, &args))
}
