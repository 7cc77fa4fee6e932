"""Train multi-task foundation models on molecules, from tables of SMILES to a model's report."""

__version__ = "0.1.0"
