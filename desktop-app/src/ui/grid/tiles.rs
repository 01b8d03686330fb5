//! The tiles of the grid: their places, the scrolling, and the keyboard that moves among them. Only the tiles in
//! sight are drawn.

use egui::{Key, Modifiers, Rect, ScrollArea, Ui, vec2};

use super::tile::{self, TileContent, WORDS, tile_id};
use super::{GridContent, GridSources, GridState};
use crate::photo::PhotoId;
use crate::theme::{self, space};
use crate::ui::action::{Action, Actions};

pub(super) fn show(
    ui: &mut Ui,
    ids: &[PhotoId],
    content: &GridContent,
    sources: &mut GridSources<'_>,
    state: &mut GridState,
    actions: &mut Actions,
) {
    let gap = space::M;
    let width = ui.available_width() - space::M;
    let columns = (((width + gap) / (theme::TILE + gap)).floor() as usize).max(1);
    let tile = (width - gap * (columns - 1) as f32) / columns as f32;
    let row = tile * 0.78 + WORDS + gap;
    let rows = ids.len().div_ceil(columns);
    if !content.blocked {
        take_keys(ui, ids, columns, state, actions);
    }
    let height = rows as f32 * row + space::L;
    let mut scroll = ScrollArea::vertical().auto_shrink(false);
    // The area takes an offset beyond what it last held for a pull past its end and swings back: what has just arrived
    // is laid out once before it is scrolled to.
    if state.height_before != Some(height) {
        state.height_before = Some(height);
        ui.ctx().request_repaint();
    } else if let Some(offset) = wanted_offset(ids, columns, row, state) {
        scroll = scroll.vertical_scroll_offset(offset);
    }
    let output = scroll.show_viewport(ui, |ui, viewport| {
        ui.set_width(width);
        ui.set_height(height);
        let origin = ui.max_rect().left_top();
        let first = (viewport.top() / row).floor().max(0.0) as usize;
        let last = ((viewport.bottom() / row).ceil() as usize + 1).min(rows);
        let in_sight = ids
            .iter()
            .enumerate()
            .take(last * columns)
            .skip(first * columns);
        for (place, id) in in_sight {
            let (x, y) = (
                (place % columns) as f32 * (tile + gap),
                (place / columns) as f32 * row,
            );
            let rect = Rect::from_min_size(origin + vec2(x, y), vec2(tile, row - gap));
            let tile = TileContent {
                id: *id,
                rect,
                shown: ids,
                threshold: content.threshold,
            };
            tile::show(ui, &tile, sources, state, actions);
        }
    });
    let offset = output.state.clamped_offset().y;
    state.in_sight = Some((offset, output.inner_rect.height()));
}

/// Where to scroll so that the tile with the keyboard, or a new arrival, is in sight.
fn wanted_offset(ids: &[PhotoId], columns: usize, row: f32, state: &mut GridState) -> Option<f32> {
    let reveal = state.reveal.take();
    let wanted = state.wants_focus.or(reveal)?;
    let place = ids.iter().position(|id| *id == wanted)?;
    let top = (place / columns) as f32 * row;
    let (view_top, view_height) = state.in_sight.unwrap_or((0.0, row));
    if top < view_top {
        Some(top)
    } else if top + row > view_top + view_height {
        // What arrives comes with more: its row goes to the top. The keyboard moves a row at a time.
        Some(if reveal == Some(wanted) {
            top
        } else {
            top + row - view_height
        })
    } else {
        None
    }
}

/// Arrows move through the grid, Enter opens, Space selects, Delete removes.
fn take_keys(
    ui: &Ui,
    ids: &[PhotoId],
    columns: usize,
    state: &mut GridState,
    actions: &mut Actions,
) {
    if ui.ctx().text_edit_focused() || egui::Popup::is_any_open(ui.ctx()) || ids.is_empty() {
        return;
    }
    if ui.input_mut(|input| input.consume_key(Modifiers::COMMAND, Key::A)) {
        state.selection.select_all(ids);
    }
    let focused = ids
        .iter()
        .position(|id| ui.memory(|memory| memory.has_focus(tile_id(*id))));
    if focused.is_none() && ui.memory(|memory| memory.focused().is_some()) {
        return;
    }
    let key = |key| ui.input_mut(|input| input.consume_key(Modifiers::NONE, key));
    if key(Key::Delete) {
        remove_meant(ids, focused, state, actions);
        return;
    }
    if let Some(place) = focused
        && key(Key::Space)
    {
        state.selection.toggle(ids[place]);
        return;
    }
    let here = focused.or_else(|| {
        state
            .cursor
            .and_then(|cursor| ids.iter().position(|id| *id == cursor))
    });
    let last = ids.len() - 1;
    let moved = |step: isize| here.map_or(0, |place| place.saturating_add_signed(step).min(last));
    let steps = [
        (Key::ArrowRight, moved(1)),
        (Key::ArrowLeft, moved(-1)),
        (Key::ArrowDown, moved(columns as isize)),
        (Key::ArrowUp, moved(-(columns as isize))),
        (Key::Home, 0),
        (Key::End, last),
    ];
    for (arrow, place) in steps {
        let with_shift = ui.input_mut(|input| input.consume_key(Modifiers::SHIFT, arrow));
        if with_shift || key(arrow) {
            if with_shift {
                if let Some(here) = here {
                    state.selection.extend_to(ids[here], ids);
                }
                state.selection.extend_to(ids[place], ids);
            }
            state.focus(ids[place]);
            // The arrow was ours: egui must not move on from the tile that gets the focus now.
            ui.memory_mut(|memory| memory.move_focus(egui::FocusDirection::None));
            return;
        }
    }
}

fn remove_meant(
    ids: &[PhotoId],
    focused: Option<usize>,
    state: &mut GridState,
    actions: &mut Actions,
) {
    if !state.selection.ids().is_empty() {
        actions.push(Action::Remove(state.selection.in_order()));
    } else if let Some(place) = focused {
        let next = ids
            .get(place + 1)
            .or_else(|| place.checked_sub(1).and_then(|before| ids.get(before)));
        if let Some(next) = next {
            state.focus(*next);
        }
        actions.push(Action::Remove(vec![ids[place]]));
    }
}
