#!/usr/bin/env python3
"""Compares the answers of two processors: JSON lines of `infer-cli --json --topk N`, one file each.

    compare_answers.py A.jsonl B.jsonl               the same best classes, probabilities within 1e-4
    compare_answers.py A.jsonl B.jsonl --same-bits   the same classes in the same order, probabilities equal to the bit

Photos are matched by the names of their files. It says the greatest difference, and fails where the bound is broken.
"""

import argparse
import json
import struct
import sys
from pathlib import PurePosixPath

BOUND = 1e-4


def read(path):
    """Answers by photo and model: {(name, model): [(class, probability), ...]}."""
    answers = {}
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            answer = json.loads(line)
            if "predictions" not in answer:
                sys.exit(f"{path}: no answer: {line.strip()}")
            name = PurePosixPath(answer["path"].replace("\\", "/")).name
            key = (name, answer["model"])
            if key in answers:
                sys.exit(f"{path}: {name} is there twice")
            answers[key] = [(one["index"], one["probability"]) for one in answer["predictions"]]
    return answers


def bits(probability):
    return struct.unpack("<I", struct.pack("<f", probability))[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("one")
    parser.add_argument("other")
    parser.add_argument("--same-bits", action="store_true")
    arguments = parser.parse_args()
    one, other = read(arguments.one), read(arguments.other)
    if not one or one.keys() != other.keys():
        sys.exit(f"expected the same photos in both files, got {len(one)} and {len(other)}")
    greatest, wrong = 0.0, []
    for key, expected in one.items():
        got = other[key]
        if expected[0][0] != got[0][0]:
            wrong.append(f"{key[0]}: best class {expected[0][0]} and {got[0][0]}")
            continue
        # Further down a class may be cut off from one list, where two are nearly equal.
        beside = dict(got)
        differences = [abs(value - beside[index]) for index, value in expected if index in beside]
        greatest = max([greatest, *differences])
        if max(differences) > BOUND:
            wrong.append(f"{key[0]}: a probability differs by {max(differences):.2g}")
        if arguments.same_bits:
            lists = [[(index, bits(value)) for index, value in answer] for answer in (expected, got)]
            if lists[0] != lists[1]:
                wrong.append(f"{key[0]}: not the same bits")
    for line in wrong:
        print(line)
    rule = "the same bits" if arguments.same_bits else f"the same best class, probabilities within {BOUND:g}"
    print(f"{len(one) - len(wrong)} of {len(one)} answers: {rule}; greatest difference {greatest:.2g}")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
