//! The drag-and-drop classifier: drop a photo, know what it is.
//!
//! The window is this library; the binary only reads its arguments and calls [`run()`]. So the window is tested
//! without a screen.
//!
//! | module | idea |
//! |---|---|
//! | [`ui`] | the window: state, views, dialogs, keyboard |
//! | [`photo`], [`photo_list`], [`view`] | the list of photos: add, remove, undo, stop, go on; which of them are shown, in which order |
//! | [`content`] | which content of a file an answer belongs to |
//! | [`worker`], [`read`] | threads: read photos, ask the network, open models |
//! | [`teach`] | classes of one's own: the board of photos, and the threads that learn |
//! | [`scan`], [`paths`] | dropped, pasted or typed things to files |
//! | [`desktop`], [`file_dialog`], [`clipboard`] | file dialogs, clipboard and file manager, off the window's thread |
//! | [`platform`] | X11, Wayland, XWayland; our own drop target and clipboard reader |
//! | [`classify`], [`engine`], [`heat_map`] | what the window needs of a classifier, and the real one |
//! | [`problem`] | what went wrong, in words that can be followed here |
//! | [`export`] | answers as CSV, JSON lines and text |
//! | [`settings`], [`settings_store`], [`path_text`] | what is remembered, and how |
//! | [`sorting`] | photos into folders, labels into keywords |
//! | [`theme`], [`thumbnails`], [`samples`] | how it looks |
//! | [`frames`] | how long frames take, written down when asked for |
//!
//! Not here: decoding, preprocessing, networks. They are in `image-data`, `model-core` and `inference`, as for
//! `infer-cli`.

pub mod classify;
pub mod cli;
pub mod clipboard;
pub mod content;
pub mod desktop;
pub mod engine;
pub mod export;
pub mod file_dialog;
pub mod frames;
pub mod heat_map;
pub mod path_text;
pub mod paths;
pub mod photo;
pub mod photo_list;
pub mod platform;
pub mod problem;
pub mod read;
pub mod run;
pub mod samples;
pub mod scan;
pub mod settings;
pub mod settings_store;
pub mod sorting;
pub mod teach;
pub mod theme;
pub mod thumbnails;
pub mod ui;
pub mod view;
pub mod worker;

pub use run::run;
