"""A trained model, ready to be asked: ``load_model(path).predict(smiles)``."""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from graphium.apply.decode import column_names, prediction_columns
from graphium.batching.collate import collate
from graphium.batching.pack import pack_block
from graphium.checkpoint.load import (
    check_featurizer,
    find_checkpoint,
    read_experiment,
    read_model,
)
from graphium.config.experiment import Experiment
from graphium.config.tasks import TaskSpec
from graphium.errors import CheckpointError, UsageError, counted
from graphium.graphs.levels import level_sizes
from graphium.graphs.mol_batch import MolBatch
from graphium.graphs.mol_block import MolBlock, RowStatus
from graphium.graphs.reasons import MEANINGS, syntax_note
from graphium.molecules.featurize import FeaturizedChunk
from graphium.nn.build import build_network
from graphium.nn.network import Network
from graphium.store.featurizer import Featurizer
from graphium.store.limits import Limits
from graphium.training.evaluation import to_units

_LOG = logging.getLogger(__name__)
_T = TypeVar("_T")

CHUNK = 4_096
"""Rows featurised at once."""


@dataclass(frozen=True, slots=True)
class Embedded:
    """Vectors of S rows."""

    values: NDArray[np.float32]
    """[S, C]; NaN where a row is no molecule."""
    errors: list[str | None]
    """[S] why a row is no molecule."""


class Model:
    """A trained network in evaluation mode, with all it needs to read SMILES.

    No SMILES makes it hang or ends the program: but for a few short ones, they are read by a worker
    process, which is started by the first call that needs it and kept for the next.

    Args:
        network: The network; moved to ``device``.
        experiment: What it was trained with.
        specs: Its tasks.
        device: Where to compute.
        limits: What a row may cost before it is refused; by default that of ``Limits``.
    """

    def __init__(
        self,
        network: Network,
        experiment: Experiment,
        specs: Sequence[TaskSpec],
        device: torch.device | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.device = device or torch.device("cpu")
        self.network = network.to(self.device).eval()
        self.experiment = experiment
        self.specs = tuple(specs)
        self._featurize = Featurizer(experiment.hydrogens, limits, experiment.conformers)

    def predict(
        self, smiles: Sequence[str | None], *, batch_size: int | None = None
    ) -> pd.DataFrame:
        """Predict every task for S molecules.

        For each label there is a column ``<label>_predicted`` (``<task>.<label>_predicted`` where
        tasks share a name): numbers in the unit of the label; the probability of 1 for 0/1 labels;
        for classes the most likely one, by name or number, and a column ``<label>_p0``,
        ``<label>_p1``, ... with the probability of each. Cells of node-level (edge-level) tasks are
        lists with one entry for each atom (bond) of the graph, in the order of the SMILES; which
        hydrogens are atoms is what the training datasets' option ``hydrogens`` said. Those of
        nodepair-level tasks have one for each pair of atoms, (0, 1), (0, 2), ..., (n - 2, n - 1):
        some 16 n^2 bytes for a molecule of n atoms.

        Args:
            smiles: S SMILES; a mol block may stand in place of one, and lists of its atoms and
                bonds are in its order then.
            batch_size: Molecules computed at once; by default ``batch.eval_size`` of the
                experiment. It changes no number beyond float32 rounding.

        Returns:
            S rows in the order of ``smiles``. Column ``error`` says why a row has no prediction
            (NaN or None); it is None elsewhere.
        """
        _refuse_one(smiles)
        frames = [
            self._predict_chunk(texts, chunk, batch_size or self.experiment.batch.eval_size)
            for texts, chunk in self._chunks(smiles)
        ]
        return pd.concat(frames, ignore_index=True)

    def embed(
        self, smiles: Sequence[str | None], *, batch_size: int | None = None
    ) -> NDArray[np.float32]:
        """Return [S, C] what the trunk knows of each molecule; NaN where a row is no molecule."""
        return self.embed_rows(smiles, batch_size=batch_size).values

    def embed_rows(
        self, smiles: Sequence[str | None], *, batch_size: int | None = None
    ) -> Embedded:
        """Do as ``embed`` and say also why rows failed."""
        _refuse_one(smiles)
        values, errors = [], []
        for texts, chunk in self._chunks(smiles):
            pieces = self._run(
                chunk.block, batch_size or self.experiment.batch.eval_size, self.network.embed
            )
            # An empty batch has no rows and the right number of columns.
            known = torch.cat([piece.float().cpu() for piece in pieces]).numpy()
            out = np.full((len(chunk.status), known.shape[1]), np.nan, np.float32)
            out[chunk.rows] = known
            values.append(out)
            errors += _errors(texts, chunk)
        return Embedded(np.concatenate(values), errors)

    def _chunks(
        self, smiles: Sequence[str | None]
    ) -> Iterator[tuple[Sequence[str | None], FeaturizedChunk]]:
        starts = range(0, max(len(smiles), 1), CHUNK)
        lists = [smiles[first : first + CHUNK] for first in starts]
        for texts, chunk in zip(lists, self._featurize(lists), strict=True):
            _warn_of_missing_coordinates(self.experiment, chunk.block)
            yield texts, chunk

    def _predict_chunk(
        self, texts: Sequence[str | None], chunk: FeaturizedChunk, batch_size: int
    ) -> pd.DataFrame:
        outputs = list(self._run(chunk.block, batch_size, self._answer))
        columns: dict[str, pd.Series] = {}
        for spec, names in zip(self.specs, column_names(self.specs), strict=True):
            values = torch.cat([out[spec.name] for out in outputs]).numpy()
            lengths = level_sizes(spec.level, chunk.block.num_atoms, chunk.block.num_bonds)
            columns |= prediction_columns(
                spec, names, values, chunk.rows, lengths, len(chunk.status)
            )
        columns["error"] = pd.Series(_errors(texts, chunk), dtype=object)
        return pd.DataFrame(columns)

    def _answer(self, batch: MolBatch) -> dict[str, Tensor]:
        """Return what users read of every task, on the CPU."""
        outputs = self.network(batch)
        return {spec.name: to_units(spec, outputs[spec.name]).float().cpu() for spec in self.specs}

    def _run(
        self, block: MolBlock, batch_size: int, function: Callable[[MolBatch], _T]
    ) -> Iterator[_T]:
        """Apply a function of the network to all molecules, at least to one (empty) batch."""
        graphs = pack_block(block, self.experiment.features)
        for first in range(0, max(block.num_molecules, 1), batch_size):
            molecules = np.arange(first, min(first + batch_size, block.num_molecules))
            with torch.inference_mode():
                yield function(collate(graphs, {}, molecules, {}).to(self.device))


def load_model(path: str | Path, *, device: str = "cpu", limits: Limits | None = None) -> Model:
    """Load a model for prediction.

    Args:
        path: A run directory (its best checkpoint is taken) or one checkpoint.
        device: ``cpu``, ``cuda`` or ``cuda:N`` (unverified: no GPU has run it yet).
        limits: What a row may cost before it is refused; by default that of ``Limits``.

    Raises:
        CheckpointError: If there is no checkpoint, or it is damaged or of an unknown version.
        UsageError: If this machine has no such device.
    """
    record, weights = read_model(find_checkpoint(Path(path)))
    check_featurizer(record, Path(path))
    experiment = read_experiment(record, Path(path))
    network = build_network(experiment.model, experiment.features, record.tasks)
    own = {name: value.shape for name, value in network.state_dict().items()}
    if own != {name: value.shape for name, value in weights.items()}:
        raise CheckpointError(
            f"the weights of {path} do not fit its own options; it was written by graphium "
            f"{record.graphium_version}, whose network was another one. Use that version, or train "
            "it again"
        )
    network.load_state_dict(dict[str, Tensor](weights))
    return Model(network, experiment, record.tasks, _device(device), limits)


def _refuse_one(smiles: object) -> None:
    if isinstance(smiles, str):  # a string is a sequence of strings, too
        raise UsageError(f"give a list of SMILES: ['{smiles}'], not '{smiles}'")


def _warn_of_missing_coordinates(experiment: Experiment, block: MolBlock) -> None:
    """Say where a model that reads coordinates has none to read."""
    how = experiment.conformers
    if how is None or block.positions is None or not block.num_molecules:
        return
    unknown = np.isnan(block.positions).any(axis=1)
    starts = block.atom_offsets()[:-1]
    count = int(np.logical_or.reduceat(unknown, starts).sum())
    if count:
        why = (
            "it was trained on coordinates that the table gives: take an SDF, or SMILES with "
            "coordinates behind them"
            if how.kind == "given"
            else "no conformer could be made of them"
        )
        _LOG.warning(
            "%s of %d without coordinates, which this model reads: it takes 0 for their "
            "conformer features (%s)",
            *(counted(count, "molecule"), block.num_molecules, why),
        )


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UsageError(f"there is no device '{name}'; use cpu, cuda or cuda:N") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UsageError(
            f"device '{name}' was asked for and this machine has {torch.cuda.device_count()} "
            "CUDA devices; use cpu"
        )
    return device


def _errors(texts: Sequence[str | None], chunk: FeaturizedChunk) -> list[str | None]:
    return [
        _error(text, RowStatus(status))
        for text, status in zip(texts, chunk.status.tolist(), strict=True)
    ]


def _error(text: str | None, status: RowStatus) -> str | None:
    if status == RowStatus.OK:
        return None
    note = syntax_note(text) if status == RowStatus.SYNTAX and isinstance(text, str) else None
    return f"{status.name.lower()}: {note or MEANINGS[status]}"
