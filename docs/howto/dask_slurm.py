"""Prepare a table on SLURM nodes through Dask: a template to copy and adapt.

    python dask_slurm.py pool.csv --store $SCRATCH/stores --nodes 4 --cores 16 --walltime 02:00:00

Run it where ``sbatch`` works and where it may stay until the end, a login node or a small job: it
holds Dask's scheduler, and cuts the table. A node that is lost costs its unfinished segments; run
the same command again to go on.
"""

import argparse
import subprocess

from dask_jobqueue import SLURMCluster


def main() -> None:
    """Start a cluster, prepare, end it."""
    parser = argparse.ArgumentParser(description="Prepare a table on SLURM nodes through Dask.")
    parser.add_argument("table")
    parser.add_argument("--store", required=True, help="folder of stores that all nodes see")
    parser.add_argument("--nodes", type=int, default=1, help="SLURM jobs, one on each node")
    parser.add_argument("--cores", type=int, default=16, help="of a node: segments made at once")
    parser.add_argument("--memory", default="32GB", help="of a node; 2 GB for each core")
    parser.add_argument("--walltime", default="02:00:00")
    parser.add_argument("--partition")
    parser.add_argument("--account")
    parser.add_argument("--interface", help="network of the nodes, for example ib0")
    options = parser.parse_args()

    with SLURMCluster(
        cores=options.cores,
        processes=options.cores,  # one thread each: RDKit does not share a process
        memory=options.memory,
        walltime=options.walltime,
        queue=options.partition,
        account=options.account,
        interface=options.interface,
        job_extra_directives=["--requeue"],
        scheduler_options={"dashboard_address": ":0"},
    ) as cluster:
        print(cluster.job_script())
        cluster.scale(jobs=options.nodes)
        cluster.wait_for_workers(1)
        address = ["--engine", "dask", "--scheduler", cluster.scheduler_address]
        command = ["graphium", "data", "prepare", options.table, "--store", options.store]
        subprocess.run([*command, *address], check=True)  # noqa: S603


if __name__ == "__main__":
    main()
