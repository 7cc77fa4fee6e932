"""Print one JSON line of figures of a finished run, for ``docs/results/``.

    python benchmarks/result_line.py runs/toymix_gine/TIME >> docs/results/toymix.jsonl

The line is named by the content of the resolved experiment, so that a study can tell which of its
runs are done.
"""

import hashlib
import json
import sys
from pathlib import Path


def result_line(run: Path) -> dict[str, object]:
    """Return the figures of one run."""
    results = json.loads((run / "results.json").read_text())
    environment = json.loads((run / "environment.json").read_text())
    epochs = results["epochs"]
    return {
        "experiment": results["name"],
        "config_sha256": hashlib.sha256((run / "config.yaml").read_bytes()).hexdigest()[:16],
        "seed": results["seed"],
        "commit": environment["commit"],
        "torch": environment["packages"]["torch"],
        "threads": environment["threads"],
        "parameters": results["parameters"],
        "molecules": results["molecules"],
        "epochs": epochs,
        "best_epoch": results["best_epoch"],
        "train_seconds_per_epoch": round(results["train_seconds"] / epochs, 2),
        "molecules_per_second": results["molecules_per_second"],
        "val": {name: task.get("val") for name, task in results["tasks"].items()},
        "test": {name: task.get("test") for name, task in results["tasks"].items()},
    }


if __name__ == "__main__":
    for path in sys.argv[1:]:
        print(json.dumps(result_line(Path(path))))
