//! Reading an upload: room in memory is asked for piece by piece before anything is kept, so that many uploads at once
//! wait instead of filling memory, and a slow one holds no more than it has sent. Uploads that all hold a part of the
//! room could wait for each other for ever, so one at a time has the turn: it is read to its end, whatever its size.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
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

/// An upload in memory; its room, and the turn if it has it, are given back with it.
#[derive(Default)]
pub(super) struct Upload {
    pub bytes: Vec<u8>,
    room: Option<OwnedSemaphorePermit>,
    turn: Option<OwnedSemaphorePermit>,
}

/// What lets an upload go on.
enum More {
    Room(OwnedSemaphorePermit),
    Turn(OwnedSemaphorePermit),
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
        if units(length) > held && upload.turn.is_none() {
            let more = (units(length) - held) as u32;
            match timeout_at(end, more_room(state, more)).await {
                Ok(More::Room(room)) => match &mut upload.room {
                    Some(held) => held.merge(room),
                    none => *none = Some(room),
                },
                Ok(More::Turn(turn)) => upload.turn = Some(turn),
                Err(_) => return Err(BodyError::NoRoom),
            }
            held = units(length);
        }
        upload.bytes.extend_from_slice(&data);
    }
}

/// Waits for room or for the turn, whichever comes first.
async fn more_room(state: &State, units: u32) -> More {
    let mut room = pin!(Arc::clone(&state.room).acquire_many_owned(units));
    let mut turn = pin!(Arc::clone(&state.turn).acquire_owned());
    poll_fn(|context| {
        if let Poll::Ready(Ok(room)) = room.as_mut().poll(context) {
            return Poll::Ready(More::Room(room));
        }
        match turn.as_mut().poll(context) {
            Poll::Ready(Ok(turn)) => Poll::Ready(More::Turn(turn)),
            _ => Poll::Pending,
        }
    })
    .await
}

/// Reads what a client still sends, for a moment, and forgets it: a client that is cut off while it sends sees a reset
/// connection and not the answer.
pub(super) async fn discard(mut body: Incoming) {
    let end = Instant::now() + Duration::from_secs(1);
    while let Ok(Some(Ok(_))) = timeout_at(end, body.frame()).await {}
}
