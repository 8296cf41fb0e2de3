#!/usr/bin/env python3
"""Turns an AUDIT folder into the flags table that a scorer of planted defects reads.

    score_corpus.py AUDIT/findings.json FLAGS.csv

Columns: file (its name alone), issue, group. Findings of duplicates put their image and
the related ones into one group, named after the first.
"""

import csv
import json
import sys

ISSUES = {
    "blurry_image": "blur",
    "dark_image": "dark",
    "light_image": "over",
    "low_information_image": "lowinfo",
    "odd_aspect_image": "odd_aspect",
    "grey_image": "gray",
    "corrupt_image": "corrupt",
    "odd_size_image": "odd_size",
    "exact_duplicate": "exact",
    "near_duplicate": "near",
}


def flags(findings):
    """Yields (file, issue, group), once for each file and issue."""
    groups = {}
    for finding in findings:
        issue = ISSUES.get(finding["rule"])
        if issue is None or finding["image"] is None:
            continue
        related = finding["related"] if issue in ("exact", "near") else []
        images = [path.rsplit("/", 1)[-1] for path in [finding["image"], *related]]
        # A copy of an exact duplicate names the image that is kept.
        group = images[-1] if issue == "exact" else images[0] if related else ""
        for image in images:
            groups.setdefault((image, issue), set()).add(group)
    for (image, issue), names in sorted(groups.items()):
        yield image, issue, "|".join(sorted(names - {""}))


def main():
    source, target = sys.argv[1:]
    with open(source, encoding="utf-8") as file:
        findings = json.load(file)
    with open(target, "w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file", "issue", "group"])
        table.writerows(flags(findings))


if __name__ == "__main__":
    main()
