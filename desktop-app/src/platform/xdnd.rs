//! Our own XDND drop target, over a second X connection.
//!
//! winit's drops a whole drag when one entry is no local file, and says nothing. The protocol has a door for this: a
//! window may name a proxy (`XdndProxy`), and sources then talk to the proxy. Ours is an unmapped window of this
//! connection; it takes `text/uri-list` entry by entry, keeps the files and names the rest. Sources that ignore
//! proxies still reach winit's target. Protocol: <https://www.freedesktop.org/wiki/Specifications/XDND/>, version 5.

use std::sync::mpsc::Sender;

use x11rb::connection::Connection as _;
use x11rb::protocol::Event;
use x11rb::protocol::xproto::{
    Atom, AtomEnum, ChangeWindowAttributesAux, ClientMessageEvent, ConnectionExt as _,
    CreateWindowAux, EventMask, PropMode, Property, Window, WindowClass,
};
use x11rb::rust_connection::{ReplyError, RustConnection};
use x11rb::wrapper::ConnectionExt as _;
use x11rb::{COPY_DEPTH_FROM_PARENT, COPY_FROM_PARENT, CURRENT_TIME};

use super::DropEvent;
use crate::paths::parse_uri_list;

const XDND_VERSION: u32 = 5;

/// A list of more bytes than this is refused: 64 MiB hold about a million paths.
const MAX_LIST_BYTES: usize = 64 << 20;

x11rb::atom_manager! {
    /// The names XDND speaks in.
    Atoms: AtomsCookie {
        XdndAware, XdndProxy, XdndEnter, XdndPosition, XdndStatus, XdndLeave, XdndDrop, XdndFinished,
        XdndSelection, XdndTypeList, XdndActionCopy, INCR,
        UriList: b"text/uri-list",
        Transfer: b"_RESNET50_TOOLKIT_DROP",
    }
}

/// Puts the target on `window`; a thread serves it until the process ends.
pub(super) fn attach(
    window: Window,
    send: Sender<DropEvent>,
    wake: impl Fn() + Send + 'static,
) -> Result<(), String> {
    let failed =
        |error: &dyn std::fmt::Display| format!("the X server refused a drop target ({error})");
    let (connection, screen) = x11rb::connect(None).map_err(|error| failed(&error))?;
    let mut target = Target::new(connection, screen, window).map_err(|error| failed(&error))?;
    std::thread::Builder::new()
        .name("drops".into())
        .spawn(move || {
            // The connection ends with the X server or with the window; either way there is nothing left to drop on.
            while let Ok(event) = target.connection.wait_for_event() {
                match target.handle(&event) {
                    Ok(events) => {
                        for event in events {
                            if send.send(event).is_err() {
                                return;
                            }
                            wake();
                        }
                    }
                    Err(ReplyError::ConnectionError(_)) => return,
                    // The source went away in the middle; wait for the next one.
                    Err(ReplyError::X11Error(_)) => target.reset(),
                }
            }
        })
        .map(drop)
        .map_err(|error| failed(&error))
}

/// A drag under way.
#[derive(Default)]
struct Drag {
    source: Window,
    has_files: bool,
    /// The list was asked for.
    requested: bool,
    /// Bytes of a list that comes in pieces.
    pieces: Option<Vec<u8>>,
    list: Option<Vec<u8>>,
    dropped: bool,
}

struct Target {
    connection: RustConnection,
    atoms: Atoms,
    root: Window,
    window: Window,
    proxy: Window,
    drag: Option<Drag>,
}

impl Target {
    fn new(
        connection: RustConnection,
        screen: usize,
        window: Window,
    ) -> Result<Self, Box<dyn std::error::Error>> {
        let atoms = Atoms::new(&connection)?.reply()?;
        let root = connection.setup().roots[screen].root;
        let proxy = connection.generate_id()?;
        let looks = CreateWindowAux::new()
            .event_mask(EventMask::PROPERTY_CHANGE)
            .override_redirect(1);
        connection.create_window(
            COPY_DEPTH_FROM_PARENT,
            proxy,
            root,
            -10,
            -10,
            1,
            1,
            0,
            WindowClass::INPUT_OUTPUT,
            COPY_FROM_PARENT,
            &looks,
        )?;
        connection.change_window_attributes(
            window,
            &ChangeWindowAttributesAux::new().event_mask(EventMask::STRUCTURE_NOTIFY),
        )?;
        // Valid only when the proxy names itself too.
        for place in [proxy, window] {
            connection.change_property32(
                PropMode::REPLACE,
                place,
                atoms.XdndProxy,
                AtomEnum::WINDOW,
                &[proxy],
            )?;
            connection.change_property32(
                PropMode::REPLACE,
                place,
                atoms.XdndAware,
                AtomEnum::ATOM,
                &[XDND_VERSION],
            )?;
        }
        connection.flush()?;
        Ok(Self {
            connection,
            atoms,
            root,
            window,
            proxy,
            drag: None,
        })
    }

    fn reset(&mut self) {
        self.drag = None;
    }

    fn handle(&mut self, event: &Event) -> Result<Vec<DropEvent>, ReplyError> {
        match event {
            Event::ClientMessage(message) => self.message(message),
            Event::SelectionNotify(notify) if notify.selection == self.atoms.XdndSelection => {
                if notify.property == x11rb::NONE {
                    self.take_list(Vec::new())
                } else {
                    self.fetch()
                }
            }
            Event::PropertyNotify(notify)
                if notify.window == self.proxy
                    && notify.atom == self.atoms.Transfer
                    && notify.state == Property::NEW_VALUE
                    && self.drag.as_ref().is_some_and(|drag| drag.pieces.is_some()) =>
            {
                self.fetch()
            }
            _ => Ok(Vec::new()),
        }
    }

    fn message(&mut self, message: &ClientMessageEvent) -> Result<Vec<DropEvent>, ReplyError> {
        let data = message.data.as_data32();
        let kind = message.type_;
        if kind == self.atoms.XdndEnter {
            let has_files = self.offered(&data)?.contains(&self.atoms.UriList);
            self.drag = Some(Drag {
                source: data[0],
                has_files,
                ..Drag::default()
            });
            return Ok(if has_files {
                vec![DropEvent::Hover(None)]
            } else {
                Vec::new()
            });
        }
        if self.drag.as_ref().is_none_or(|drag| drag.source != data[0]) {
            return Ok(Vec::new());
        }
        if kind == self.atoms.XdndPosition {
            self.request_list(data[3])?;
            self.status()?;
            return self.place(data[2]);
        } else if kind == self.atoms.XdndLeave {
            self.reset();
            return Ok(vec![DropEvent::Leave]);
        } else if kind == self.atoms.XdndDrop {
            self.request_list(data[2])?;
            if let Some(drag) = &mut self.drag {
                drag.dropped = true;
            }
            return self.finish();
        }
        Ok(Vec::new())
    }

    /// Where a drag is in the window; `packed` holds the place on the screen, x in the upper half.
    fn place(&self, packed: u32) -> Result<Vec<DropEvent>, ReplyError> {
        let [x, y] = [packed >> 16, packed & 0xFFFF].map(|half| half as i16);
        let place = self
            .connection
            .translate_coordinates(self.root, self.window, x, y)?
            .reply()?;
        let place = [i32::from(place.dst_x), i32::from(place.dst_y)];
        Ok(vec![DropEvent::Over(place)])
    }

    /// The types the source offers: three in the message, or a list on its window.
    fn offered(&self, data: &[u32; 5]) -> Result<Vec<Atom>, ReplyError> {
        if data[1] & 1 == 0 {
            return Ok(data[2..].to_vec());
        }
        let list = self
            .connection
            .get_property(
                false,
                data[0],
                self.atoms.XdndTypeList,
                AtomEnum::ATOM,
                0,
                1024,
            )?
            .reply()?;
        Ok(list.value32().map(Iterator::collect).unwrap_or_default())
    }

    /// Asks for the list once; while hovering already, so that the window can say how many files there are.
    fn request_list(&mut self, time: u32) -> Result<(), ReplyError> {
        let Some(drag) = self
            .drag
            .as_mut()
            .filter(|drag| drag.has_files && !drag.requested)
        else {
            return Ok(());
        };
        drag.requested = true;
        let time = if time == 0 { CURRENT_TIME } else { time };
        self.connection.convert_selection(
            self.proxy,
            self.atoms.XdndSelection,
            self.atoms.UriList,
            self.atoms.Transfer,
            time,
        )?;
        Ok(self.connection.flush()?)
    }

    /// Takes what the source put on our window; large lists come in pieces (ICCCM 2.7.2, INCR).
    fn fetch(&mut self) -> Result<Vec<DropEvent>, ReplyError> {
        let most = u32::try_from(MAX_LIST_BYTES / 4).unwrap_or(u32::MAX);
        let reply = self
            .connection
            .get_property(
                true,
                self.proxy,
                self.atoms.Transfer,
                AtomEnum::ANY,
                0,
                most,
            )?
            .reply()?;
        let Some(drag) = &mut self.drag else {
            return Ok(Vec::new());
        };
        if reply.type_ == self.atoms.INCR {
            drag.pieces = Some(Vec::new());
            return Ok(Vec::new());
        }
        match &mut drag.pieces {
            None => self.take_list(reply.value),
            Some(pieces) if reply.value.is_empty() || pieces.len() > MAX_LIST_BYTES => {
                let whole = std::mem::take(pieces);
                drag.pieces = None;
                self.take_list(whole)
            }
            Some(pieces) => {
                pieces.extend_from_slice(&reply.value);
                Ok(Vec::new())
            }
        }
    }

    fn take_list(&mut self, list: Vec<u8>) -> Result<Vec<DropEvent>, ReplyError> {
        let Some(drag) = &mut self.drag else {
            return Ok(Vec::new());
        };
        let files = parse_uri_list(&list).0.len();
        drag.list = Some(list);
        let mut events = self.finish()?;
        if events.is_empty() {
            events.push(DropEvent::Hover(Some(files)));
        }
        Ok(events)
    }

    /// Ends the drag when it was dropped and its list is here.
    fn finish(&mut self) -> Result<Vec<DropEvent>, ReplyError> {
        let ready = self
            .drag
            .as_ref()
            .is_some_and(|drag| drag.dropped && (drag.list.is_some() || !drag.has_files));
        if !ready {
            return Ok(Vec::new());
        }
        let Some(drag) = self.drag.take() else {
            return Ok(Vec::new());
        };
        let taken = drag.list.is_some();
        let action = if taken {
            self.atoms.XdndActionCopy
        } else {
            x11rb::NONE
        };
        self.send_message(
            drag.source,
            self.atoms.XdndFinished,
            [self.window, u32::from(taken), action, 0, 0],
        )?;
        let Some(list) = drag.list else {
            return Ok(vec![DropEvent::Leave]);
        };
        let (paths, refused) = parse_uri_list(&list);
        Ok(vec![DropEvent::Drop(paths, refused)])
    }

    fn status(&self) -> Result<(), ReplyError> {
        let Some(drag) = &self.drag else {
            return Ok(());
        };
        let action = if drag.has_files {
            self.atoms.XdndActionCopy
        } else {
            x11rb::NONE
        };
        // 2: go on telling positions, so that a source never thinks we sleep.
        let accept = u32::from(drag.has_files) | 2;
        self.send_message(
            drag.source,
            self.atoms.XdndStatus,
            [self.window, accept, 0, 0, action],
        )
    }

    fn send_message(&self, to: Window, kind: Atom, data: [u32; 5]) -> Result<(), ReplyError> {
        let message = ClientMessageEvent::new(32, to, kind, data);
        self.connection
            .send_event(false, to, EventMask::NO_EVENT, message)?;
        Ok(self.connection.flush()?)
    }
}
