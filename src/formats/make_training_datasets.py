"""Makes DeepLabCut's training sets of the divisions in shuffles.json, which lies beside.

    python make_training_datasets.py [config.yaml]

Needs DeepLabCut 2.2 or later. Changes no labels; adds shuffles behind those that exist. Written
by `labelvet split`.
"""

import json
import math
import sys
import tempfile
from pathlib import Path

import deeplabcut
from deeplabcut.generate_training_dataset.trainingsetmanipulation import merge_annotateddatasets
from deeplabcut.utils import auxiliaryfunctions


def padded(train, test, percent):
    """Fills both lists with -1 up to a share that config.yaml names.

    DeepLabCut names folders by the share of the rows that are trained on, finds them again by
    `TrainingFraction`, and takes rows of -1 out.
    """
    if not 0 < percent < 100:
        return train, test
    step = 100 // math.gcd(100, percent)
    for_train = step * percent // 100
    for_test = step - for_train
    times = max(-(-len(train) // for_train), -(-len(test) // for_test))
    fill = [-1] * (times * for_train - len(train)), [-1] * (times * for_test - len(test))
    return train + fill[0], test + fill[1]


def main():
    made = json.loads(Path(__file__).with_name("shuffles.json").read_text(encoding="utf-8"))
    config = sys.argv[1] if len(sys.argv) > 1 else made["config"]
    project = auxiliaryfunctions.read_config(config)
    with tempfile.TemporaryDirectory() as folder:
        merged = merge_annotateddatasets(project, Path(folder))
    # Before version 2.2 a row had its whole path as one name.
    path = lambda row: row.replace("\\", "/") if isinstance(row, str) else "/".join(row)
    rows = [] if merged is None else [path(row) for row in merged.index]
    if rows != made["rows"]:
        sys.exit(
            f"DeepLabCut merges {len(rows)} rows of labels, which are not the {len(made['rows'])} "
            "that were divided: run `labelvet split` again, after `deeplabcut.convertcsv2h5` if "
            "labels were changed in the CSV files"
        )
    percent = round(100 * project["TrainingFraction"][0])
    lists = [padded(one["train"], one["test"], percent) for one in made["shuffles"]]
    multiple = project.get("multianimalproject", False)
    # Before version 3, `create_training_dataset` divides projects of several animals anew.
    name = "create_multianimaltraining_dataset" if multiple else "create_training_dataset"
    getattr(deeplabcut, name)(
        config,
        Shuffles=[one["shuffle"] for one in made["shuffles"]],
        trainIndices=[train for train, _ in lists],
        testIndices=[test for _, test in lists],
    )


if __name__ == "__main__":
    main()
