//! Reading an upload: room in memory is asked for piece by piece before anything is kept, so that many uploads at once
//! wait instead of filling memory, and a slow one holds no more than it has sent.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout_at};

use super::State;

/// What a place in [`State::room`] holds.
pub(super) const UNIT_BYTES: usize = 4 << 10;

/// Whole units for a number of bytes.
pub(super) fn units(bytes: usize) -> usize {
    bytes.div_ceil(UNIT_BYTES)
}

/// An upload in memory; its room is given back with it.
#[derive(Default)]
pub(super) struct Upload {
    pub bytes: Vec<u8>,
    room: Option<OwnedSemaphorePermit>,
}

/// Why there is no upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyError {
    TooLarge,
    BrokeOff,
    TooSlow,
    NoRoom,
}

/// Reads a body to its end.
pub(super) async fn read(state: &State, mut body: Incoming) -> Result<Upload, BodyError> {
    let limits = &state.config.limits;
    let end = Instant::now() + limits.timeout;
    let mut upload = Upload::default();
    let mut held = 0;
    loop {
        let frame = match timeout_at(end, body.frame()).await {
            Err(_) => return Err(BodyError::TooSlow),
            Ok(None) => return Ok(upload),
            Ok(Some(Err(_))) => return Err(BodyError::BrokeOff),
            Ok(Some(Ok(frame))) => frame,
        };
        let Ok(data) = frame.into_data() else {
            continue;
        };
        let length = upload.bytes.len() + data.len();
        if length > limits.upload_bytes {
            upload = Upload::default();
            drop(upload);
            discard(body).await;
            return Err(BodyError::TooLarge);
        }
        if units(length) > held {
            let more = (units(length) - held) as u32;
            let room = Arc::clone(&state.room).acquire_many_owned(more);
            let Ok(Ok(room)) = timeout_at(end, room).await else {
                return Err(BodyError::NoRoom);
            };
            held = units(length);
            match &mut upload.room {
                Some(held) => held.merge(room),
                none => *none = Some(room),
            }
        }
        upload.bytes.extend_from_slice(&data);
    }
}

/// Reads what a client still sends, for a moment, and forgets it: a client that is cut off while it sends sees a reset
/// connection and not the answer.
pub(super) async fn discard(mut body: Incoming) {
    let end = Instant::now() + Duration::from_secs(1);
    while let Ok(Some(Ok(_))) = timeout_at(end, body.frame()).await {}
}
