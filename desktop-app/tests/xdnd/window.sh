# A real window on a screen of its own (Xvfb, openbox), and a second program that drags files into it. Sourced, not run.
#
# Every step waits for what it needs to see, with a limit that a busy machine keeps; nothing sleeps and hopes.
#   open_screen WIDTH HEIGHT          sets DISPLAY
#   open_window BINARY [ARGUMENT...]  sets $app, $window; $work/frames.tsv is its frame log, $work/data holds its settings
#   place_window X Y WIDTH HEIGHT
#   drag NAME URI...                  presses, drags, hovers until both sides agree, lets go at drop_at_x, drop_at_y (1000ths)
#   uri PATH; frame COLUMN; wait_for SECONDS COMMAND...; shot NAME; fail TEXT

xdnd=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
samples=$(realpath "$xdnd/../../../models/samples")
shots=${shots:-}
patience=${patience:-120}

for tool in Xvfb openbox xdotool python3; do
    command -v "$tool" > /dev/null || { echo "xdnd: $tool is missing; nothing was tested" >&2; exit 77; }
done
# The system's Python has GTK; another one that comes first in PATH may not.
python=
for candidate in python3 /usr/bin/python3; do
    if "$candidate" -c 'import gi; gi.require_version("Gtk", "3.0"); from gi.repository import Gtk' 2> /dev/null; then
        python=$candidate
        break
    fi
done
[ -n "$python" ] || { echo "xdnd: python3-gi and gir1.2-gtk-3.0 are missing; nothing was tested" >&2; exit 77; }

work=$(mktemp -d)
started=()
finish() {
    for ((i = ${#started[@]} - 1; i >= 0; i--)); do
        kill "${started[$i]}" 2> /dev/null || true
        wait "${started[$i]}" 2> /dev/null || true
    done
    chmod -R u+rwX "$work" 2> /dev/null || true
    rm -rf "$work"
}
trap finish EXIT

# Neither program may find, or wait for, the desktop session of whoever runs this.
unset WAYLAND_DISPLAY WAYLAND_SOCKET
export DBUS_SESSION_BUS_ADDRESS=disabled: NO_AT_BRIDGE=1 GDK_BACKEND=x11

fail() {
    echo "xdnd: FAILED: $*" >&2
    shot failed
    for log in app source; do
        [ -s "$work/$log.log" ] && tail -n 20 "$work/$log.log" | sed "s/^/  $log: /" >&2
    done
    [ -s "$work/frames.tsv" ] && tail -n 2 "$work/frames.tsv" | sed 's/^/  frames: /' >&2
    exit 1
}

shot() {
    [ -n "$shots" ] && command -v import > /dev/null || return 0
    mkdir -p "$shots"
    import -window "${2:-root}" "$shots/$1.png"
}

# wait_for SECONDS COMMAND...
wait_for() {
    local until=$((SECONDS + $1))
    shift
    while ! "$@" > /dev/null 2>&1; do
        ((SECONDS < until)) || return 1
        sleep 0.05
    done
}

uri() { "$python" -c 'import pathlib, sys; print(pathlib.Path(sys.argv[1]).as_uri())' "$1"; }

open_screen() {
    Xvfb -displayfd 3 -screen 0 "$1x$2x24" -nolisten tcp 3> "$work/display" 2> /dev/null &
    started+=($!)
    wait_for "$patience" grep -q . "$work/display" || fail "Xvfb does not start"
    DISPLAY=:$(cat "$work/display")
    export DISPLAY
    openbox > /dev/null 2>&1 &
    started+=($!)
    # It answers only once a window manager reigns.
    wait_for "$patience" xdotool get_num_desktops || fail "openbox does not start"
}

# The latest value of a column of the frame log.
frame() {
    awk -F '\t' -v name="$1" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) column = i } END { print $column }' "$work/frames.tsv"
}
frame_is() { [ "$(frame "$1")" = "$2" ]; }
frame_at_least() { [ "$(frame "$1")" -ge "$2" ]; }

find_window() {
    local found
    found=$(xdotool search --onlyvisible --name "$1" | head -n 1) && [ -n "$found" ] && echo "$found" > "$work/found"
}

open_window() {
    local binary=$1
    shift
    mkdir -p "$work/data"
    XDG_DATA_HOME="$work/data" "$binary" --frame-log "$work/frames.tsv" "$@" > "$work/app.log" 2>&1 &
    app=$!
    started+=("$app")
    wait_for "$patience" find_window '^Photo Classifier$' || fail "the window does not open"
    window=$(cat "$work/found")
    # It has drawn, so its drop target stands.
    wait_for "$patience" frame_at_least frame 1 || fail "the window draws nothing"
}

geometry() { xdotool getwindowgeometry --shell "$1" | tr '\n' ' '; }
has_size() { geometry "$1" | grep -q "WIDTH=$2 HEIGHT=$3 "; }
is_still() {
    local before
    before=$(geometry "$1")
    sleep 0.1
    [ -n "$before" ] && [ "$before" = "$(geometry "$1")" ]
}
left_of() { (eval "$(geometry "$1")" && [ "$((X + WIDTH))" -le "$2" ]); }

place_window() {
    xdotool windowsize "$window" "$3" "$4"
    xdotool windowmove "$window" "$1" "$2"
    wait_for "$patience" has_size "$window" "$3" "$4" || fail "the window does not take its size"
    wait_for "$patience" is_still "$window" || fail "the window does not stand still"
}

said() { grep -q "^$1\$" "$work/source.log"; }
not_said() { ! said "$1"; }
# Moves to and fro around a place, so that a program that missed a move sees the next one.
nudge_until() {
    local x=$1 y=$2 until=$((SECONDS + patience)) step=0
    shift 2
    while ! "$@" > /dev/null 2>&1; do
        ((SECONDS < until)) || return 1
        step=$(((step + 1) % 2))
        xdotool mousemove "$((x + 3 * step))" "$y"
        sleep 0.05
    done
}
both_agree() { said accepted && frame_is hovering 1; }

drag() {
    local name=$1 source handle X Y WIDTH HEIGHT left
    shift
    eval "$(geometry "$window")"
    left=$X
    : > "$work/source.log"
    "$python" "$xdnd/source.py" "$@" > "$work/source.log" 2>&1 &
    source=$!
    started+=("$source")
    wait_for "$patience" said ready || fail "the drag source does not start"
    wait_for "$patience" find_window '^drag source$' || fail "the drag source has no window"
    handle=$(cat "$work/found")
    xdotool windowmove "$handle" 4 4
    wait_for "$patience" left_of "$handle" "$left" || fail "the drag source lies over the window"
    wait_for "$patience" is_still "$handle" || fail "the drag source does not stand still"
    eval "$(geometry "$handle")"
    local from_x=$((X + WIDTH / 2)) from_y=$((Y + HEIGHT / 2))
    eval "$(geometry "$window")"
    local to_x=$((X + WIDTH * ${drop_at_x:-625} / 1000)) to_y=$((Y + HEIGHT * ${drop_at_y:-750} / 1000))
    xdotool mousemove "$from_x" "$from_y"
    nudge_until "$from_x" "$from_y" said inside || fail "the pointer does not reach the drag source"
    xdotool mousedown 1
    wait_for "$patience" said pressed || fail "the drag source does not see the button"
    local step
    for step in 6 12 18 24 30; do
        xdotool mousemove "$((from_x + step))" "$from_y"
    done
    nudge_until "$((from_x + 34))" "$from_y" said begun || fail "no drag begins"
    for step in 1 2 3 4; do
        xdotool mousemove "$((from_x + (to_x - from_x) * step / 4))" "$((from_y + (to_y - from_y) * step / 4))"
    done
    nudge_until "$to_x" "$to_y" both_agree || fail "the window shows no drop target, or takes no drop"
    [ -z "${while_hovering:-}" ] || "$while_hovering"
    shot "hovering-$name"
    xdotool mouseup 1
    wait_for "$patience" said ended || fail "the drag does not end"
    not_said failed || fail "the window refused the drop"
    kill "$source" 2> /dev/null || true
    wait "$source" 2> /dev/null || true
}
