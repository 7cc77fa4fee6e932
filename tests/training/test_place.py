"""Which rank a process is, as torchrun, srun or nobody says it."""

import pytest

from graphium.errors import UsageError
from graphium.training.place import Place, find_place, first_host

TORCHRUN = {
    "RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "4",
    "MASTER_ADDR": "gpu01", "MASTER_PORT": "29500",
}  # fmt: skip
SRUN = {
    "SLURM_PROCID": "5", "SLURM_NTASKS": "8", "SLURM_LOCALID": "1", "SLURM_NNODES": "2",
    "SLURM_STEP_ID": "0", "SLURM_JOB_ID": "123456", "SLURM_JOB_NODELIST": "gpu[01-02]",
}  # fmt: skip


def test_torchrun_and_srun_say_the_same():
    place = Place(5, 8, 1, 4, "gpu01", 29500)
    assert find_place(TORCHRUN) == place
    assert find_place({**SRUN, "MASTER_PORT": "29500"}) == place
    assert (place.num_nodes, place.node, place.is_first) == (2, 1, False)
    assert find_place(place.variables()) == place


def test_torchrun_inside_a_job_is_believed():
    assert find_place({**SRUN, **TORCHRUN, "RANK": "0"}).is_first


def test_jobs_of_one_machine_meet_at_different_ports():
    ports = {find_place({**SRUN, "SLURM_JOB_ID": job}).port for job in ("123456", "123457")}
    assert len(ports) == 2
    assert all(1024 < port < 32768 for port in ports)


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"LOCAL_RANK": "0", "MASTER_PORT": "1"},
        {"SLURM_JOB_ID": "1", "SLURM_NTASKS": "4"},  # salloc, before any srun
        {**SRUN, "SLURM_NTASKS": "1", "SLURM_PROCID": "0", "SLURM_NNODES": "1"},
        {**TORCHRUN, "WORLD_SIZE": "1", "RANK": "0", "LOCAL_WORLD_SIZE": "1", "LOCAL_RANK": "0"},
    ],
)
def test_one_process_is_alone(environment):
    assert find_place(environment) is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"SLURM_STEP_ID": None}, "without srun"),
        ({"SLURM_NNODES": "3"}, "3 machines"),
        ({"SLURM_LOCALID": "one"}, "SLURM_LOCALID is 'one'"),
        ({"RANK": "1", "WORLD_SIZE": "2"}, "lacks LOCAL_RANK, LOCAL_WORLD_SIZE, MASTER_ADDR"),
        ({**TORCHRUN, "LOCAL_WORLD_SIZE": "3"}, "8 processes do not divide"),
    ],
)
def test_what_cannot_be_right_is_refused(change, words):
    environment = {k: v for k, v in {**SRUN, **change}.items() if v is not None}
    with pytest.raises(UsageError, match=words):
        find_place(environment)


@pytest.mark.parametrize(
    ("nodelist", "host"),
    [
        ("gpu[03-05,9],login1", "gpu03"), ("gpu7", "gpu7"), ("a1,b[1-2]", "a1"),
        ("n[12]-ib", "n12-ib"), ("", ""),
    ],
)  # fmt: skip
def test_the_first_machine_of_a_list_is_found(nodelist, host):
    assert first_host(nodelist) == host
