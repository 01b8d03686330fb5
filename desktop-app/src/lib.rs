//! The drag-and-drop classifier: drop a photo, know what it is.
//!
//! The window is this library; the binary only reads its arguments and calls [`run()`]. So the window is tested without a screen.
//!
//! | module | idea |
//! |---|---|
//! | [`ui`] | the window: state, views, keyboard |
//! | [`session`], [`view`] | the list of photos: add, remove, stop, go on; which of them are shown, in which order |
//! | [`worker`] | threads: read photos, ask the network, open models |
//! | [`intake`] | dropped, pasted or typed things to files |
//! | [`desk`] | file dialogs and clipboard, off the window's thread |
//! | [`platform`] | X11, Wayland, XWayland; our own XDND drop target |
//! | [`classify`], [`engine`] | what the window needs of a classifier, and the real one |
//! | [`records`], [`settings`] | export, and what is remembered |
//! | [`theme`], [`pictures`], [`samples`] | how it looks |
//! | [`frames`] | how long frames take, written down when asked for |
//!
//! Not here: decoding, preprocessing, networks. They are in `image-data`, `model-core` and `inference`, as for `infer-cli`.

pub mod classify;
pub mod cli;
pub mod desk;
pub mod engine;
pub mod frames;
pub mod heat;
pub mod intake;
pub mod photo;
pub mod pictures;
pub mod platform;
pub mod read;
pub mod records;
pub mod run;
pub mod samples;
pub mod session;
pub mod settings;
pub mod theme;
pub mod ui;
pub mod view;
pub mod worker;

pub use run::run;
