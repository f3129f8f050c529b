"""A local worker process: Beam's own, less its log of every start and stop and its own copy of every traceback.

A failure in a worker is raised in the process that submitted the work, and reported there once. A worker ends within a
second of that process, however that one ended: Beam's alone would wait a minute for a driver that died as it started.
"""

import logging
import os
import sys
import threading
import time
import warnings


def end_with(parent: int) -> None:
    """Exit this process within a second after its parent has."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=end_with, args=(os.getppid(),), daemon=True).start()
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    try:
        from apache_beam.runners.worker import sdk_worker_main
    except BaseException:       # refused memory, in whatever disguise: its parent, which has imported this too, says so
        os._exit(1)

    sys.stderr = open(os.devnull, "w")  # noqa: SIM115  (for the life of the process)
    sdk_worker_main.main(sys.argv)
