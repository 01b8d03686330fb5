//! A message in a plain X11 window: the X server draws the text itself, so it is seen where no renderer works and no
//! dialog program is installed. It closes by its button, by a key, or by the window manager.

use x11rb::connection::Connection as _;
use x11rb::protocol::Event;
use x11rb::protocol::xproto::{
    AtomEnum, ConnectionExt as _, CreateGCAux, CreateWindowAux, EventMask, PropMode, Rectangle,
    WindowClass,
};
use x11rb::wrapper::ConnectionExt as _;
use x11rb::{COPY_DEPTH_FROM_PARENT, COPY_FROM_PARENT};

/// Letters in a line.
const LINE_LENGTH: usize = 68;
const LINE_HEIGHT: i16 = 20;
const MARGIN: i16 = 24;
/// A fixed font that every X server has, and the width of its letters.
const FONT: &[u8] = b"9x15";
const LETTER_WIDTH: i16 = 9;
const BUTTON: (u16, u16) = (90, 32);

x11rb::atom_manager! {
    Atoms: AtomsCookie { WM_PROTOCOLS, WM_DELETE_WINDOW, _NET_WM_NAME, UTF8_STRING, }
}

/// Shows `words` until they are read.
pub(super) fn show(title: &str, words: &str) -> Result<(), Box<dyn std::error::Error>> {
    let lines = wrap(words);
    let (connection, screen) = x11rb::connect(None)?;
    let atoms = Atoms::new(&connection)?.reply()?;
    let screen = &connection.setup().roots[screen];
    let longest = lines.iter().map(String::len).max().unwrap_or(0) as i16;
    let width = (longest * LETTER_WIDTH + 2 * MARGIN).max(320) as u16;
    let text_height = lines.len() as i16 * LINE_HEIGHT;
    let height = (text_height + 3 * MARGIN) as u16 + BUTTON.1;
    let window = connection.generate_id()?;
    connection.create_window(
        COPY_DEPTH_FROM_PARENT,
        window,
        screen.root,
        ((screen.width_in_pixels.saturating_sub(width)) / 2) as i16,
        ((screen.height_in_pixels.saturating_sub(height)) / 3) as i16,
        width,
        height,
        0,
        WindowClass::INPUT_OUTPUT,
        COPY_FROM_PARENT,
        &CreateWindowAux::new()
            .background_pixel(screen.white_pixel)
            .event_mask(EventMask::EXPOSURE | EventMask::KEY_PRESS | EventMask::BUTTON_RELEASE),
    )?;
    let (name, kind) = (AtomEnum::WM_NAME, AtomEnum::STRING);
    connection.change_property8(PropMode::REPLACE, window, name, kind, title.as_bytes())?;
    connection.change_property8(
        PropMode::REPLACE,
        window,
        atoms._NET_WM_NAME,
        atoms.UTF8_STRING,
        title.as_bytes(),
    )?;
    connection.change_property32(
        PropMode::REPLACE,
        window,
        atoms.WM_PROTOCOLS,
        AtomEnum::ATOM,
        &[atoms.WM_DELETE_WINDOW],
    )?;
    let font = connection.generate_id()?;
    connection.open_font(font, FONT)?.check()?;
    let pen = connection.generate_id()?;
    connection.create_gc(
        pen,
        window,
        &CreateGCAux::new()
            .foreground(screen.black_pixel)
            .background(screen.white_pixel)
            .font(font),
    )?;
    connection.map_window(window)?;
    connection.flush()?;
    let button = Rectangle {
        x: width as i16 - MARGIN - BUTTON.0 as i16,
        y: text_height + 2 * MARGIN,
        width: BUTTON.0,
        height: BUTTON.1,
    };
    loop {
        match connection.wait_for_event()? {
            Event::Expose(_) => {
                for (number, line) in lines.iter().enumerate() {
                    let y = MARGIN + LINE_HEIGHT * (number as i16 + 1) - 6;
                    connection.image_text8(window, pen, MARGIN, y, line.as_bytes())?;
                }
                connection.poly_rectangle(window, pen, &[button])?;
                connection.image_text8(window, pen, button.x + 27, button.y + 21, b"Close")?;
                connection.flush()?;
            }
            Event::KeyPress(_) => return Ok(()),
            Event::ButtonRelease(click)
                if click.event_x >= button.x && click.event_y >= button.y =>
            {
                return Ok(());
            }
            Event::ClientMessage(message)
                if message.data.as_data32()[0] == atoms.WM_DELETE_WINDOW =>
            {
                return Ok(());
            }
            _ => {}
        }
    }
}

/// Lines of letters that the font has; at most 255 bytes each, which is what the request takes.
fn wrap(words: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in words.split_whitespace() {
        let word: String = word
            .chars()
            .map(|c| if c.is_ascii_graphic() { c } else { '?' })
            .take(200)
            .collect();
        match lines.last_mut() {
            Some(line) if !line.is_empty() && line.len() + 1 + word.len() > LINE_LENGTH => {
                lines.push(word);
            }
            Some(line) => {
                if !line.is_empty() {
                    line.push(' ');
                }
                line.push_str(&word);
            }
            None => lines.push(word),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_messages_become_lines_the_server_can_draw() {
        let lines = wrap(&format!(
            "no window {} caf\u{e9}",
            "could be opened ".repeat(20)
        ));
        assert!(lines.len() > 3);
        assert!(
            lines
                .iter()
                .all(|line| line.is_ascii() && line.len() <= LINE_LENGTH)
        );
        assert!(wrap(&"x".repeat(999))[0].len() <= 255);
    }
}
