#!/usr/bin/env python3
"""detectors_sleap.py EXPORT OUT.csv [--edges a-b,b-c] [--sets N]

Scores copies that `labelvet bench detectors --export EXPORT` wrote with SLEAP's label quality
control (sleap.qc.LabelQCDetector, no display, no torch), and writes them for `--scores`. Each
copy is fitted and scored as SLEAP's window does: the same labels for both.

EXPORT  folder with sets.csv, labels-NNN.csv and skeleton.json
OUT     CSV: seed, rate, kind, strength, image, instance, score (0 to 1)
--edges skeleton edges, where the dataset declares none
--sets  only so many files of labels, to try it out

Needs `pip install sleap`; sleap.qc needs neither its models nor its windows, so that 0.4 GB will
do in place of 2.3: `pip install sleap-io scikit-learn pandas scipy attrs cattrs networkx`, then
`pip install --no-deps sleap==1.6.3`. Left and right of
declared pairs: SLEAP takes the order of a set, which differs from process to process; here the
first named is left, so that a run can be repeated.
"""

import argparse
import csv
import json
import os
import sys
from collections import defaultdict

import numpy as np


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("export")
    parser.add_argument("out")
    parser.add_argument("--edges", default="")
    parser.add_argument("--sets", type=int, default=None)
    options = parser.parse_args()

    with open(os.path.join(options.export, "skeleton.json"), encoding="utf-8") as file:
        skeletons = json.load(file)["skeletons"]
    if len(skeletons) != 1:
        sys.exit(f"one skeleton is needed, found {len(skeletons)}")
    skeleton = skeletons[0]
    names = skeleton["keypoints"]
    edges = [tuple(edge) for edge in skeleton["edges"]]
    if options.edges:
        index = {name: at for at, name in enumerate(names)}
        edges = [tuple(index[end] for end in edge.split("-")) for edge in options.edges.split(",")]
    pairs = [tuple(pair) for pair in skeleton["pairs"]]
    judge = detector(names, edges, pairs)

    with open(os.path.join(options.export, "sets.csv"), encoding="utf-8", newline="") as file:
        sets = list(csv.DictReader(file))[: options.sets]
    with open(options.out, "w", encoding="utf-8", newline="") as file:
        out = csv.writer(file)
        out.writerow(["seed", "rate", "kind", "strength", "image", "instance", "score"])
        for number, entry in enumerate(sets, 1):
            for seed, copy in copies(os.path.join(options.export, entry["file"]), names):
                for (image, instance), score in judge(copy):
                    row = [seed, entry["rate"], entry["kind"], entry["strength"]]
                    out.writerow([*row, image, instance, f"{score:.6f}"])
            print(f"{number} of {len(sets)}: {entry['kind']} {entry['strength']}", file=sys.stderr)


def copies(path, names):
    """Yields the seed of each copy and its labels: [(video, frame, image, instance, points)]."""
    index = {name: at for at, name in enumerate(names)}
    by_seed = defaultdict(dict)
    with open(path, encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            key = (row["image"], row["instance"])
            empty = (row["video"], row["frame"], np.full((len(names), 2), np.nan))
            _, _, points = by_seed[row["seed"]].setdefault(key, empty)
            points[index[row["keypoint"]]] = float(row["x"]), float(row["y"])
    for seed, instances in by_seed.items():
        yield seed, [(video, frame, *key, points) for key, (video, frame, points) in instances.items()]


def detector(names, edges, pairs):
    """Returns a function that fits and scores SLEAP's detector on one copy of labels."""
    import sleap_io as sio
    from sleap import qc
    from sleap.qc import detector as module

    class Ordered(module.SkeletonAnalyzer):
        def __init__(self, skeleton):
            super().__init__(skeleton)
            self.symmetry_pairs = list(pairs)

    module.SkeletonAnalyzer = Ordered

    def judge(copy):
        nodes = [sio.Node(name) for name in names]
        skeleton = sio.Skeleton(
            nodes=nodes,
            edges=[sio.Edge(nodes[a], nodes[b]) for a, b in edges],
            symmetries=[sio.Symmetry([nodes[a], nodes[b]]) for a, b in pairs],
        )
        videos, frames, keys = {}, {}, {}
        for video, _, image, instance, points in copy:
            if video not in videos:
                number = len(videos)
                source = sio.Video(filename=f"video{number}.mp4", open_backend=False)
                videos[video] = (number, source, {})
            number, source, images = videos[video]
            # Frames in the order of time, which the export keeps; numbers need not be known.
            at = images.setdefault(image, len(images))
            members = frames.setdefault((number, at), (source, []))[1]
            keys[(number, at, len(members))] = (image, instance)
            members.append(sio.Instance.from_numpy(points, skeleton=skeleton))
        labels = sio.Labels(
            labeled_frames=[
                sio.LabeledFrame(video=source, frame_idx=at, instances=members)
                for (_, at), (source, members) in frames.items()
            ],
            videos=[source for _, source, _ in videos.values()],
            skeletons=[skeleton],
        )
        found = qc.LabelQCDetector()
        found.fit(labels)
        scores = found.score(labels).instance_scores
        return [(key, scores[qc.results.InstanceKey(*place)]) for place, key in keys.items()]

    return judge


if __name__ == "__main__":
    main()
