"""The whole experiment, and the checks that involve several sections.

``extends:`` and ``key=value`` are resolved before (``compose.py``); they are no options here.
"""

from collections.abc import Iterator
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from graphium.config.base import Section
from graphium.config.data import ConformersConfig, DatasetConfig, Hydrogens
from graphium.config.features import FeaturesConfig
from graphium.config.keys import KeysConfig
from graphium.config.model import ModelConfig
from graphium.config.optimizers import AdamWConfig, OptimizerConfig
from graphium.config.tasks import TaskConfig
from graphium.config.training import (
    BatchConfig,
    FinetuneConfig,
    ReportConfig,
    TrainerConfig,
    WandbConfig,
)
from graphium.errors import FieldError, GroupedFieldError

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
"""A name that can be part of a path: runs, datasets and tasks name folders and files."""


class Experiment(Section):
    """Everything one run needs to know; what is absent has the default shown here."""

    name: Name
    """Name of the run directory."""
    seed: int = Field(default=42, ge=0)
    """Seed of initial weights, order of molecules and dropout; splits have their own."""
    datasets: dict[Name, DatasetConfig] = Field(min_length=1)
    """Tables by name."""
    keys: KeysConfig = KeysConfig()
    """Which rows are the same molecule, and which molecules a split keeps together."""
    features: FeaturesConfig = FeaturesConfig()
    """What the network reads."""
    tasks: dict[Name, TaskConfig] = Field(min_length=1)
    """What the network learns, by name."""
    model: ModelConfig = ModelConfig()
    """The network."""
    batch: BatchConfig = BatchConfig()
    """Molecules per step."""
    optimizer: OptimizerConfig = AdamWConfig()
    """Steps."""
    trainer: TrainerConfig = TrainerConfig()
    """The loop and the machine."""
    finetune: FinetuneConfig | None = None
    """Start from a checkpoint."""
    wandb: WandbConfig | None = None
    """Track with Weights & Biases beside the csv that is always written."""
    report: ReportConfig = ReportConfig()
    """The page written after training."""

    @model_validator(mode="after")
    def _sections_fit_together(self) -> "Experiment":
        errors = [
            *self._unknown_datasets(),
            *self._unknown_classes(),
            *self._unknown_heads(),
            *self._different_hydrogens(),
            *self._unread_encodings(),
            *self._missing_conformers(),
            *self._unknown_shares(),
            *self._absent_gpu(),
            *self._unstreamed(),
            *self._undivided(),
        ]
        if errors:
            raise GroupedFieldError(errors)
        return self

    @classmethod
    def model_validate(cls, obj: Any, **options: Any) -> Self:
        """Build an experiment from plain values, as from YAML: ``kind`` may be left out."""
        from graphium.config.options import ROOT, with_default_kinds  # they know this class

        return super().model_validate(with_default_kinds(obj, ROOT), **options)

    @property
    def hydrogens(self) -> Hydrogens:
        """Which hydrogens are atoms of the graphs: what all datasets say."""
        return next(iter(self.datasets.values())).hydrogens

    @property
    def conformers(self) -> ConformersConfig | None:
        """How to embed molecules, where the network reads coordinates: what all datasets say."""
        if not self.features.reads_conformers:
            return None
        return next(iter(self.datasets.values())).conformers

    def _missing_conformers(self) -> Iterator[FieldError]:
        if not self.features.reads_conformers:
            return
        for name, dataset in self.datasets.items():
            if dataset.conformers is None:
                yield FieldError(
                    ("datasets", name, "conformers"),
                    "the features read coordinates of atoms, and this dataset has none; add "
                    "`conformers: {kind: etkdg}` (or `{kind: given}` where the table gives them)",
                )
            elif self.conformers is not None and dataset.conformers != self.conformers:
                yield FieldError(
                    ("datasets", name, "conformers"),
                    f"differs from those of datasets.{next(iter(self.datasets))}; one network "
                    "reads conformers of one kind, so give all datasets the same options",
                )

    def _different_hydrogens(self) -> Iterator[FieldError]:
        first = next(iter(self.datasets))
        for name, dataset in self.datasets.items():
            if dataset.hydrogens != self.hydrogens:
                yield FieldError(
                    ("datasets", name, "hydrogens"),
                    f"'{dataset.hydrogens}' here and '{self.hydrogens}' in datasets.{first}: one "
                    "molecule would have two graphs; give all datasets the same value",
                )

    def _unknown_datasets(self) -> Iterator[FieldError]:
        for name, task in self.tasks.items():
            if task.dataset not in self.datasets:
                yield FieldError(
                    ("tasks", name, "dataset"),
                    f"there is no dataset '{task.dataset}'; "
                    f"datasets has {', '.join(self.datasets)}",
                )

    def _unknown_shares(self) -> Iterator[FieldError]:
        sampling = self.batch.sampling
        named: dict[str, float] = {}
        if sampling.kind == "fractions":
            named = sampling.fractions
        elif sampling.kind == "weights":
            named = sampling.weights
            for name in self.datasets:
                if name not in named:
                    yield FieldError(
                        ("batch", "sampling", "weights"),
                        f"dataset '{name}' has no weight; 0 leaves it out",
                    )
        for name in named:
            if name not in self.datasets:
                yield FieldError(
                    ("batch", "sampling", sampling.kind, name),
                    f"there is no dataset '{name}'; datasets has {', '.join(self.datasets)}",
                )

    def _absent_gpu(self) -> Iterator[FieldError]:
        if self.batch.held_in == "cuda" and self.trainer.accelerator == "cpu":
            yield FieldError(
                ("batch", "held_in"),
                "cuda holds the molecules on the GPU that trains, and trainer.accelerator is cpu; "
                "use ram or mmap, or another accelerator",
            )

    def _unstreamed(self) -> Iterator[FieldError]:
        if self.batch.held_in != "stream":
            return
        if self.batch.sampling.kind != "each":
            yield FieldError(
                ("batch", "sampling"),
                f"'{self.batch.sampling.kind}' needs all molecules at hand, and batch.held_in is "
                "stream, which visits each row once in an epoch; use each, or held_in: mmap",
            )
        if self.batch.shape == "static":
            yield FieldError(
                ("batch", "shape"),
                "static batches are filled from molecules of all sizes, and batch.held_in is "
                "stream, which holds few at a time; use varying, or held_in: mmap",
            )
        ranks = self.trainer.devices * self.trainer.num_nodes
        if ranks > self.batch.lanes:
            yield FieldError(
                ("batch", "lanes"),
                f"{ranks} ranks stream from {self.batch.lanes} lanes, of which each rank needs one "
                f"at least; use {ranks} or more, or train on fewer devices",
            )
        for name, dataset in self.datasets.items():
            if dataset.duplicates == "missing":
                yield FieldError(
                    ("datasets", name, "duplicates"),
                    "rows of one molecule are not compared where batch.held_in is stream; use "
                    "merge (each row is then visited with its own labels) or error, or "
                    "held_in: mmap",
                )

    def _undivided(self) -> Iterator[FieldError]:
        if self.trainer.parallel != "fsdp":
            return
        if self.trainer.precision == "16-mixed":
            yield FieldError(
                ("trainer", "precision"),
                "16-mixed looks for overflows in the gradient, of which each rank has a share "
                "alone where trainer.parallel is fsdp; use bf16-mixed or 32, or parallel: ddp",
            )
        if self.model.trunk.norm == "batch":
            yield FieldError(
                ("model", "trunk", "norm"),
                "batch keeps running statistics, which would differ between ranks where "
                "trainer.parallel is fsdp; use layer, or parallel: ddp",
            )

    def _unknown_classes(self) -> Iterator[FieldError]:
        for name, task in self.tasks.items():
            if task.dataset not in self.datasets:
                continue
            if not task.is_multiclass or task.num_classes is not None or task.bins:
                continue
            categories = self.datasets[task.dataset].categories
            for label in task.labels:
                if label not in categories:
                    yield FieldError(
                        ("tasks", name, "num_classes"),
                        f"the number of classes of '{label}' is not known; give num_classes, or "
                        f"the class names under datasets.{task.dataset}.categories",
                    )

    def _unknown_heads(self) -> Iterator[FieldError]:
        for name in self.model.heads:
            if name not in self.tasks:
                yield FieldError(
                    ("model", "heads", name),
                    f"there is no task '{name}'; tasks has {', '.join(self.tasks)}",
                )

    def _unread_encodings(self) -> Iterator[FieldError]:
        if self.model.trunk.reads_bonds:
            return
        if "conformer-bond-length" in self.features.bonds:
            yield FieldError(
                ("features", "bonds"),
                f"a trunk of kind '{self.model.trunk.kind}' does not read 'conformer-bond-length'; "
                "leave it out, or choose a trunk that reads bonds (gine)",
            )
        for name in self.features.encodings.at("edge"):
            yield FieldError(
                ("features", "encodings", name, "level"),
                f"encodings of bonds are not read by a trunk of kind '{self.model.trunk.kind}'; "
                "say level: node, or choose a trunk that reads bonds (gine)",
            )
