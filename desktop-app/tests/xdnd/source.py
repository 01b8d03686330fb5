#!/usr/bin/env python3
"""A second program to drag from: a small GTK window that offers the URIs of its arguments ("-": one a line from standard input).

Says on standard output what happens, a word a line, each once: "ready" (shown), "inside" (the pointer is), "pressed", "begun" (a drag),
"accepted" (the other window takes it), "failed", "ended".
"""

import sys

import gi

gi.require_version("Gdk", "3.0")
gi.require_version("Gtk", "3.0")
from gi.repository import Gdk, GdkPixbuf, Gio, GLib, Gtk  # noqa: E402

uris = sys.stdin.read().splitlines() if sys.argv[1:] == ["-"] else sys.argv[1:]
said = set()


def say(word):
    if word not in said:
        said.add(word)
        print(word, flush=True)
    return False


def offer(widget, context, data, info, time):
    # Not set_uris: it would refuse what is no proper URI, and that is what we test.
    text = "".join(uri + "\r\n" for uri in uris).encode()
    data.set(data.get_target(), 8, text)


def begin(widget, context):
    say("begun")

    def look():
        if context.get_selected_action() & Gdk.DragAction.COPY:
            say("accepted")
        return "ended" not in said and "accepted" not in said

    GLib.timeout_add(20, look)


window = Gtk.Window(title="drag source", decorated=False)
window.set_default_size(160, 120)
handle = Gtk.EventBox()
handle.add(Gtk.Label(label="drag me"))
handle.drag_source_set(Gdk.ModifierType.BUTTON1_MASK, [Gtk.TargetEntry.new("text/uri-list", 0, 0)], Gdk.DragAction.COPY)
try:  # drag the first picture under the pointer, as a file manager does
    picture = GdkPixbuf.Pixbuf.new_from_file_at_size(Gio.File.new_for_uri(uris[0]).get_path() or "", 112, 112)
    handle.drag_source_set_icon_pixbuf(picture)
except GLib.Error:
    pass
handle.add_events(Gdk.EventMask.ENTER_NOTIFY_MASK | Gdk.EventMask.POINTER_MOTION_MASK | Gdk.EventMask.BUTTON_PRESS_MASK)
handle.connect("enter-notify-event", lambda *_: say("inside"))
handle.connect("motion-notify-event", lambda *_: say("inside"))
handle.connect("button-press-event", lambda *_: say("pressed"))
handle.connect("drag-begin", begin)
handle.connect("drag-data-get", offer)
handle.connect("drag-failed", lambda *_: say("failed"))
handle.connect("drag-end", lambda *_: say("ended"))
window.add(handle)
window.connect("destroy", Gtk.main_quit)
window.connect("map-event", lambda *_: say("ready"))
window.show_all()
window.move(4, 4)
Gtk.main()
