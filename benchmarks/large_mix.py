"""Memory of a mix of the shape of LargeMix: prepared, opened, and one epoch of its batches.

Real molecules with invented labels: 300,000 rows of 1,328 binary columns of which a tenth is known,
about 27,000 of 978 genes in three classes, and 670,000 of 25 numbers of the molecule and 4 of each
atom: a million rows. Batches are those of training (1,024 molecules, random-walk encodings computed
for each); no network is trained.

Peak of the sum of the proportional set sizes of all processes, in MB (``memory.py``): of
``prepare``, of opening (imports included) and of one epoch; ``opened`` is what stays when the mix
is open. ``ram`` joins the stores and keeps the arrays; ``mmap`` joins them, writes them and maps
what was written; ``mapped`` is the next process. What is in the folder is not made again.

Run: python benchmarks/large_mix.py [share of the rows [share of PCQM4M's [folder, which stays]]]
(needs $GRAPHIUM_TEST_DATA and Linux; most of the time is PCQM4M's; ``0.02`` shows that it works)
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import yaml
from memory import LOOK_EVERY, WORKERS, of_session, pss

ROWS = {"l1000_vcap": 15_220, "l1000_mcf7": 11_622, "pcba_1328": 300_000, "pcqm4m": 670_000}
TARGET = {"target_mb": 4_000}
SIZE = 1_024
ROOT = Path(__file__).parents[1]
OPENINGS = (("ram", "ram"), ("mmap", "mmap"), ("mapped", "mmap"))


def main(share: float, share_of_atoms: float, folder: Path) -> None:
    experiment = generate(share, share_of_atoms, folder)
    os.environ["GRAPHIUM_DATA"] = str(folder)
    os.environ["GRAPHIUM_CACHE_DIR"] = str(folder / "cache")
    tables = json.loads((folder / "largemix" / "generated.json").read_text())["tables"]
    about = {"rows": {name: table["rows"] for name, table in tables.items()}}
    words = ["data", "prepare", str(experiment), "--workers", str(WORKERS)]
    command = [sys.executable, "-c", "from graphium.cli.main import main; main()", *words]
    commands = {"prepare": command}
    for name, to in OPENINGS:
        commands[name] = [sys.executable, __file__, "batches", str(experiment), to]
    for name, command in commands.items():
        print(json.dumps({"phase": name, **about, **watch(command), **TARGET}), flush=True)


def generate(share: float, share_of_atoms: float, folder: Path) -> Path:
    """Write the tables, if they are not there, and the experiment."""
    smiles = Path(os.environ["GRAPHIUM_TEST_DATA"]) / "smiles" / "smiles_pool.parquet"
    recipe = yaml.safe_load((ROOT / "data" / "largemix" / "generate.yaml").read_text())
    for name, rows in ROWS.items():
        table = recipe["tables"][name]
        table["rows"] = round((share_of_atoms if name == "pcqm4m" else share) * rows)
        if name.startswith("l1000"):
            table["file"] = table["file"].replace("0-4", "0-2_th2")
            table["columns"][0]["shares"] = [0.05, 0.9, 0.05]
    made = folder / "largemix"
    if not (made / "generated.json").is_file():
        made.mkdir(parents=True)
        (made / "generate.yaml").write_text(yaml.safe_dump(recipe))
        words = [str(made / "generate.yaml"), "--rows", "1000000", "--smiles", str(smiles)]
        code = "from graphium.cli.main import main; main()"
        command = [sys.executable, "-c", code, "data", "generate", *words, "--to", str(made)]
        subprocess.run([*command, "--repeat"], check=True, stdout=subprocess.DEVNULL)
    three_classes = yaml.safe_load((ROOT / "data" / "largemix" / "three_classes.yaml").read_text())
    experiment = {
        "extends": str(ROOT / "expts" / "largemix" / "gine.yaml"),
        "datasets": three_classes["datasets"],
        "tasks": three_classes["tasks"],
        "name": "large_mix",
        "features": {"encodings": {"laplacian": None, "compute": "step"}},
        "batch": {"size": SIZE},
    }
    path = folder / "experiment.yaml"
    path.write_text(yaml.safe_dump(experiment))
    return path


def watch(command: list[str]) -> dict[str, object]:
    """Run a command; return the peak in MB of all its processes, of each part that it announces."""
    process = subprocess.Popen(
        command, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    texts: list[str] = []
    announced: list[dict[str, object]] = []
    threads = [
        threading.Thread(target=lambda: texts.append(process.stderr.read())),
        threading.Thread(target=lambda: announced.extend(_announced(process.stdout))),
    ]
    for thread in threads:
        thread.start()
    peaks, started = [0.0], time.perf_counter()
    while process.poll() is None:
        total = sum(pss(pid) for pid in of_session(process.pid))
        if len(peaks) <= len(announced):
            peaks.append(0.0)
        peaks[-1] = max(peaks[-1], total)
        try:
            process.wait(LOOK_EVERY)
        except subprocess.TimeoutExpired:
            continue
    for thread in threads:
        thread.join()
    if process.returncode:
        sys.exit(texts[0])
    found: dict[str, object] = {"peak_mb": round(max(peaks))}
    if announced:
        found = {"open_peak_mb": round(peaks[0]), "epoch_peak_mb": round(max(peaks[1:]))}
    for one in announced:
        found |= one
    return found | {"seconds": round(time.perf_counter() - started, 1)}


def _announced(lines: Iterable[str]) -> Iterator[dict[str, object]]:
    return (json.loads(line) for line in lines if line.startswith("{"))


def batches(path: Path, to: str) -> None:
    """Open the mix and make every training batch of one epoch."""
    from graphium.batching.datamodule import MolDataModule
    from graphium.batching.mix import open_mix
    from graphium.config.load import load_config
    from graphium.store.prepare import cache_root

    experiment = load_config(path).experiment
    before, start = pss(os.getpid()), time.process_time()
    mix = open_mix(experiment, cache_root(), to=to)
    opened = {"imports_mb": round(before), "opened_mb": round(pss(os.getpid()))}
    opened["open_cpu_s"] = round(time.process_time() - start, 1)
    print(json.dumps(opened), flush=True)
    molecules, start = 0, time.process_time()
    for batch in MolDataModule(mix, experiment).train_dataloader():
        molecules += batch.num_molecules
    seconds = time.process_time() - start
    print(json.dumps({"molecules": molecules, "epoch_cpu_s": round(seconds, 1)}), flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["batches"]:
        batches(Path(sys.argv[2]), sys.argv[3])
    else:
        share = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
        share_of_atoms = float(sys.argv[2]) if len(sys.argv) > 2 else share
        if len(sys.argv) > 3:
            main(share, share_of_atoms, Path(sys.argv[3]))
        else:
            with tempfile.TemporaryDirectory() as name:
                main(share, share_of_atoms, Path(name))
