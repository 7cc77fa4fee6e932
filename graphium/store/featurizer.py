"""Featurised chunks for prediction, made so that no SMILES can hang or end the program.

The work is done in a watched worker process (``pool.py``), which is started when it is first needed
and then kept. A few short texts are read here: that they cannot take long has been measured
(docs/decisions/0015), and a program that asks for one molecule at a time waits for no process.
"""

import weakref
from collections.abc import Iterator, Sequence

import pyarrow as pa

from graphium.config.data import ConformersConfig, Hydrogens
from graphium.molecules.featurize import FeaturizedChunk, featurize_chunk
from graphium.store.chunk_bytes import unpack_chunk
from graphium.store.limits import Limits
from graphium.store.pool import Job, WorkerPool

FEW = 64
"""Rows that are read here, if each is short."""
SHORT = 128
"""Characters of a short text."""


class Featurizer:
    """Makes chunks of lists of SMILES; which process makes them changes no number.

    Args:
        hydrogens: Which hydrogens are atoms.
        limits: What a row may cost before it is refused; by default that of ``Limits``.
        conformers: How to embed the molecules, where their coordinates are read. Then all of them
            are read by the worker.
    """

    def __init__(
        self,
        hydrogens: Hydrogens = "implicit",
        limits: Limits | None = None,
        conformers: ConformersConfig | None = None,
    ) -> None:
        self._hydrogens = hydrogens
        self._limits = limits
        self._conformers = conformers
        self._pool: WorkerPool | None = None

    def __call__(self, lists: Sequence[Sequence[str | None]]) -> Iterator[FeaturizedChunk]:
        """Yield a chunk for each list, the next one being made meanwhile.

        Anything that is not text is a row without SMILES.

        Raises:
            StoreError: If no worker can be started.
        """
        texts = [[text if isinstance(text, str) else None for text in one] for one in lists]
        if self._conformers is None and _is_little(texts):
            for some in texts:
                yield featurize_chunk(some, self._hydrogens, ranks=False)
            return
        is_done = False
        try:
            for content in self._workers().run_in_order(map(self._job, texts)):
                yield unpack_chunk(content)
            is_done = True
        finally:
            if not is_done:  # interrupted, or nobody wants the rest
                self.close()

    def _workers(self) -> WorkerPool:
        if self._pool is None:
            self._pool = WorkerPool(1, self._limits)
            weakref.finalize(self, self._pool.close, at_once=True)
        return self._pool

    def _job(self, smiles: Sequence[str | None]) -> Job:
        # As bytes: a text may hold what no UTF-8 can, and is then refused like any other.
        cells = [None if text is None else text.encode("utf-8", "surrogatepass") for text in smiles]
        rows = pa.table({"smiles": pa.array(cells, pa.binary())})
        how = None if self._conformers is None else self._conformers.model_dump(mode="json")
        header = {"kind": "featurize", "hydrogens": self._hydrogens, "conformers": how}
        return Job(header, rows, f"the features of {len(smiles)} rows")

    def close(self) -> None:
        """End the worker now, if there is one; another is started when it is needed."""
        if self._pool is not None:
            self._pool.close(at_once=True)
            self._pool = None


def _is_little(lists: Sequence[Sequence[str | None]]) -> bool:
    if sum(map(len, lists)) > FEW:
        return False
    return all(text is None or len(text) <= SHORT for one in lists for text in one)
