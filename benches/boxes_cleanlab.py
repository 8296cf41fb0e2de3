"""Scores of cleanlab for the copies of `labelvet bench boxes --export`.

    pip install cleanlab
    labelvet bench boxes DATASET --export copies.jsonl --quiet
    python benches/boxes_cleanlab.py copies.jsonl cleanlab.csv
    labelvet bench boxes DATASET --scores cleanlab=cleanlab.csv

`--any-score` asks predictions of every score for overlooked objects and swapped classes, where
cleanlab by default asks those of 0.95 and more. Scores are 1 less cleanlab's, which are lower for
likelier errors; flags are those of `cleanlab.filter.find_label_issues` for classes.
"""

import argparse
import csv
import json

import numpy as np
from cleanlab.filter import find_label_issues
from cleanlab.object_detection import rank
from cleanlab.rank import get_label_quality_scores

BOX_SCORES = {
    "overlooked_instance": rank.compute_overlooked_box_scores,
    "badly_located_box": rank.compute_badloc_box_scores,
    "swapped_class": rank.compute_swap_box_scores,
}


def corners(rows):
    """Returns x1, y1, x2, y2 of rows of number, x, y, width, height, ..."""
    if not rows:
        return np.zeros((0, 4))
    rows = np.array([row[1:5] for row in rows], dtype=float)
    return np.column_stack([rows[:, :2], rows[:, :2] + rows[:, 2:]])


def boxes(copy, any_score):
    """Yields number and score of each box of a copy."""
    classes = range(copy["classes"])
    labels, predictions, numbers = [], [], []
    for image in copy["images"]:
        found = sorted(image["predictions"], key=lambda row: row[5])
        labels.append({
            "bboxes": corners(image["labels"]),
            "labels": np.array([row[5] for row in image["labels"]], dtype=int),
            "image_name": str(len(labels)),
        })
        of_class = [[row for row in found if row[5] == c] for c in classes]
        predictions.append(np.array(
            [np.column_stack([corners(rows), [row[6] for row in rows]]) if rows else np.zeros((0, 5))
             for rows in of_class] + [None], dtype=object)[:-1])
        overlooked = copy["rule"] == "overlooked_instance"
        numbers.append([row[0] for row in (found if overlooked else image["labels"])])
    options = {}
    if any_score and copy["rule"] != "badly_located_box":
        options["high_probability_threshold"] = 0.0
    scores = BOX_SCORES[copy["rule"]](labels=labels, predictions=predictions, **options)
    for own, of_image in zip(numbers, scores):
        assert len(own) == len(of_image)
        for number, score in zip(own, of_image):
            yield number, 0.0 if np.isnan(score) else 1.0 - score, None


def classes(copy):
    """Yields number, score and flag of each classified box of a copy."""
    label = {row[0]: row[5] for image in copy["images"] for row in image["labels"]}
    rows = [row for image in copy["images"] for row in image["classes"] if row[0] in label]
    given = np.array([label[number] for number, _ in rows])
    # cleanlab takes classes that occur alone.
    used = sorted(set(given))
    probabilities = np.array([p for _, p in rows])[:, used]
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    given = np.searchsorted(used, given)
    quality = get_label_quality_scores(given, probabilities)
    flagged = find_label_issues(given, probabilities)
    for (number, _), score, flag in zip(rows, quality, flagged):
        yield number, 1.0 - score, int(flag)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("copies")
    parser.add_argument("scores")
    parser.add_argument("--any-score", action="store_true")
    options = parser.parse_args()
    with open(options.copies) as copies, open(options.scores, "w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["set", "number", "score", "flagged"])
        for line in copies:
            copy = json.loads(line)
            judged = classes(copy) if copy["rule"] == "mislabelled_class" else boxes(copy, options.any_score)
            for number, score, flag in judged:
                writer.writerow([copy["set"], number, f"{score:.9g}", "" if flag is None else flag])


if __name__ == "__main__":
    main()
