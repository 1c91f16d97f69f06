#!/usr/bin/env python3
"""Lets an installation of three nodes fail in every way that faults.py knows, one after the other, while clients call it, and checks what they saw.

    VEDETTE_BUILD=build/release tests/nodes/run_long.py [--seed N] [--calls 10000] [--minutes 10]

It ends when so many calls were made, so many minutes have passed, and every kind of fault was done. It prints each fault, and what was found. The exit status is 1 if
a check failed; the history and the logs are kept then. The same seed chooses the same calls and faults, though not the same interleaving.
"""
import argparse
import sys
import threading
import time

from cluster import Cluster, wait_until
from faults import Faults
from models import Models, create, status
from watched import MOST_OUTAGE, entries_of, kept
from workload import Workload

# Errors that a right call for a hosted model must never get, whatever fails.
REFUSALS = {"AccessDeniedException", "ConflictException", "InvalidSignatureException", "ResourceNotFoundException", "UnrecognizedClientException", "ValidationException"}


class Trainings:
    """Trains models all the time, one after the other."""

    def __init__(self, api):
        self.api, self.models = api, []
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.stopping.is_set():
            try:
                if not self.models or status(self.api, self.models[-1])["Status"] != "TRAINING":
                    self.models.append(create(self.api, "spare"))
            except Exception as e:  # a node in trouble
                print(f"training: {e}")
            self.stopping.wait(1)

    def stop(self):
        self.stopping.set()
        self.thread.join()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--minutes", type=float, default=10)
    options = parser.parse_args()
    cluster = Cluster(with_clocks=True)
    models = Models(cluster)
    callers, trainings = models.callers(options.seed), Trainings(models.api)
    faults = Faults(cluster, callers, options.seed)
    workload = Workload(cluster.client, options.seed, models.arn, entries_of(cluster, options.seed, 2000), models.spare)
    workload.start()
    began = time.monotonic()
    while len(workload.history.calls) < options.calls or time.monotonic() - began < options.minutes * 60 or len(faults.done) < len(faults.kinds):
        time.sleep(2)  # between two faults
        print(f"{time.monotonic() - began:6.0f} s, {len(workload.history.calls):6} calls: {faults.next()}", flush=True)
    callers.stop()
    workload.stop()
    trainings.stop()
    workload.look_again()
    found = workload.faults()
    found += [f"models were back only after {outage:.1f} s" for outage in faults.outages if outage >= MOST_OUTAGE]
    found += [f"{model} answered {verdict}, not {expected}" for model, verdict, expected in callers.wrong]
    found += [f"calls for models that were there were refused with {code}" for code in sorted(REFUSALS & set(callers.errors))]
    for model in trainings.models:
        wait_until(lambda: status(models.api, model)["Status"] != "TRAINING", "every training ends", 300)
        if (times := models.published(model)) != 1:
            found.append(f"{model} was published {times} times")
    failed = [model for model in trainings.models if status(models.api, model)["Status"] != "TRAINED"]
    print(f"seed {options.seed}: {workload.summary()}; {len(faults.done)} faults; {callers.summary()}; "
          f"{len(trainings.models)} trainings, {len(failed)} failed")
    for fault in found:
        print(fault)
    if found:
        print(kept(workload, cluster))
    models.destroy()
    cluster.destroy()
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
