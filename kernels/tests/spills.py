#!/usr/bin/env python3
"""Counts what the innermost loops of the x86-64 tile kernels keep on the stack: their sums should be registers, all the time.

    cargo bench -p kernels --bench networks --no-run        prints the program
    python3 kernels/tests/spills.py PROGRAM

Disassembles the program (objdump, from binutils), finds in every kernel the loops without a loop inside that multiply, and
counts the vector registers they write to the stack. Exit code 1: there are some. Depthwise kernels of int8 without VNNI
are left out: they hold every word twice, for which there are too few registers whatever their size (8 or 4 sums at once
are no faster). Needs symbols, so no stripped program.
"""

import re
import subprocess
import sys

KERNEL = re.compile(r"<kernels::isa::(avx\w+)::(\w+_tiles|\w+_winograd|(?:float|vnni)_depthwise)::(run|multiply)>:$")
MULTIPLY = re.compile(r"^(vfmadd|vpdpbusd|vpmaddwd|vdpbf16ps)")
SPILL = re.compile(r"^vmov\w* +(?:[XYZ]MMWORD PTR )?\[(?:rsp|rbp)[^\]]*\], *[xyz]mm", re.IGNORECASE)
JUMP = re.compile(r"^j(?!mp)\w+ +([0-9a-f]+)")


def kernels(program):
    """Every kernel: its name and its instructions, each with its address."""
    lines = subprocess.run(
        ["objdump", "-d", "--no-show-raw-insn", "-M", "intel", "--demangle=rust", program],
        capture_output=True, text=True, check=True,
    ).stdout.splitlines()
    name, body = None, []
    for line in [*lines, ""]:
        if not line.strip():
            if name:
                yield name, body
            name, body = None, []
        elif line.endswith(">:"):
            found = KERNEL.search(line)
            name = "::".join(found.groups()[:2]) if found else None
        elif name:
            address, _, text = line.strip().partition(":")
            body.append((int(address, 16), text.strip()))


def inner_loops(body):
    """Stretches of instructions that repeat and hold no other repeated stretch."""
    places = {address: index for index, (address, _) in enumerate(body)}
    loops = []
    for index, (_, text) in enumerate(body):
        jump = JUMP.match(text)
        start = places.get(int(jump.group(1), 16)) if jump else None
        if start is not None and start <= index:
            loops.append((start, index))
    return [loop for loop in loops if not any(o != loop and loop[0] <= o[0] and o[1] <= loop[1] for o in loops)]


def main():
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    loops, counts, bad = 0, {}, 0
    for name, body in kernels(sys.argv[1]):
        for start, end in inner_loops(body):
            texts = [text for _, text in body[start:end + 1]]
            if not any(MULTIPLY.match(text) for text in texts):
                continue
            spills = sum(bool(SPILL.match(text)) for text in texts)
            loops += 1
            counts[name] = counts.get(name, 0) + 1
            if spills:
                bad += 1
                print(f"{name} at {body[start][0]:x}: {spills} vectors written to the stack in a loop of {len(texts)}")
    if loops == 0:
        raise SystemExit("expected the kernels of an x86-64 program with symbols, found none")
    for name, count in sorted(counts.items()):
        print(f"{name}: {count} loops")
    print(f"{loops} innermost loops, {bad} with sums on the stack")
    sys.exit(1 if bad else 0)


main()
