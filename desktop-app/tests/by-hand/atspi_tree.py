#!/usr/bin/env python3
"""Prints what a screen reader gets of the window: atspi_tree.py APP-NAME [PROGRAM ARGUMENT...].

Role, name, description, value, states and actions of every control, indented as the tree is. Starts the program, if one
is named, waits until its tree stands still, and ends it again. Run it in a session of its own, so that the program finds
a bus (Debian: at-spi2-core gir1.2-atspi-2.0 python3-gi dbus xvfb openbox):

    xvfb-run -s "-screen 0 1440x900x24" dbus-run-session python3 atspi_tree.py "Photo Classifier" desktop-app PHOTOS

What is wrong with a control is marked with "!!": a control without a name, or one that can be focused and has no role.
Exit status 1 when something is marked.
"""

import os
import subprocess
import sys
import time
import warnings

os.environ.setdefault("GTK_A11Y", "none")
import gi

warnings.simplefilter("ignore", DeprecationWarning)
gi.require_version("Atspi", "2.0")
from gi.repository import Atspi

SHOWN = {"focusable", "focused", "checked", "selected", "expanded", "collapsed", "modal", "editable", "required", "pressed"}
PLAIN = {"filler", "panel", "label", "section", "frame", "window", "application", "unknown", "separator", "scroll pane", "scroll bar"}


def states(node):
    names = {str(state.value_nick) for state in node.get_state_set().get_states()}
    return sorted(names & SHOWN)


def value(node):
    number = node.get_value_iface() if hasattr(node, "get_value_iface") else None
    parts = []
    if number is not None:
        low, now, high = (round(get(), 3) for get in (
            number.get_minimum_value, number.get_current_value, number.get_maximum_value))
        parts.append(f"{now} of {low} to {high}")
    text = node.get_text_iface() if hasattr(node, "get_text_iface") else None
    if text is not None and node.get_role_name() in ("entry", "text", "combo box"):
        parts.append(repr(text.get_text(0, text.get_character_count())))
    return ", ".join(parts)


def show(node, depth, faults):
    role, name = node.get_role_name(), node.get_name() or ""
    marks = states(node)
    line = f"{'  ' * depth}{role}: {name!r}"
    described = node.get_description() or ""
    if described and described != name:
        line += f" -- {described!r}"
    if found := value(node):
        line += f" = {found}"
    if marks:
        line += f" [{' '.join(marks)}]"
    fault = ""
    if not name and role not in PLAIN and node.get_child_count() == 0 and not found:
        fault = "no name"
    elif "focusable" in marks and not name:
        fault = "can be focused, has no name"
    elif "focusable" in marks and role in ("unknown", "filler", "panel"):
        fault = "can be focused, has no role"
    if fault:
        line += f"  !! {fault}"
        faults.append(line.strip())
    lines = [line]
    for index in range(node.get_child_count()):
        child = node.get_child_at_index(index)
        if child is not None:
            lines += show(child, depth + 1, faults)
    return lines


def find(wanted, limit_secs=60):
    until = time.monotonic() + limit_secs
    while time.monotonic() < until:
        desktop = Atspi.get_desktop(0)
        for index in range(desktop.get_child_count()):
            app = desktop.get_child_at_index(index)
            names = [app.get_name() or ""] if app else []
            names += [app.get_child_at_index(i).get_name() or "" for i in range(app.get_child_count())] if app else []
            if any(wanted in name for name in names):
                return app
        time.sleep(0.5)
    sys.exit(f"atspi_tree: no program called {wanted!r} on the bus within {limit_secs} s")


def listen():
    """Says on the bus that somebody reads screens: programs build no tree for nobody."""
    subprocess.run(
        ["dbus-send", "--session", "--print-reply", "--dest=org.a11y.Bus", "/org/a11y/bus",
         "org.freedesktop.DBus.Properties.Set", "string:org.a11y.Status", "string:IsEnabled", "variant:boolean:true"],
        check=True, stdout=subprocess.DEVNULL)


def main():
    wanted, command = sys.argv[1], sys.argv[2:]
    listen()
    program = subprocess.Popen(command) if command else None
    try:
        app = find(wanted)
        before, lines, faults = None, [], []
        for _ in range(60):
            faults = []
            lines = show(app, 0, faults)
            if lines == before:
                break
            before = lines
            time.sleep(1)
        print("\n".join(lines))
        print(f"{len(lines)} nodes, {len(faults)} marked", file=sys.stderr)
        sys.exit(1 if faults else 0)
    finally:
        if program:
            program.terminate()


main()
