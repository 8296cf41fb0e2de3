#!/usr/bin/env python3
"""Plants altered copies of real images, and tells how many an audit finds.

    copies.py plant OUT SEED FOLDER...    OUT/images: the pictures of the folders, and one copy of each;
                                          OUT/truth.csv: copy, original, set (the folder), relation
    labelvet audit OUT/images --out OUT/audit
    copies.py score OUT [BASE...]         a table in Markdown

A copy is altered in one of eight ways, by turns, and always encoded again as JPEG. Two pictures in
one group of `near_duplicate` that are not an original and its copy count as false, unless they come
together in a BASE folder, planted and audited before, whose pairs of originals were looked at and are
real. Needs Pillow.
"""

import collections
import csv
import itertools
import json
import pathlib
import random
import shutil
import sys

from PIL import Image, ImageOps

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp"}


def resized(image, draw):
    factor = draw.choice([0.5, 0.62, 0.75, 0.9, 1.5])
    return image.resize([max(1, round(side * factor)) for side in image.size], Image.Resampling.LANCZOS)


def cropped(image, draw):
    """Cuts up to 5 % off each side, and at least 1 % off one."""
    (width, height), sides = image.size, [draw.uniform(0, 0.05) for _ in range(4)]
    sides[draw.randrange(4)] = draw.uniform(0.01, 0.05)
    left, right, top, bottom = sides
    box = (left * width, top * height, width - right * width, height - bottom * height)
    return image.crop([round(edge) for edge in box])


def graded(image, draw):
    """Changes gamma, contrast and brightness; black and white lose little of their detail."""
    gamma = draw.choice([draw.uniform(0.6, 0.85), draw.uniform(1.2, 1.6)])
    contrast, offset = draw.uniform(0.75, 1.15), draw.uniform(-0.05, 0.05)
    def level(v):
        return min(max(((v / 255) ** gamma - 0.5) * contrast + 0.5 + offset, 0), 1)
    return image.point([round(255 * level(v)) for v in range(256)] * len(image.getbands()))


RELATIONS = {
    "encoded again": lambda image, draw: image,
    "resized": resized,
    "cropped": cropped,
    "cropped, back at its size": lambda image, draw: cropped(image, draw).resize(image.size),
    "brightness": graded,
    "mirrored": lambda image, draw: ImageOps.mirror(image),
    "mirrored and cropped": lambda image, draw: ImageOps.mirror(cropped(image, draw)),
    "cropped and brightness": lambda image, draw: graded(cropped(image, draw), draw),
}


def plant(out, seed, folders):
    """Writes originals, copies and the list of copies."""
    draw, rows, target = random.Random(int(seed)), [], pathlib.Path(out, "images")
    target.mkdir(parents=True)
    for number, folder in enumerate(map(pathlib.Path, folders)):
        paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
        ways = list(itertools.islice(itertools.cycle(RELATIONS), len(paths)))
        draw.shuffle(ways)
        for at, (path, way) in enumerate(zip(paths, ways)):
            original = f"{number}_{at:04}{path.suffix.lower()}"
            shutil.copyfile(path, target / original)
            with Image.open(path) as image:
                copy = RELATIONS[way](image.convert("RGB"), draw)
            name = f"{number}_{at:04}_copy.jpg"
            copy.save(target / name, "JPEG", quality=draw.choice([40, 60, 75, 90]))
            rows.append([name, original, folder.name, way])
    with open(pathlib.Path(out, "truth.csv"), "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["copy", "original", "set", "relation"], *rows])


def pairs(out):
    """Returns the pairs of file names that the audit joined, over others as well."""
    with open(pathlib.Path(out, "audit", "findings.json"), encoding="utf-8") as file:
        findings = json.load(file)
    group = {}
    for finding in findings:
        if finding["rule"] in ("near_duplicate", "exact_duplicate"):
            names = [path.rsplit("/", 1)[-1] for path in [finding["image"], *finding["related"]]]
            joined = set(names).union(*(group.get(name, ()) for name in names))
            group.update(dict.fromkeys(joined, joined))
    return {pair for joined in group.values() for pair in itertools.combinations(sorted(joined), 2)}


def score(out, bases):
    """Prints, by set and relation, how many copies are found, and how many pairs are false."""
    with open(pathlib.Path(out, "truth.csv"), newline="", encoding="utf-8") as file:
        truth = list(csv.DictReader(file))
    original = {row["copy"]: row["original"] for row in truth}
    sets = {name: row["set"] for row in truth for name in (row["copy"], row["original"])}
    real = {pair for base in bases for pair in pairs(base) if not any("_copy" in name for name in pair)}
    found = pairs(out)
    counts, false = collections.defaultdict(lambda: [0, 0]), collections.Counter()
    for row in truth:
        hit = tuple(sorted([row["copy"], row["original"]])) in found
        for key in ((row["set"], row["relation"]), ("all", row["relation"])):
            counts[key][0] += hit
            counts[key][1] += 1
        if not hit:
            print("missed:", row["copy"], row["relation"], file=sys.stderr)
    true = collections.Counter()
    for pair in sorted(found):
        families = {original.get(name, name) for name in pair}
        if len(families) == 1:
            true[sets[pair[0]]] += 1
        elif tuple(sorted(families)) not in real:
            false[sets[pair[0]]] += 1
            print("false:", *pair, file=sys.stderr)
    names = [*dict.fromkeys(row["set"] for row in truth), "all"]
    print("| relation |", " | ".join(names), "|")
    print("|---|" + "---|" * len(names))
    for way in RELATIONS:
        print(f"| {way} |", " | ".join("{} / {}".format(*counts[name, way]) for name in names), "|")
    totals = [[count[name] for name in names[:-1]] + [sum(count.values())] for count in (true, false)]
    print("| pairs true / false |", " | ".join(f"{a} / {b}" for a, b in zip(*totals)), "|")


if __name__ == "__main__":
    command, *rest = sys.argv[1:]
    plant(rest[0], rest[1], rest[2:]) if command == "plant" else score(rest[0], rest[1:])
