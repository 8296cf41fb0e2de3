"""Times training steps of PyTorch beside labelvet's, in turns, and prints the ratios.

    pip install torch timm numpy
    cargo bench --bench step --no-run
    python benches/step_torch.py STEP_BINARY [MODEL:TRUNK:BATCH:HEIGHTxWIDTH ...]

STEP_BINARY is the file that the second line prints. Network, loss, clipping and optimiser are
those of `benches/step.rs`; every turn is a process of its own on THREADS threads (2), and of
three turns the least median counts. `python benches/step_torch.py --one CASE LAYOUT STEPS` is
one turn of PyTorch's.
"""

import json
import os
import resource
import subprocess
import sys
import time

THREADS = int(os.environ.get("THREADS", "2"))
STEPS = 8
TURNS = int(os.environ.get("TURNS", "3"))
CASES = [
    f"{model}:{trunk}:{batch}:{size}x{size}"
    for model, trunk in (("tf_efficientnet_lite0", "stage4"), ("efficientnet_b0", "all"))
    for batch in (4, 8)
    for size in (192, 256)
]


def one(case, layout, steps):
    import torch
    import torch.nn.functional as F
    import timm
    from torch import nn

    torch.set_num_threads(THREADS)
    name, trunk, batch, size = case.split(":")
    height, width = map(int, size.split("x"))
    batch = int(batch)
    network = timm.create_model(name)
    last = 7 if trunk == "all" else int(trunk.removeprefix("stage")) + 1

    class Pose(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem, self.norm = network.conv_stem, network.bn1
            self.blocks = network.blocks[:last]
            with torch.no_grad():
                x = self.features(torch.zeros(2, 3, 64, 64))
            channels = x.shape[1]
            up = lambda inputs, outputs, bias: nn.ConvTranspose2d(
                inputs, outputs, 3, 2, 1, output_padding=1, bias=bias
            )
            self.between = nn.Sequential()
            if x.shape[2] == 2:
                self.between = nn.Sequential(up(channels, 256, False), nn.BatchNorm2d(256), nn.ReLU())
                channels = 256
            self.scores, self.offsets = up(channels, 4, True), up(channels, 8, True)

        def features(self, x):
            return self.blocks(self.norm(self.stem(x)))

        def forward(self, x):
            x = self.between(self.features(x))
            return self.scores(x), self.offsets(x)

    model = Pose().train()
    images = torch.randn(batch, 3, height, width)
    if layout == "channels_last":
        model = model.to(memory_format=torch.channels_last)
        images = images.contiguous(memory_format=torch.channels_last)
    cells = (height // 8, width // 8)
    scores, score_weights = (torch.rand(batch, 4, *cells) for _ in range(2))
    offsets, offset_weights = (torch.rand(batch, 8, *cells) for _ in range(2))
    optimiser = torch.optim.AdamW(model.parameters(), 1e-4, weight_decay=0.01)
    times = []
    for _ in range(steps + 2):
        start = time.perf_counter()
        found_scores, found_offsets = model(images)
        cross_entropy = F.binary_cross_entropy_with_logits(
            found_scores, scores, score_weights, reduction="sum"
        )
        huber = (F.huber_loss(found_offsets, offsets, reduction="none") * offset_weights).sum()
        loss = cross_entropy / score_weights.sum() + 0.05 * huber / offset_weights.sum()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        times.append((time.perf_counter() - start) * 1e3)
    times = sorted(times[2:])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"median_ms": times[len(times) // 2], "peak_mib": peak}))


def turn(words):
    env = {**os.environ, "THREADS": str(THREADS), "OMP_NUM_THREADS": str(THREADS)}
    done = subprocess.run(words, capture_output=True, text=True, check=True, env=env)
    return json.loads(done.stdout.strip().splitlines()[-1])


def compare(binary, case):
    name, trunk, batch, size = case.split(":")
    height, width = size.split("x")
    ours = lambda kind: [binary, name, trunk, batch, height, width, str(STEPS), kind]
    torch = lambda layout: [sys.executable, __file__, "--one", case, layout, str(STEPS)]
    kinds = {
        "labelvet": ours("custom"),
        "labelvet, stock operators": ours("stock"),
        "PyTorch": torch("default"),
        "PyTorch, channels_last": torch("channels_last"),
    }
    found = {kind: [] for kind in kinds}
    for _ in range(TURNS):
        for kind, words in kinds.items():
            found[kind].append(turn(words))
    best = {k: min(t, key=lambda t: t["median_ms"]) for k, t in found.items()}
    ms = {kind: best[kind]["median_ms"] for kind in best}
    print(
        f"| {name}, {trunk} | {batch} | {size} | "
        + " | ".join(f"{ms[kind]:.0f}" for kind in kinds)
        + f" | {ms['labelvet'] / ms['PyTorch']:.2f}"
        + f" | {ms['labelvet'] / ms['PyTorch, channels_last']:.2f}"
        + f" | {best['labelvet']['peak_mib']:.0f} / {best['PyTorch']['peak_mib']:.0f}"
        + f" | {best['labelvet']['created_s']:.2f} |",
        flush=True,
    )


if __name__ == "__main__":
    if sys.argv[1] == "--one":
        one(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        print("| network | batch | size | labelvet ms | stock ms | PyTorch ms | channels_last ms |"
              " by PyTorch | by channels_last | peak MiB | compiled s |")
        print("|---|---|---|---|---|---|---|---|---|---|---|")
        for case in sys.argv[2:] or CASES:
            compare(sys.argv[1], case)
