//! The classifier as a WebAssembly module. This file is the border to JavaScript: numbers and bytes go over it, as
//! WebAssembly has nothing else. Behind it is [`open_model`], which is ordinary Rust and is tested on any machine.
//!
//! A call takes three steps. JavaScript asks [`reserve`] for room and copies a file there; [`open`], [`classify`] or
//! [`explain`] reads it; [`reply`] and [`picture`] say where the answer lies, until the next call. `page/worker.js` is the
//! other side.
//!
//! A module has one thread and one model. Where a decoder panics, the module stops for good, and the page starts another.

pub mod open_model;

use std::sync::{Mutex, MutexGuard, PoisonError};

use open_model::{PageModel, PageReply};

/// What lies between two calls.
struct Desk {
    input: Vec<u8>,
    model: Option<PageModel>,
    reply: PageReply,
}

static DESK: Mutex<Desk> = Mutex::new(Desk {
    input: Vec::new(),
    model: None,
    reply: PageReply::NONE,
});

fn desk() -> MutexGuard<'static, Desk> {
    DESK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Room for a file of `len` bytes, to be filled before the next call.
#[unsafe(no_mangle)]
pub extern "C" fn reserve(len: usize) -> *mut u8 {
    let mut desk = desk();
    desk.input = vec![0; len];
    desk.input.as_mut_ptr()
}

/// Takes the file as the model. It stays, because heat maps are made from it. Returns 1, or 0 with an error as the reply.
#[unsafe(no_mangle)]
pub extern "C" fn open() -> u32 {
    let mut desk = desk();
    let model = std::mem::take(&mut desk.input).leak();
    match PageModel::open(model) {
        Ok((model, reply)) => {
            desk.model = Some(model);
            desk.reply = reply;
            1
        }
        Err(reply) => {
            desk.reply = reply;
            0
        }
    }
}

/// Classifies the file. `side` is the longest side in pixels of the small picture that comes with the answer.
#[unsafe(no_mangle)]
pub extern "C" fn classify(top_k: usize, side: u32) {
    answer(|model, file| model.classify(file, top_k, side));
}

/// Shows which part of the file's picture speaks for a class.
#[unsafe(no_mangle)]
pub extern "C" fn explain(class: usize) {
    answer(|model, file| model.explain(file, class));
}

fn answer(ask: impl FnOnce(&PageModel, &[u8]) -> PageReply) {
    let mut desk = desk();
    let file = std::mem::take(&mut desk.input);
    desk.reply = match &desk.model {
        Some(model) => ask(model, &file),
        None => PageReply::NONE,
    };
}

/// Where the reply lies: JSON in UTF-8.
#[unsafe(no_mangle)]
pub extern "C" fn reply() -> *const u8 {
    desk().reply.json.as_ptr()
}

/// Bytes of the reply.
#[unsafe(no_mangle)]
pub extern "C" fn reply_len() -> usize {
    desk().reply.json.len()
}

/// Where the reply's picture lies: RGBA, row by row.
#[unsafe(no_mangle)]
pub extern "C" fn picture() -> *const u8 {
    desk().reply.rgba.as_ptr()
}

/// Width of the reply's picture in pixels; 0 where there is none.
#[unsafe(no_mangle)]
pub extern "C" fn picture_width() -> u32 {
    desk().reply.size[0]
}

/// Height of the reply's picture in pixels.
#[unsafe(no_mangle)]
pub extern "C" fn picture_height() -> u32 {
    desk().reply.size[1]
}
