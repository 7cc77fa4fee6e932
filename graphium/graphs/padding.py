"""Gives a batch any larger shape, and takes that back.

Padding stands behind what is real: atoms of the first kind that belong to one last molecule, bonds
from such an atom to itself (dealt evenly, so that none hears of hundreds), and rows of labels that
are all missing and weigh nothing. It changes neither output nor loss of what is real.
"""

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from graphium.graphs.mol_batch import BatchShape, MolBatch, Padding, TaskLabels


def fits(real: BatchShape, shape: BatchShape) -> bool:
    """Return whether a batch can be padded to a shape: one atom and one molecule must be left."""
    return (
        real.atoms < shape.atoms
        and real.bonds <= shape.bonds
        and real.molecules < shape.molecules
        and all(rows <= shape.rows[name] for name, rows in real.rows.items())
    )


def pad(batch: MolBatch, shape: BatchShape) -> MolBatch:
    """Return the batch with padding behind it.

    Args:
        batch: Without padding; its bonds, if the shape has more, are of a kind.
        shape: What it ``fits`` into; labels have no more rows than there are molecules, atoms, ...
    """
    real = batch.shape
    assert batch.padding is None
    assert fits(real, shape), f"{real} does not fit into {shape}"
    first_atom, num_pad_atoms = real.atoms, shape.atoms - real.atoms
    loops = torch.arange(shape.bonds - real.bonds, device=batch.bond_index.device)
    loops = (first_atom + loops % num_pad_atoms).expand(2, -1)
    forth, back = _directions(batch)
    molecule = grow(batch.molecule, shape.atoms, shape.molecules - 1)
    return replace(
        batch,
        atom_code=grow(batch.atom_code, shape.atoms, 0),
        bond_code=grow(batch.bond_code, shape.bonds, 0),
        bond_index=torch.cat([forth, loops, back, loops], dim=1),
        molecule=molecule,
        num_molecules=shape.molecules,
        encodings={name: grow(x, shape.atoms, 0) for name, x in batch.encodings.items()},
        bond_encodings={name: grow(x, shape.bonds, 0) for name, x in batch.bond_encodings.items()},
        keys=grow(batch.keys, shape.molecules, -1),
        labels={
            name: _pad_labels(task, shape.rows[name], shape.atoms - 1)
            for name, task in batch.labels.items()
        },
        padding=Padding(molecule != shape.molecules - 1, real),
    )


def without_padding(batch: MolBatch) -> MolBatch:
    """Return what is real of a batch; one without padding is returned as it is."""
    if batch.padding is None:
        return batch
    real = batch.padding.real
    forth, back = _directions(batch)
    return replace(
        batch,
        atom_code=batch.atom_code[: real.atoms],
        bond_code=batch.bond_code[: real.bonds],
        bond_index=torch.cat([forth[:, : real.bonds], back[:, : real.bonds]], dim=1),
        molecule=batch.molecule[: real.atoms],
        num_molecules=real.molecules,
        encodings={name: x[: real.atoms] for name, x in batch.encodings.items()},
        bond_encodings={name: x[: real.bonds] for name, x in batch.bond_encodings.items()},
        keys=batch.keys[: real.molecules],
        labels={name: _first_rows(task, real.rows[name]) for name, task in batch.labels.items()},
        padding=None,
    )


def grow(values: Tensor, num_rows: int, filling: float) -> Tensor:
    """Return [num_rows, ...] the values with rows of ``filling`` behind them."""
    behind = (0, 0) * (values.ndim - 1) + (0, num_rows - len(values))  # the last axis comes first
    return F.pad(values, behind, value=filling)


def _directions(batch: MolBatch) -> tuple[Tensor, Tensor]:
    """Return [2, B] the bonds as they are written, and as they run back."""
    num_bonds = batch.num_bonds
    return batch.bond_index[:, :num_bonds], batch.bond_index[:, num_bonds:]


def _pad_labels(task: TaskLabels, num_rows: int, pad_atom: int) -> TaskLabels:
    """Add rows without a label. They point at rows that have some, each at another if possible."""
    num_real = len(task.rows)
    if task.pairs is not None:
        rows = torch.arange(num_rows, device=task.rows.device)
        pairs = grow(task.pairs, num_rows, pad_atom)
    else:
        place = torch.arange(num_rows, device=task.rows.device) % max(num_real, 1)
        rows, pairs = task.rows[place] if num_real else place, None
    values, weights = grow(task.values, num_rows, torch.nan), grow(task.weights, num_rows, 0)
    return TaskLabels(rows, values, weights, pairs)


def _first_rows(task: TaskLabels, count: int) -> TaskLabels:
    pairs = None if task.pairs is None else task.pairs[:count]
    return TaskLabels(task.rows[:count], task.values[:count], task.weights[:count], pairs)
