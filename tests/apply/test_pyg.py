"""A store as a list of PyTorch Geometric's ``Data``, and such a list as a table."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch_geometric.data import Data, InMemoryDataset
from torch_geometric.loader import DataLoader
from torch_geometric.utils import from_smiles

from graphium.apply.pyg_export import export_pyg
from graphium.apply.pyg_import import read_pyg, table_from_pyg
from graphium.config.data import DatasetConfig
from graphium.config.features import FeaturesConfig
from graphium.errors import DataError, UsageError
from graphium.graphs.features import atom_features, bond_features
from graphium.graphs.levels import level_sizes
from graphium.store.prepare import prepare_dataset
from graphium.store.read import open_store

SMILES = ["C", "CCO", "c1ccccc1", "CC(=O)[O-].[Na+]", "C[C@H](N)O", "F/C=C/F", "[2H]C"]
ATOMS = np.array([1, 3, 6, 5, 4, 4, 2])
BONDS = np.array([0, 2, 6, 3, 3, 3, 1])


def make_table(path, num_rows=40):
    """Labels at every level, many missing, in the order of the columns of a store."""
    random = np.random.default_rng(1)
    rows = []
    for number in range(num_rows):
        which = number % len(SMILES)
        row = {"smiles": SMILES[which], "kind": [None, "a", "b"][number % 3]}
        row["assay"] = [0.0, 1.0, None][number % 3]
        row["y"] = random.normal() if number % 4 else None
        for level, name in (("node", "charge"), ("edge", "length"), ("nodepair", "distance")):
            size = int(level_sizes(level, ATOMS[which : which + 1], BONDS[which : which + 1])[0])
            labels = random.normal(size=size).tolist()
            row[name] = labels if (number + len(name)) % 3 else None
        rows.append(row)
    rows[5]["smiles"] = "no molecule"
    pd.DataFrame(rows).to_parquet(path)


LEVELS = {"charge": "node", "length": "edge", "distance": "nodepair"}


def prepare(table, root, **options):
    config = DatasetConfig(table=str(table), **{"levels": LEVELS, **options})
    return open_store(prepare_dataset("pyg", config, root, workers=1, segment_rows=15))


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pyg")
    make_table(folder / "table.parquet")
    return prepare(folder / "table.parquet", folder)


def assert_equal_content(first, second):
    """Graphs, SMILES, and labels at every level are the same, molecule by molecule."""
    one, two = first.graphs(), second.graphs()
    assert first.smiles() == second.smiles()
    for name in ("num_atoms", "num_bonds", "bond_ends", "atom_rank"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name), err_msg=name)
    np.testing.assert_array_equal(one.atom_table[one.atom_code], two.atom_table[two.atom_code])
    np.testing.assert_array_equal(one.bond_table[one.bond_code], two.bond_table[two.bond_code])
    numbers = [column.name for column in first.columns if column.kind == "number"]
    assert sorted(numbers) == sorted(c.name for c in second.columns if c.kind == "number")
    for name in numbers:
        labels, others = first.labels([name]), second.labels([name])
        assert labels.level == others.level
        np.testing.assert_array_equal(labels.rows, others.rows, err_msg=name)
        np.testing.assert_array_equal(labels.values, others.values, err_msg=name)
    for column in first.columns:
        if column.kind == "text":
            assert first.text(column.name) == second.text(column.name)


def test_a_file_holds_nothing_that_could_run(store, tmp_path):
    (path,) = export_pyg(store, tmp_path / "all.pt")

    data, slices = torch.load(path, weights_only=True)

    assert data["meta"]["y"] == ["assay", "y"]
    assert data["meta"]["x"][:2] == ["atomic_number", "formal_charge"]
    assert all(len(s) == store.num_molecules + 1 for s in slices.values())


def test_each_molecule_has_its_graph_both_ways_its_labels_and_its_row(store, tmp_path):
    export_pyg(store, tmp_path / "all.pt")
    block, atoms, bonds = store.graphs(), *map(np.cumsum, graph_sizes(store))
    y = np.full((store.num_molecules, 2), np.nan, np.float32)
    table = store.labels(["assay", "y"])
    y[table.rows] = table.values

    molecules = list(read_pyg(tmp_path / "all.pt"))

    assert [data.smiles for data in molecules] == store.smiles()
    assert [int(data.source_row) for data in molecules] == store.source_rows().tolist()
    assert [data.text_kind or None for data in molecules] == store.text("kind")
    np.testing.assert_array_equal(torch.cat([data.y for data in molecules]), y)
    for k, data in enumerate(molecules):
        assert data.validate()
        of_atoms = slice(atoms[k] - block.num_atoms[k], atoms[k])
        of_bonds = slice(bonds[k] - block.num_bonds[k], bonds[k])
        expected = block.atom_table[block.atom_code[of_atoms]]
        assert data.x.tolist() == expected.tolist()
        ends = block.bond_ends[of_bonds].tolist()
        assert data.edge_index[:, 0::2].T.tolist() == ends
        assert data.edge_index[:, 1::2].T.tolist() == [[b, a] for a, b in ends]
        for way in (0, 1):
            found = data.edge_attr[way::2].tolist()
            assert found == block.bond_table[block.bond_code[of_bonds]].tolist()


def graph_sizes(store):
    block = store.graphs()
    return block.num_atoms, block.num_bonds


def test_a_loader_of_pyg_makes_batches_of_an_exported_file(store, tmp_path):
    export_pyg(store, tmp_path / "all.pt")
    dataset = InMemoryDataset()
    dataset.load(str(tmp_path / "all.pt"))

    batches = list(DataLoader(dataset, batch_size=16))

    assert sum(batch.num_graphs for batch in batches) == store.num_molecules
    pairs = torch.cat([batch.batch[batch.pair_index].T for batch in batches])
    assert torch.equal(pairs[:, 0], pairs[:, 1])  # both atoms of a pair are of one molecule


def test_features_and_encodings_are_those_of_an_experiment(store, tmp_path):
    features = FeaturesConfig.model_validate(
        {"atoms": ["atomic-number", "mass"], "encodings": {"random_walk": {"steps": 4}}}
    )
    export_pyg(store, tmp_path / "all.pt", features=features, labels=["charge"])
    block = store.graphs()
    molecules = list(read_pyg(tmp_path / "all.pt"))

    x = atom_features(block.atom_table, features.atoms)[block.atom_code]
    bonds = bond_features(block.bond_table, features.bonds)[block.bond_code]
    np.testing.assert_array_equal(torch.cat([data.x for data in molecules]), x)
    np.testing.assert_array_equal(torch.cat([d.edge_attr[::2] for d in molecules]), bonds)
    assert molecules[1].random_walk.shape == (3, 4)
    assert "y" not in molecules[1]
    assert molecules[1].y_node.shape == (3, 1)


def test_a_folder_has_a_file_for_each_segment(store, tmp_path):
    paths = export_pyg(store, tmp_path / "parts")

    assert [path.name for path in paths] == ["00000.pt", "00001.pt", "00002.pt"]
    molecules = [data for path in paths for data in read_pyg(path)]
    assert [data.smiles for data in molecules] == store.smiles()
    with pytest.raises(UsageError, match="exists"):
        export_pyg(store, tmp_path / "parts")


def test_a_pattern_that_fits_no_column_is_refused(store, tmp_path):
    with pytest.raises(DataError, match="'chrage' fits no column"):
        export_pyg(store, tmp_path / "all.pt", labels=["chrage"])


def test_a_store_comes_back_from_a_list_of_data(store, tmp_path):
    export_pyg(store, tmp_path / "all.pt")
    meta = torch.load(tmp_path / "all.pt", weights_only=True)[0]["meta"]
    names = {key: meta[key] for key in meta if key.startswith("y")}
    molecules = list(read_pyg(tmp_path / "all.pt"))

    table_from_pyg(molecules, tmp_path / "back.parquet", columns=names)

    assert_equal_content(store, prepare(tmp_path / "back.parquet", tmp_path))


@pytest.mark.parametrize("number", [1, 2])
def test_a_store_of_one_or_two_molecules_comes_back(tmp_path, number):
    pd.DataFrame({"smiles": ["CCO", "CC"][:number], "y": [1.5, 2.5][:number]}).to_csv(
        tmp_path / "small.csv", index=False
    )
    small = prepare(tmp_path / "small.csv", tmp_path, levels={})
    export_pyg(small, tmp_path / "small.pt")

    table_from_pyg(list(read_pyg(tmp_path / "small.pt")), tmp_path / "back.parquet")

    assert_equal_content(small, prepare(tmp_path / "back.parquet", tmp_path, levels={}))


def test_a_list_as_moleculenet_has_it_becomes_a_table(tmp_path):
    molecules = []
    for number, smiles in enumerate(SMILES):
        data = from_smiles(smiles)
        data.y = torch.tensor([[float(number), float("nan") if number % 2 else 1.0]])
        molecules.append(data)

    table_from_pyg(molecules, tmp_path / "net.parquet", columns={"y": ["a", "b"]})

    table = pd.read_parquet(tmp_path / "net.parquet")
    assert list(table.columns) == ["smiles", "a", "b"]
    assert table.smiles.tolist() == SMILES
    assert table.a.tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert table.b.isna().tolist() == [False, True] * 3 + [False]


def plain(data: Data) -> Data:
    """A graph of ``from_smiles`` without its SMILES, its atoms the other way around."""
    n = data.num_nodes
    return Data(x=data.x.flip(0), edge_index=n - 1 - data.edge_index, edge_attr=data.edge_attr)


@pytest.mark.parametrize("explicit", [False, True])
def test_a_graph_without_smiles_becomes_the_same_molecule_with_labels_on_its_atoms(
    tmp_path, explicit
):
    texts = ["CCO", "c1ccncc1C(=O)[O-]", "C[N+](=O)[O-]", "c1cc[nH]c1", "[CH3]", "[Na+]"]
    molecules = [plain(from_smiles(text, with_hydrogen=explicit)) for text in texts]
    for data in molecules:
        data.y_node = data.x[:, :1].double() * 10
        index = data.edge_index
        data.y_edge = (data.x[index[0], 0] * data.x[index[1], 0]).double()[:, None]
    hydrogens = "written" if explicit else "implicit"

    table_from_pyg(
        molecules, tmp_path / "made.parquet", levels={"y_node": "node", "y_edge": "edge"}
    )
    made = prepare(
        tmp_path / "made.parquet",
        tmp_path,
        hydrogens=hydrogens,
        levels={"y_node": "node", "y_edge": "edge"},
    )

    block = made.graphs()
    elements = block.atom_table[block.atom_code][:, 0]
    np.testing.assert_array_equal(made.labels(["y_node"]).values[:, 0], elements * 10)
    ends = block.bond_table[block.bond_code][:, 4:].astype(int)
    np.testing.assert_array_equal(made.labels(["y_edge"]).values[:, 0], ends.prod(axis=1))
    expected = [sorted(from_smiles(t, with_hydrogen=explicit).x.tolist()) for t in texts]
    again = [from_smiles(text) for text in made.smiles()]
    if not explicit:
        assert [sorted(data.x.tolist()) for data in again] == expected


REFUSED = {
    "stereo": (plain(from_smiles("C[C@H](N)O")), "stereo marks"),
    "double bond": (plain(from_smiles("F/C=C/F")), "stereo marks"),
    "layout": (Data(x=torch.ones(2, 3), edge_index=torch.tensor([[0, 1], [1, 0]])), "from_smiles"),
    "one way": (Data(x=torch.ones(2, 3), edge_index=torch.tensor([[0], [1]])), "no edge back"),
    "element": (
        Data(x=from_smiles("CC").x + torch.eye(9, dtype=torch.long)[0],
             edge_index=from_smiles("CC").edge_index, edge_attr=from_smiles("CC").edge_attr),
        "RDKit makes no molecule|reads otherwise",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_a_graph_of_which_no_smiles_can_be_made_is_refused_by_its_number(tmp_path, case):
    wrong, words = REFUSED[case]
    good = plain(from_smiles("CC"))

    with pytest.raises(DataError, match=rf"molecule 1: .*({words})"):
        table_from_pyg([good, wrong], tmp_path / "out.parquet")
    assert not (tmp_path / "out.parquet").exists()


def test_stereo_is_dropped_where_that_is_asked_for(tmp_path):
    table_from_pyg([REFUSED["stereo"][0]], tmp_path / "out.parquet", drop_stereo=True)

    (smiles,) = pd.read_parquet(tmp_path / "out.parquet").smiles
    assert "@" not in smiles


def labelled(smiles, **attributes):
    data = from_smiles(smiles)
    for name, values in attributes.items():
        data[name] = torch.tensor(values)
    return data


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"y_edge": [[1.0], [2.0], [3.0], [3.0]]}, "differs between the two directions"),
        ({"y_node": [[1.0]] * 2}, "does not fit 3 x 1"),
    ],
)
def test_labels_that_do_not_fit_the_graph_are_refused(tmp_path, attributes, words):
    with pytest.raises(DataError, match=words):
        table_from_pyg([labelled("CCO", **attributes)], tmp_path / "out.parquet")


def test_a_smiles_of_another_graph_is_refused_where_atoms_have_labels(tmp_path):
    data = labelled("CCO", y_node=[[1.0]] * 3)
    for smiles, words in (("CCCO", "is not that of"), ("COC", "atomic numbers are not those of")):
        data.smiles = smiles
        with pytest.raises(DataError, match=f"{words} '{smiles}'"):
            table_from_pyg([data], tmp_path / "out.parquet")


def test_a_y_that_fits_atoms_and_molecules_must_be_explained(tmp_path):
    pair = [labelled(text, y=[1.0, 2.0]) for text in ("CC", "CO")]
    with pytest.raises(DataError, match="fits both"):
        table_from_pyg(pair, tmp_path / "out.parquet")

    table_from_pyg(pair, tmp_path / "atoms.parquet", levels={"y": "node"})
    table_from_pyg(pair, tmp_path / "molecules.parquet", levels={"y": "graph"})

    assert pd.read_parquet(tmp_path / "atoms.parquet").y[0].tolist() == [1, 2]
    assert list(pd.read_parquet(tmp_path / "molecules.parquet")) == ["smiles", "y_0", "y_1"]


@pytest.mark.parametrize(
    "as_label", [float, int, torch.tensor, lambda y: torch.tensor([[y]]).bfloat16()]
)
def test_labels_may_be_numbers_or_tensors_of_any_kind(tmp_path, as_label):
    pair = [from_smiles("CC"), from_smiles("CO")]
    for y, data in enumerate(pair, start=1):
        data.y = as_label(y)

    table_from_pyg(pair, tmp_path / "a.parquet")

    assert pd.read_parquet(tmp_path / "a.parquet").y.tolist() == [1, 2]


def test_labels_that_some_molecules_lack_are_missing_there_and_not_lost(tmp_path):
    last = labelled("CC", y=[[1.0]], y_node=[1.0, 1.0])
    last.text_phase = "solid"
    table_from_pyg([labelled("CCO"), last], tmp_path / "a.parquet")

    found = pd.read_parquet(tmp_path / "a.parquet")
    assert found.y.isna().tolist() == [True, False]
    assert found.y_node[0] is None
    assert found.y_node[1].tolist() == [1, 1]
    assert found.phase.fillna("?").tolist() == ["?", "solid"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"columns": {"z": ["a"]}}, "columns of 'z', whose labels are not written"),
        ({"levels": {"y": "molecule"}}, "'y' describes 'molecule'; .* one of graph, node"),
        ({"levels": {"q": "graph"}}, "No molecule has 'q'"),
    ],
)
def test_options_that_fit_nothing_are_refused(tmp_path, options, words):
    with pytest.raises(DataError, match=words):
        table_from_pyg([labelled("CCO", y=[1.0])], tmp_path / "a.parquet", **options)


def test_a_folder_of_an_earlier_export_keeps_no_file_that_is_not_replaced(store, tmp_path):
    files = export_pyg(store, tmp_path / "a")
    (tmp_path / "a" / "00007.pt").write_bytes(files[0].read_bytes())

    with pytest.raises(UsageError, match="exists"):
        export_pyg(store, tmp_path / "a")
    assert export_pyg(store, tmp_path / "a", force=True) == files
    assert sorted((tmp_path / "a").iterdir()) == files

    (tmp_path / "a" / "model.pt").touch()
    with pytest.raises(UsageError, match=r"other files \(model.pt\)"):
        export_pyg(store, tmp_path / "a", force=True)


def test_the_name_of_another_format_makes_no_folder(store, tmp_path):
    with pytest.raises(UsageError, match=r"a\.pth, must end in \.pt"):
        export_pyg(store, tmp_path / "a.pth")

    assert not (tmp_path / "a.pth").exists()


def test_the_folder_of_an_exported_file_is_made(store, tmp_path):
    assert export_pyg(store, tmp_path / "b" / "c" / "a.pt") == [tmp_path / "b" / "c" / "a.pt"]

    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot be made"):
        export_pyg(store, tmp_path / "file" / "a.pt")
