//! Reads the X11 clipboard (ICCCM 2): files, a picture in the format it is offered in, or text that names files.
//!
//! Programs encode a picture only when it is asked for, which takes seconds for a large one. `arboard` gives up after
//! four and cannot say so; this reader waits, and tells a program that does not answer from an empty clipboard.
//! Pictures are taken as the files they are offered as, so nothing is decoded and encoded again.

use std::time::{Duration, Instant};

use x11rb::connection::Connection as _;
use x11rb::protocol::Event;
use x11rb::protocol::xproto::{
    Atom, AtomEnum, ConnectionExt as _, CreateWindowAux, EventMask, Property, SelectionNotifyEvent,
    Window, WindowClass,
};
use x11rb::rust_connection::{ReplyOrIdError, RustConnection};
use x11rb::{COPY_DEPTH_FROM_PARENT, COPY_FROM_PARENT, CURRENT_TIME, NONE};

use crate::desktop::{ClipboardContent, ClipboardProblem};
use crate::paths::{parse_uri_list, paths_in_text};

/// A program that says within this time what it offers is alive.
const OFFER_PATIENCE: Duration = Duration::from_secs(8);
/// Encoding a picture of a hundred megapixels takes this long on a slow computer.
const CONTENT_PATIENCE: Duration = Duration::from_secs(60);
/// Between two pieces of a large content.
const PIECE_PATIENCE: Duration = Duration::from_secs(15);
/// More bytes than this are refused: the limit of a picture file.
const MAX_BYTES: usize = 512 << 20;
/// Bytes of one property read at once, in units of four.
const PIECE_UNITS: u32 = 1 << 22;

x11rb::atom_manager! {
    Atoms: AtomsCookie {
        CLIPBOARD, TARGETS, INCR, UTF8_STRING, STRING,
        GnomeFiles: b"x-special/gnome-copied-files",
        UriList: b"text/uri-list",
        Png: b"image/png",
        Jpeg: b"image/jpeg",
        Webp: b"image/webp",
        Tiff: b"image/tiff",
        Bmp: b"image/bmp",
        Gif: b"image/gif",
        PlainUtf8: b"text/plain;charset=utf-8",
        Plain: b"text/plain",
        Transfer: b"_RESNET50_TOOLKIT_PASTE",
    }
}

/// Reads the clipboard of the display this program runs on; `None` when there is no X server to ask.
pub(super) fn read() -> Option<ClipboardContent> {
    let (connection, screen) = x11rb::connect(None).ok()?;
    let reader = Reader::new(connection, screen).ok()?;
    Some(reader.read().unwrap_or_else(ClipboardContent::Nothing))
}

struct Reader {
    connection: RustConnection,
    atoms: Atoms,
    window: Window,
}

impl Reader {
    fn new(connection: RustConnection, screen: usize) -> Result<Self, ReplyOrIdError> {
        let atoms = Atoms::new(&connection)?.reply()?;
        let root = connection.setup().roots[screen].root;
        let window = connection.generate_id()?;
        connection.create_window(
            COPY_DEPTH_FROM_PARENT,
            window,
            root,
            -10,
            -10,
            1,
            1,
            0,
            WindowClass::INPUT_OUTPUT,
            COPY_FROM_PARENT,
            &CreateWindowAux::new().event_mask(EventMask::PROPERTY_CHANGE),
        )?;
        connection.flush()?;
        Ok(Self {
            connection,
            atoms,
            window,
        })
    }

    fn read(&self) -> Result<ClipboardContent, ClipboardProblem> {
        let owner = self
            .connection
            .get_selection_owner(self.atoms.CLIPBOARD)
            .ok()
            .and_then(|cookie| cookie.reply().ok())
            .ok_or(ClipboardProblem::Unavailable)?;
        if owner.owner == NONE {
            return Err(ClipboardProblem::Empty);
        }
        let offered = self.offered()?;
        let a = &self.atoms;
        let has = |kind: &Atom| offered.contains(kind);
        // Files first: a file manager offers its icon or its name as well.
        for kind in [a.UriList, a.GnomeFiles].into_iter().filter(has) {
            if let Some(list) = self.content(kind, OFFER_PATIENCE)? {
                let (mut files, _) = parse_uri_list(&list);
                if files.is_empty() {
                    files = paths_in_text(&String::from_utf8_lossy(&list));
                }
                if !files.is_empty() {
                    return Ok(ClipboardContent::Files(files));
                }
            }
        }
        let pictures = [a.Png, a.Jpeg, a.Webp, a.Tiff, a.Bmp, a.Gif];
        for kind in pictures.into_iter().filter(has) {
            if let Some(bytes) = self.content(kind, CONTENT_PATIENCE)?
                && !bytes.is_empty()
            {
                return Ok(ClipboardContent::Picture(bytes.into()));
            }
        }
        let texts = [a.UTF8_STRING, a.PlainUtf8, a.Plain, a.STRING];
        for kind in texts.into_iter().filter(has) {
            if let Some(text) = self.content(kind, OFFER_PATIENCE)? {
                let files = paths_in_text(&String::from_utf8_lossy(&text));
                return if files.is_empty() {
                    Err(ClipboardProblem::OnlyText)
                } else {
                    Ok(ClipboardContent::Files(files))
                };
            }
        }
        Err(ClipboardProblem::OtherKind)
    }

    /// The kinds of content the owner can hand over.
    fn offered(&self) -> Result<Vec<Atom>, ClipboardProblem> {
        let bytes = self
            .content(self.atoms.TARGETS, OFFER_PATIENCE)?
            .unwrap_or_default();
        Ok(bytes
            .chunks_exact(4)
            .map(|four| u32::from_ne_bytes([four[0], four[1], four[2], four[3]]))
            .collect())
    }

    /// The content as `kind`; `None` when the owner refuses after all.
    fn content(&self, kind: Atom, patience: Duration) -> Result<Option<Vec<u8>>, ClipboardProblem> {
        let unavailable = |_| ClipboardProblem::Unavailable;
        self.connection
            .convert_selection(
                self.window,
                self.atoms.CLIPBOARD,
                kind,
                self.atoms.Transfer,
                CURRENT_TIME,
            )
            .map_err(unavailable)?;
        self.connection.flush().map_err(unavailable)?;
        let answer = self.wait(patience, |event| match event {
            Event::SelectionNotify(notify) if notify.target == kind => Some(*notify),
            _ => None,
        })?;
        let SelectionNotifyEvent { property, .. } = answer;
        if property == NONE {
            return Ok(None);
        }
        let (kind, first) = self.take_property(property)?;
        if kind != self.atoms.INCR {
            return Ok(Some(first));
        }
        let mut whole = Vec::new();
        loop {
            self.wait(PIECE_PATIENCE, |event| match event {
                Event::PropertyNotify(notify)
                    if notify.atom == property && notify.state == Property::NEW_VALUE =>
                {
                    Some(())
                }
                _ => None,
            })?;
            let (_, piece) = self.take_property(property)?;
            if piece.is_empty() {
                return Ok(Some(whole));
            }
            whole.extend_from_slice(&piece);
            if whole.len() > MAX_BYTES {
                return Err(ClipboardProblem::TooLarge);
            }
        }
    }

    /// Reads a property to its end and deletes it, which asks for the next piece of an INCR transfer.
    fn take_property(&self, property: Atom) -> Result<(Atom, Vec<u8>), ClipboardProblem> {
        let mut whole = Vec::new();
        loop {
            let offset = u32::try_from(whole.len() / 4).map_err(|_| ClipboardProblem::TooLarge)?;
            let reply = self
                .connection
                .get_property(
                    true,
                    self.window,
                    property,
                    AtomEnum::ANY,
                    offset,
                    PIECE_UNITS,
                )
                .ok()
                .and_then(|cookie| cookie.reply().ok())
                .ok_or(ClipboardProblem::Unavailable)?;
            whole.extend_from_slice(&reply.value);
            if whole.len() > MAX_BYTES {
                return Err(ClipboardProblem::TooLarge);
            }
            if reply.bytes_after == 0 {
                return Ok((reply.type_, whole));
            }
        }
    }

    fn wait<T>(
        &self,
        patience: Duration,
        wanted: impl Fn(&Event) -> Option<T>,
    ) -> Result<T, ClipboardProblem> {
        let started = Instant::now();
        loop {
            match self.connection.poll_for_event() {
                Ok(Some(event)) => {
                    if let Some(found) = wanted(&event) {
                        return Ok(found);
                    }
                }
                Ok(None) if started.elapsed() > patience => {
                    return Err(ClipboardProblem::TimedOut(patience));
                }
                Ok(None) => std::thread::sleep(Duration::from_millis(4)),
                Err(_) => return Err(ClipboardProblem::Unavailable),
            }
        }
    }
}
