"""Positional encodings of a mix: read where a store keeps them, computed where it does not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphium.batching.join import Join
from graphium.config.encodings import AnyEncoding, EncodingLevel
from graphium.config.features import FeaturesConfig
from graphium.graphs.encodings.compute import Encoded, encode
from graphium.graphs.encodings.stacks import split_molecules
from graphium.graphs.encodings.widths import atom_encoding_widths, bond_encoding_widths
from graphium.graphs.mol_block import MolBlock, offsets, ragged_index
from graphium.store.blocks import select_molecules
from graphium.store.encodings import StoredEncoding, choose_stored, stored_encodings
from graphium.store.read import Store


@dataclass(frozen=True, slots=True)
class KeptEncodings:
    """What one store of a mix keeps of the encodings that an experiment asks for."""

    name: str
    """The dataset."""
    store: Store
    encodings: dict[str, StoredEncoding]
    """Those that are read, by kind."""
    others: list[str]
    """Kinds that it keeps, but not as they are asked for."""

    def lines(self) -> list[str]:
        """Return what is read and what is computed, in words; none where it keeps nothing asked."""
        lines = []
        for kind, one in self.encodings.items():
            off = f" (float16: off by {one.manifest.error:.1g})" if one.manifest.error else ""
            lines.append(f"{kind} of {self.name} is read from its store{off}")
        lines += [
            f"{kind} of {self.name} is computed: its store keeps it with other parameters, or in a "
            "precision that `features.encodings.stored` does not allow"
            for kind in self.others
        ]
        return lines

    def content(self) -> dict[str, str | list[str]]:
        """Return what tells these encodings from any others."""
        read = {kind: one.manifest.sha256 for kind, one in self.encodings.items()}
        return {**read, "others": self.others}


def look_up(stores: Mapping[str, Store], features: FeaturesConfig) -> list[KeptEncodings]:
    """Return what each store keeps; nothing where encodings are made batch by batch.

    Args:
        stores: Dataset -> its store.
        features: The ``features`` section.

    Raises:
        StoreError: If the manifest of an encoding is damaged.
    """
    asked = _asked(features) if features.encodings.compute == "ahead" else {}
    return [_look_up(name, store, asked, features) for name, store in stores.items()]


def encode_mix(
    kept: Sequence[KeptEncodings], join: Join, block: MolBlock, features: FeaturesConfig
) -> Encoded:
    """Return the encodings of all molecules of a mix.

    Args:
        kept: What each store keeps, in the order of the join.
        join: Which rows are which molecules.
        block: The M molecules of the join.
        features: The ``features`` section.

    Raises:
        StoreError: If an encoding that should be read is damaged.
    """
    asked = _asked(features)
    starts = offsets(np.array([one.store.num_molecules for one in kept]))
    mix = _Mix(join, block, starts, np.searchsorted(starts, join.taken_from, side="right") - 1)
    together: dict[tuple[bool, ...], list[str]] = {}
    for kind in asked:
        together.setdefault(tuple(kind in one.encodings for one in kept), []).append(kind)
    atoms: dict[str, Any] = {}
    bonds: dict[str, Any] = {}
    for has, kinds in together.items():  # computed together, they share what is costly
        encoded = mix.compute(features.with_encodings(kinds), np.array(has, bool))
        for number, one in enumerate(kept):
            if has[number]:
                for kind in kinds:
                    level = asked[kind].level
                    out = encoded.atoms if level == "node" else encoded.bonds
                    mix.read(number, one, kind, level, out)
        atoms |= encoded.atoms
        bonds |= encoded.bonds
    return Encoded(
        {name: atoms[name] for name in atom_encoding_widths(features.encodings)},
        {name: bonds[name] for name in bond_encoding_widths(features) if name in bonds},
    )


def encode_segment(
    kept: KeptEncodings, segment: int, block: MolBlock, features: FeaturesConfig
) -> Encoded:
    """Return the encodings of the molecules of one segment of a store.

    Args:
        kept: What the store keeps.
        segment: Its number.
        block: Its molecules.
        features: The ``features`` section.

    Raises:
        StoreError: If an encoding that should be read is damaged.
    """
    asked = _asked(features)
    absent = [kind for kind in asked if kind not in kept.encodings]
    found: dict[str, Any] = {}
    if absent:
        molecules = split_molecules(block.num_atoms, block.num_bonds, block.bond_ends)
        encoded = encode(molecules, features.with_encodings(absent))
        found = {**encoded.atoms, **encoded.bonds}
    for stored in kept.encodings.values():
        found |= stored.read(segment)
    return Encoded(
        {name: found[name] for name in atom_encoding_widths(features.encodings)},
        {name: found[name] for name in bond_encoding_widths(features) if name in found},
    )


@dataclass(frozen=True, slots=True)
class _Mix:
    """M molecules, and where each comes from."""

    join: Join
    block: MolBlock
    """The M molecules."""
    starts: NDArray[np.int64]
    """[stores + 1] first row of each store among all T."""
    origin: NDArray[np.int64]
    """[M] store that each molecule is taken from."""

    def compute(self, features: FeaturesConfig, is_kept: NDArray[np.bool_]) -> Encoded:
        """Return encodings that hold zeros for the molecules of stores that keep them."""
        missing = np.flatnonzero(~is_kept[self.origin])
        part = self.block if not is_kept.any() else select_molecules(self.block, missing)
        encoded = encode(split_molecules(part.num_atoms, part.num_bonds, part.bond_ends), features)
        if not is_kept.any():
            return encoded
        return Encoded(
            {name: self._spread(one, missing, "node") for name, one in encoded.atoms.items()},
            {name: self._spread(one, missing, "edge") for name, one in encoded.bonds.items()},
        )

    def read(
        self,
        number: int,
        kept: KeptEncodings,
        kind: str,
        level: EncodingLevel,
        out: dict[str, NDArray[np.float32]],
    ) -> None:
        """Fill in what one store keeps of one encoding."""
        stored = kept.encodings[kind]
        stored.check()
        rows, target = self._rows(level)
        ours = np.flatnonzero(self.origin == number)
        place = self.join.taken_from[ours] - self.starts[number]  # molecule of the store
        first = 0
        for segment, record in enumerate(kept.store.record.segments):
            here = (place >= first) & (place < first + record.molecules)
            if here.any():
                begin = self.starts[number] + first
                of_segment = offsets(rows[begin : begin + record.molecules])
                molecules, inside = ours[here], place[here] - first
                lengths = np.diff(of_segment)[inside]
                source = ragged_index(of_segment[inside], lengths)
                goal = ragged_index(target[molecules], lengths)
                for name, values in stored.read(segment).items():
                    out[name][goal] = values[source]
            first += record.molecules

    def _rows(self, level: EncodingLevel) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Return [T] atoms or bonds of each row, and [M + 1] the first of each molecule."""
        if level == "node":
            return self.join.block.num_atoms, self.block.atom_offsets()
        return self.join.block.num_bonds, self.block.bond_offsets()

    def _spread(
        self, values: NDArray[np.float32], molecules: NDArray[np.int64], level: EncodingLevel
    ) -> NDArray[np.float32]:
        """Put the rows of some molecules where they are among those of all; the rest is 0."""
        target = self._rows(level)[1]
        out = np.zeros((int(target[-1]), values.shape[1]), np.float32)
        out[ragged_index(target[molecules], np.diff(target)[molecules])] = values
        return out


def _asked(features: FeaturesConfig) -> dict[str, AnyEncoding]:
    return {**features.encodings.at("node"), **features.encodings.at("edge")}


def _look_up(
    name: str, store: Store, asked: dict[str, AnyEncoding], features: FeaturesConfig
) -> KeptEncodings:
    stored = stored_encodings(store)
    found = {
        kind: one
        for kind, config in asked.items()
        if (one := choose_stored(stored, kind, config, features.encodings)) is not None
    }
    kinds = {one.plan.kind: None for one in stored}  # in their order on disk, each once
    return KeptEncodings(
        name, store, found, [kind for kind in kinds if kind in asked and kind not in found]
    )
