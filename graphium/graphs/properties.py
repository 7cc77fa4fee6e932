"""The properties of atoms and bonds that a store keeps, as columns of small integers.

``graphium/molecules/getters.py`` fills them from RDKit; ``graphium/graphs/features.py`` turns them
into the features that an experiment chooses. Changing this list changes ``FEATURIZER_VERSION``.
"""

FEATURIZER_VERSION = 1
"""Part of every store's name: a new version prepares anew."""

ATOM_PROPERTIES = (
    "atomic_number",
    "formal_charge",
    "isotope",
    "radical_electrons",
    "explicit_hydrogens",
    "implicit_hydrogens",
    "degree",
    "explicit_valence",
    "implicit_valence",
    "hybridization",
    "chiral_tag",
    "cip_code",
    "is_aromatic",
    "ring_sizes",
    "num_rings",
    "min_ring",
    "max_ring",
    "num_single_bonds",
    "num_double_bonds",
    "num_triple_bonds",
    "num_aromatic_bonds",
)
"""Columns of ``MolBlock.atom_table``. ``ring_sizes`` has bit k for a ring of k + 3 atoms (k < 12);
``min_ring`` and ``max_ring`` are 0 outside rings. ``cip_code`` is 0 none, 1 R, 2 S, 3 r, 4 s.
``hybridization`` and ``chiral_tag`` are RDKit's enum numbers (the tag depends on the order of the
atoms, the code does not). ``isotope`` is 0 unless labelled. The implicit columns count hydrogens
that RDKit adds, the explicit ones all else; bonds are those between the atoms of the graph."""

BOND_PROPERTIES = (
    "bond_type",
    "stereo",
    "is_conjugated",
    "is_in_ring",
    "begin_atomic_number",
    "end_atomic_number",
)
"""Columns of ``MolBlock.bond_table``: RDKit's enum numbers, flags, and the elements at the ends
(smaller first), from which the estimated bond length follows."""
