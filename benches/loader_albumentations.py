"""Times PyTorch's DataLoader with Albumentations beside labelvet's loader, in turns.

    pip install torch albumentations==2.0.8 opencv-python-headless numpy
    cargo bench --profile release --bench loader --no-run
    python benches/loader_albumentations.py LOADER_BINARY DATASET

LOADER_BINARY is the file that the second line prints, DATASET a DeepLabCut project. Both decode,
transform with the same probabilities to 256 x 192, normalise and write score maps and offsets
(here in numpy) in batches of 8 with 2 threads or processes. What is kept of decoded pictures:
nothing, or (labelvet's cache; a dictionary in each worker here) all of them, shrunk. Of TURNS (5)
turns the best counts. Coarse dropout of 1.3-pixel cells is Albumentations' dropout of pixels.
"""

import glob
import json
import os
import subprocess
import sys
import time

import albumentations as A
import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

BATCH, SIZE, STRIDE, RADIUS, DEVIATION = 8, (256, 192), 8, 8.5, 7.2801
WORKERS = int(os.environ.get("THREADS", "2"))
SECONDS = float(os.environ.get("SECONDS", "3"))
TURNS = int(os.environ.get("TURNS", "5"))
SCALE = 0.4  # of openfield's images of 640 x 480

PLANS = {
    "light": [
        A.Affine(rotate=(-15, 15), scale=(0.85, 1.15), translate_percent=(-0.05, 0.05), p=1),
        A.RandomBrightnessContrast(0.1, 0.2, p=1),
    ],
    "deeplabcut": [
        A.Affine(scale=(0.5, 1.25), p=1),
        A.Affine(rotate=(-25, 25), p=0.4),
        A.MotionBlur(blur_limit=(3, 3), p=0.5),
        A.PixelDropout(dropout_prob=0.02, per_channel=False, p=0.5),
        A.ElasticTransform(alpha=40 * SCALE / 2, sigma=5 * SCALE, p=0.5),
        A.Equalize(p=0.1),
        A.CLAHE(clip_limit=(1, 8), tile_grid_size=(8, 8), p=0.1),
        A.Emboss(alpha=(0, 1), strength=(0.5, 1.5), p=0.1),
        A.CropAndPad(percent=(-0.15, 0.15), keep_size=True, p=0.4),
    ],
}


def labels(project):
    """Returns (file, keypoints [K, 2]) of each labelled image, read from the CSV files."""
    found = []
    for path in sorted(glob.glob(f"{project}/**/CollectedData_*.csv", recursive=True)):
        with open(path) as lines:
            for row in [line.strip().split(",") for line in lines][3:]:
                file = os.path.join(os.path.dirname(path), os.path.basename(row[0].replace("\\", "/")))
                values = [float(x) if x else float("nan") for x in row[1:]]
                found.append((file, np.array(values).reshape(-1, 2)))
    return [(file, points) for file, points in found if os.path.exists(file)]


class Frames(Dataset):
    def __init__(self, examples, plan, keep):
        cv2.setNumThreads(0)
        self.examples, self.keep, self.kept = examples, keep, {}
        self.transform = A.Compose(
            PLANS[plan], keypoint_params=A.KeypointParams("xy", remove_invisible=False)
        )
        w, h = SIZE[0] // STRIDE, SIZE[1] // STRIDE
        self.y, self.x = np.mgrid[:h, :w].astype(np.float32) * STRIDE + STRIDE / 2

    def __len__(self):
        return len(self.examples)

    def picture(self, file):
        if file in self.kept:
            return self.kept[file]
        picture = cv2.cvtColor(cv2.imread(file), cv2.COLOR_BGR2RGB)
        picture = cv2.resize(picture, SIZE, interpolation=cv2.INTER_AREA)
        if self.keep:
            self.kept[file] = picture
        return picture

    def __getitem__(self, index):
        file, points = self.examples[index]
        done = self.transform(image=self.picture(file), keypoints=points * SCALE)
        image = (done["image"].astype(np.float32) * (1 / 127.5) - 1).transpose(2, 0, 1)
        k, (h, w) = len(points), self.x.shape
        scores, offsets = np.zeros((k, h, w), np.float32), np.zeros((2 * k, h, w), np.float32)
        score_weights, offset_weights = np.ones_like(scores), np.zeros_like(offsets)
        for at, (x, y) in enumerate(done["keypoints"]):
            if not (0 <= x < SIZE[0] and 0 <= y < SIZE[1]):
                score_weights[at] = 0
                continue
            dx, dy = x - self.x, y - self.y
            near = dx * dx + dy * dy <= RADIUS**2
            scores[at] = near
            offsets[2 * at], offsets[2 * at + 1] = dx * near / DEVIATION, dy * near / DEVIATION
            offset_weights[2 * at : 2 * at + 2] = near
        tensors = (np.ascontiguousarray(image), scores, score_weights, offsets, offset_weights)
        return tuple(map(torch.from_numpy, tensors))


def theirs(examples, plan, keep):
    # Epochs follow each other without a pause, as one long epoch.
    frames = Frames(examples * 400, plan, keep)
    loader = DataLoader(frames, BATCH, shuffle=True, num_workers=WORKERS, prefetch_factor=4)
    made, start = 0, None
    # Workers keep pictures apart: several epochs pass until each has seen nearly all.
    warm = 5 * len(examples) if keep else len(examples)
    for images, *_ in loader:
        made += len(images)
        if start is None and made >= warm:
            made, start = 0, time.perf_counter()
        elif start is not None and time.perf_counter() - start > SECONDS:
            break
    return made / (time.perf_counter() - start)


def ours(binary, dataset, plan, keep):
    words = [binary, dataset, plan] + ([] if keep else ["0"])
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)["images_per_s"]


def main():
    binary, dataset = sys.argv[1:3]
    examples = labels(dataset)
    print(f"{len(examples)} images, {WORKERS} threads or workers, best of {TURNS} turns")
    print("| plan | decoded pictures | labelvet images/s | DataLoader images/s | ratio |")
    print("|---|---|---|---|---|")
    for plan in PLANS:
        for keep in (False, True):
            turns = [
                (ours(binary, dataset, plan, keep), theirs(examples, plan, keep))
                for _ in range(TURNS)
            ]
            a, b = (max(turn[side] for turn in turns) for side in (0, 1))
            kept = "kept" if keep else "decoded each time"
            print(f"| {plan} | {kept} | {a:.0f} | {b:.0f} | {a / b:.2f} |", flush=True)


if __name__ == "__main__":
    main()
