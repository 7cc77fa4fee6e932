"""What the ranks of one run do together, apart from computing."""

import gc

import torch.distributed as dist


def leave_ranks() -> None:
    """End the exchange between ranks, while the interpreter is whole; alone, do nothing.

    Every rank calls this when its model is no longer needed. A model that exchanges gradients holds
    the group it does so in, and is part of a cycle: left to the end of the program, the group's
    threads may meet an interpreter that is half gone, which ends the process by SIGABRT.
    """
    if not (dist.is_available() and dist.is_initialized()):
        return
    gc.collect()
    dist.barrier()  # the first rank keeps what the others look for until they need it no more
    dist.destroy_process_group()
