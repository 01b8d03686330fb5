//! `POST /api/classify`: the image file as body, or a form with one or several of them.

use std::ops::Range;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use hyper::body::Incoming;
use hyper::header;
use hyper::{Request, StatusCode};
use image_data::decode::decode_full;
use inference::stream::Outcome;
use tokio::time::{Instant as Clock, timeout_at};

use super::answer::{JSON, Reply, busy, error_body, problem, reply};
use super::body::{self, BodyError};
use super::metrics::Metrics;
use super::query::Query;
use super::{State, multipart};
use crate::args::AnswerArgs;
use crate::output::{FailureReason, Named, Shown, answer_object, failure_object};

/// What an image without a name is called.
const NAMELESS: &str = "upload";

/// The longest value of an option in a form: it may be part of the answer.
const MAX_VALUE: usize = 4096;

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
        Err(error) => return refused(state, error, announced),
    };
    let Some(boundary) = boundary else {
        let name = query.name.take().unwrap_or_else(|| NAMELESS.to_owned());
        let upload = Arc::new(upload);
        let length = upload.bytes.len();
        let (status, text) = one(state, &query, name, &upload, 0..length).await;
        return finished(status, text + "\n");
    };
    let form = boundary.and_then(|boundary| images_of_form(&upload.bytes, &boundary, &mut query));
    let mut images = match form {
        Ok(images) => images,
        Err(error) => return problem(StatusCode::BAD_REQUEST, &error),
    };
    let upload = Arc::new(upload);
    match images.len() {
        1 => {
            let (file, range) = images.remove(0);
            let name = query.name.take().unwrap_or(file);
            let (status, text) = one(state, &query, name, &upload, range).await;
            finished(status, text + "\n")
        }
        _ => {
            let mut texts = Vec::with_capacity(images.len());
            let mut statuses = Vec::with_capacity(images.len());
            for (file, range) in images {
                let (status, text) = one(state, &query, file, &upload, range).await;
                statuses.push(status);
                texts.push(text);
            }
            finished(of_all(&statuses), format!("[{}]\n", texts.join(",\n")))
        }
    }
}

/// The files of a form, by name and place, at least one; its fields that are options go into the query.
fn images_of_form(
    bytes: &[u8],
    boundary: &str,
    query: &mut Query,
) -> Result<Vec<(String, Range<usize>)>, String> {
    let (mut images, mut others) = (Vec::new(), Vec::new());
    for part in multipart::parse(bytes, boundary)? {
        match part.file {
            // So a browser sends a file input in which nothing was chosen.
            Some(file) if file.is_empty() && part.content.is_empty() => others.push(part.field),
            Some(file) => {
                let name = if file.is_empty() {
                    NAMELESS.to_owned()
                } else {
                    file
                };
                // The part as a range of the upload: it goes to another thread without a copy.
                let start = part.content.as_ptr() as usize - bytes.as_ptr() as usize;
                images.push((name, start..start + part.content.len()));
            }
            None if Query::knows(&part.field) => {
                let (field, length) = (part.field, part.content.len());
                if length > MAX_VALUE {
                    return Err(format!(
                        "{field}: expected at most {MAX_VALUE} bytes, got {length}"
                    ));
                }
                query.set(&field, String::from_utf8_lossy(part.content).trim())?;
            }
            // A button that was pressed, or what else a form has beside its photos.
            None => others.push(part.field),
        }
    }
    if images.is_empty() {
        return Err(no_image(&others));
    }
    Ok(images)
}

fn no_image(fields: &[String]) -> String {
    let shown = fields.iter().take(3);
    let names: Vec<String> = shown
        .map(|field| format!("'{}'", field.chars().take(40).collect::<String>()))
        .collect();
    let got = match fields.len() {
        0 => "none".to_owned(),
        1..=3 => format!("{} without one", names.join(", ")),
        n => format!("{} and {} more without one", names.join(", "), n - 3),
    };
    format!("expected a field with an image file, as `curl -F file=@photo.jpg` sends it, got {got}")
}

/// The status of several photos: one answer is a success. Without any, what is worth another try tells more than a
/// photo that cannot be read.
fn of_all(statuses: &[StatusCode]) -> StatusCode {
    let ok = statuses.iter().find(|status| status.is_success());
    let status = ok.or_else(|| statuses.iter().max());
    status.copied().unwrap_or(StatusCode::UNPROCESSABLE_ENTITY)
}

fn finished(status: StatusCode, text: String) -> Reply {
    if status == StatusCode::SERVICE_UNAVAILABLE {
        busy(text)
    } else {
        reply(status, JSON, text)
    }
}

fn refused(state: &State, error: BodyError, announced: Option<u64>) -> Reply {
    let limits = &state.config.limits;
    match error {
        BodyError::TooLarge => {
            let got = announced.map_or_else(
                || "more".to_owned(),
                |bytes| format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20)),
            );
            problem(
                StatusCode::PAYLOAD_TOO_LARGE,
                &format!(
                    "expected at most {} MiB in one request, got {got}; make the picture smaller, \
                     or start infer-cli serve with a larger --max-upload",
                    limits.upload_bytes >> 20
                ),
            )
        }
        BodyError::BrokeOff => problem(
            StatusCode::BAD_REQUEST,
            "expected the whole upload, but it broke off; send it again",
        ),
        BodyError::TooSlow => problem(
            StatusCode::REQUEST_TIMEOUT,
            &format!(
                "expected the whole upload within {} seconds; send it again, \
                 or start infer-cli serve with a larger --timeout",
                limits.timeout.as_secs()
            ),
        ),
        BodyError::NoRoom => busy(error_body("too many images in work; try again")),
    }
}

/// Classifies one image of an upload: status and object.
async fn one(
    state: &Arc<State>,
    query: &Query,
    name: String,
    upload: &Arc<body::Upload>,
    range: Range<usize>,
) -> (StatusCode, String) {
    let end = Clock::now() + state.config.limits.timeout;
    let failed = |status, error: &str| {
        Metrics::count(&state.metrics.failed);
        (status, failure(&name, error, None))
    };
    let Ok(Ok(place)) = timeout_at(end, Arc::clone(&state.work).acquire_owned()).await else {
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
    match timeout_at(end, work).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) => failed(StatusCode::INTERNAL_SERVER_ERROR, "the classifier failed"),
        Err(_) => failed(
            StatusCode::GATEWAY_TIMEOUT,
            &format!(
                "expected an answer within {} seconds, and the image took longer; make it smaller, \
                 or start infer-cli serve with a larger --timeout",
                state.config.limits.timeout.as_secs()
            ),
        ),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_answer_makes_a_form_a_success() {
        let of = |all: &[u16]| {
            let all: Vec<_> = all
                .iter()
                .map(|status| StatusCode::from_u16(*status).unwrap())
                .collect();
            of_all(&all).as_u16()
        };
        assert_eq!(of(&[422, 200, 503]), 200);
        assert_eq!(of(&[422, 503, 422]), 503);
        assert_eq!(of(&[422, 422]), 422);
    }
}
