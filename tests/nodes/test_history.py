"""Proves that the checker of histories finds what it is made for: histories of a right store pass, and each kind of fault is found."""
import math
import random
import unittest

from history import UNKNOWN, Call, Existence, Register, check_registers, check_sets, find_violation

SEED = 20


class SimulatedStore:
    """Plays a store and its clients in simulated time: each call takes effect at one moment between its beginning and its end, and some answers get lost. With a fault seeded into it, it does what
    stores with too few nodes of memory do."""

    def __init__(self, seed, fault=None):
        self.random = random.Random(seed)
        self.fault = fault

    def registers(self, operations=60, processes=3):
        calls, clocks = [], [self.random.random() for _ in range(processes)]
        plan = []
        for number in range(operations):
            process = min(range(processes), key=clocks.__getitem__)
            began = clocks[process]
            moment = began + self.random.random()
            ended = moment + self.random.random()
            clocks[process] = ended + self.random.random() * 0.3
            name = self.random.choice(["write"] + 5 * ["read"] + ["remove"])
            call = Call(process, "k", name, number if name == "write" else None, began, ended)
            calls.append(call)
            plan.append((moment, call))
        value, former = None, None
        for _, call in sorted(plan, key=lambda pair: pair[0]):
            is_struck = self.random.random() < 0.4
            if call.name == "write":
                if not (self.fault == "lost write" and is_struck):
                    value, former = call.argument, value
                call.outcome = "ok"
            elif call.name == "remove":
                call.outcome = "ok" if value is not None else "absent"
                value, former = None, value
            else:
                call.outcome = ("read", former if self.fault == "stale read" and is_struck else value)
            if self.random.random() < 0.1:
                call.outcome, call.ended = UNKNOWN, math.inf
        return calls

    def set(self, operations=60):
        calls, content, now = [], [], 0.0
        for number in range(operations):
            now += 1
            if self.random.random() < 0.5:
                call = Call(0, "s", "add", number, now, now + 0.5, "ok")
                if self.random.random() < 0.1:
                    call.outcome, call.ended = UNKNOWN, math.inf
                    if self.random.random() < 0.5:
                        calls.append(call)
                        continue
                content.append(number)
            else:
                listed = list(content)
                if self.fault == "lost element" and len(listed) > 3 and self.random.random() < 0.2:
                    listed.remove(self.random.choice(listed))
                if self.fault == "listed twice" and listed and self.random.random() < 0.2:
                    listed.append(listed[0])
                if self.fault == "out of nowhere" and self.random.random() < 0.2:
                    listed.append(-1)
                call = Call(0, "s", "list", None, now, now + 0.5, ("list", listed))
            calls.append(call)
        return calls


def call(name, argument, began, ended, outcome, process=0):
    return Call(process, "k", name, argument, began, ended, outcome)


class Registers(unittest.TestCase):
    def test_a_right_store_passes(self):
        for seed in range(500):
            self.assertEqual(check_registers(SimulatedStore(SEED + seed).registers(), Register), [], f"seed {seed}")

    def test_seeded_faults_are_found(self):
        for fault in ("lost write", "stale read"):
            found = sum(bool(check_registers(SimulatedStore(SEED + seed, fault).registers(), Register)) for seed in range(200))
            # A fault that no client can have noticed is none: a lost write that nobody read, or a former value that was the same.
            self.assertGreater(found, 100, fault)

    def test_a_read_of_an_older_value_after_a_newer_one_was_acknowledged_is_a_fault(self):
        calls = [call("write", 1, 0, 1, "ok"), call("write", 2, 2, 3, "ok"), call("read", None, 4, 5, ("read", 1))]
        self.assertIs(find_violation(calls, Register), calls[2])

    def test_an_open_write_may_be_seen_or_not_but_not_come_and_go(self):
        write = [call("write", 1, 0, 1, "ok"), call("write", 2, 2, math.inf, UNKNOWN)]
        for values, is_right in (((1, 1), True), ((1, 2), True), ((2, 2), True), ((2, 1), False)):
            reads = [call("read", None, 3 + 2 * i, 4 + 2 * i, ("read", value)) for i, value in enumerate(values)]
            self.assertEqual(find_violation(write + reads, Register) is None, is_right, values)

    def test_many_open_calls_that_would_do_the_same_are_counted_and_not_told_apart(self):
        opened = [call("write", number % 2, number, math.inf, UNKNOWN, number) for number in range(60)]
        reads = [call("read", None, 100 + 2 * i, 101 + 2 * i, ("read", i % 2), 100) for i in range(60)]
        self.assertIsNone(find_violation(opened + reads, Register))
        last = call("read", None, 300, 301, ("read", 0), 100)  # the 31st change to this value, and there were 30
        self.assertIs(find_violation(opened + reads + [last], Register), last)

    def test_two_creations_of_one_name_cannot_both_succeed(self):
        calls = [call("create", None, 0, 2, "ok", 1), call("create", None, 1, 3, "ok", 2)]
        self.assertIsNotNone(find_violation(calls, Existence))
        calls[1].outcome = "exists"
        self.assertIsNone(find_violation(calls, Existence))


class Sets(unittest.TestCase):
    def test_a_right_store_passes(self):
        for seed in range(300):
            self.assertEqual(check_sets(SimulatedStore(SEED + seed).set()), [], f"seed {seed}")

    def test_seeded_faults_are_found(self):
        for fault in ("lost element", "listed twice", "out of nowhere"):
            found = sum(bool(check_sets(SimulatedStore(SEED + seed, fault).set())) for seed in range(100))
            self.assertGreater(found, 90, fault)

    def test_an_unanswered_addition_that_was_listed_must_stay(self):
        calls = [call("add", "a", 0, math.inf, UNKNOWN), call("list", None, 1, 2, ("list", ["a"])), call("list", None, 3, 4, ("list", []))]
        self.assertEqual(len(check_sets(calls)), 1)
        calls[1], calls[2] = call("list", None, 1, 2, ("list", [])), call("list", None, 3, 4, ("list", ["a"]))
        self.assertEqual(check_sets(calls), [])


if __name__ == "__main__":
    unittest.main()
