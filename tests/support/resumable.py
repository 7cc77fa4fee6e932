"""A small training with everything that has a memory of its own, and what it ends in."""

import csv
from pathlib import Path

from graphium.checkpoint.load import find_checkpoint, read_training
from graphium.training.progress import OF_MACHINE

SMILES = """
CCO CC(=O)O c1ccccc1 CCN CCCC CC(C)O OCCO c1ccncc1 CC#N C=CC CCOC(=O)C Cc1ccccc1 CCCl CC=O C1CCCCC1
NCC(=O)O CSC CCBr O=C=O C FC(F)F c1ccc(O)cc1 CC(C)(C)O CNC OC1CCCC1 N#CCO CCS c1ccoc1 CCCO CCCCO
""".split()  # noqa: SIM905  # a list of quoted SMILES reads worse


def write_resumable(folder: Path) -> Path:
    """Write a table and an experiment of 6 epochs; return the experiment."""
    rows = [
        {"smiles": s, "a": len(s) * 0.5 if i % 3 else "", "b": int("O" in s)}
        for i, s in enumerate(SMILES * 2)
    ]
    with (folder / "table.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["smiles", "a", "b"])
        writer.writeheader()
        writer.writerows(rows)
    path = folder / "experiment.yaml"
    path.write_text(
        f"""
name: resumed
datasets:
  d: {{table: {folder}/table.csv}}
tasks:
  a: {{dataset: d, labels: [a], loss: mae}}
  b: {{dataset: d, labels: [b], loss: bce}}
model:
  trunk: {{kind: gine, depth: 2, width: 16, dropout: 0.2}}
batch: {{size: 6, accumulate: 2}}
optimizer: {{kind: muon, ema_decay: 0.9, schedule: plateau, plateau: {{patience: 0}}}}
trainer:
  {{max_epochs: 6, threads: 1, accelerator: cpu, checkpoint_every_steps: 1, validate_every: 2}}
"""
    )
    return path


def final_state(run: Path):
    """The weights and optimiser of the last checkpoint, and every number but the speed."""
    checkpoint = find_checkpoint(run / "checkpoints" / "last")
    files = {name: (checkpoint / name).read_bytes() for name in ("model.safetensors",)}
    best = run / "checkpoints" / "best"
    files |= {
        "best": best.resolve().name,
        "best weights": (best / "model.safetensors").read_bytes(),
    }
    files |= {str(p.relative_to(run)): p.read_bytes() for p in run.glob("predictions/*/*.csv")}
    with (run / "metrics.csv").open(newline="") as file:
        numbers = [row for row in csv.DictReader(file) if row["metric"] not in OF_MACHINE]
    training = read_training(checkpoint)
    kept = ("optimizer_states", "trained_weights", "plateau")
    return files, {name: training[name] for name in kept}, numbers


def same(a, b) -> bool:
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if hasattr(a, "equal"):
        return a.equal(b)
    return a == b


def damage(run: Path) -> str:
    """Flip one bit of the newest checkpoint's weights; return its name."""
    newest = (run / "checkpoints" / "last").resolve()
    path = newest / "training.safetensors"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    return newest.name
