#!/usr/bin/env python3
"""A second program to drag from: a small GTK window that offers the URIs of its arguments.

Prints "ready" when it is shown, "dropped" when a drag ended with a drop that was taken, "failed" when it was not.
"""

import sys

import gi

gi.require_version("Gdk", "3.0")
gi.require_version("Gtk", "3.0")
from gi.repository import Gdk, GdkPixbuf, Gio, GLib, Gtk  # noqa: E402

uris = sys.argv[1:]


def say(word):
    print(word, flush=True)


def offer(widget, context, data, info, time):
    # Not set_uris: it would refuse what is no proper URI, and that is what we test.
    text = "".join(uri + "\r\n" for uri in uris).encode()
    data.set(data.get_target(), 8, text)


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
handle.connect("drag-data-get", offer)
handle.connect("drag-failed", lambda *_: say("failed"))
handle.connect("drag-end", lambda *_: say("ended"))
window.add(handle)
window.connect("destroy", Gtk.main_quit)
window.show_all()
window.move(4, 4)
GLib.timeout_add(300, lambda: say("ready"))
Gtk.main()
