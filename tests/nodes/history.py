"""Checks what clients saw against what one machine that never fails could have shown them, in the manner of Jepsen.

Clients write down each call: when it began, when its answer came, and what the answer was. A call without an answer (the connection broke, or
the server said that it does not know) may have happened or not, at any time after it began.

`check_registers` decides whether the calls on each key are linearizable: whether each of them can be given one moment between its beginning
and its answer so that all answers are right in that order.
  Wing & Gong, "Testing and verifying concurrent objects", 1993; Lowe, "Testing for linearizability", 2017 (just-in-time linearization)
`check_sets` decides the same for sets that only grow, where it is simple: an element whose addition was acknowledged is in every listing that
began later, an element that was listed once is in every listing that began after that one ended, and nothing is listed before somebody added it.
"""
import bisect
import collections
import dataclasses
import itertools
import json
import math
import threading
import time

UNKNOWN = "unknown"  # the outcome of a call without a clear answer


@dataclasses.dataclass
class Call:
    process: int
    key: str
    name: str
    argument: object
    began: float
    ended: float = math.inf
    outcome: object = UNKNOWN

    @property
    def is_unknown(self):
        return self.outcome == UNKNOWN


class History:
    """Collects calls from any number of threads, and writes them to a file, so that a history that failed can be looked at and checked again."""

    def __init__(self):
        self.calls = []
        self.lock = threading.Lock()
        self.processes = itertools.count()

    def record(self, process, key, name, argument, function):
        """Runs the function and records its outcome. The function returns the outcome, and UNKNOWN or any exception if it is not clear whether the call had an effect."""
        call = Call(process, key, name, argument, time.monotonic())
        with self.lock:
            self.calls.append(call)
        try:
            outcome = function()
        except Exception:
            return UNKNOWN
        if outcome != UNKNOWN:
            call.outcome, call.ended = outcome, time.monotonic()
        return outcome

    def save(self, path):
        with open(path, "w") as file:
            for call in self.calls:
                file.write(json.dumps(dataclasses.asdict(call)) + "\n")

    @staticmethod
    def load(path):
        history = History()
        with open(path) as file:
            for line in file:
                call = Call(**json.loads(line))
                if isinstance(call.outcome, list):
                    call.outcome = tuple(call.outcome)
                history.calls.append(call)
        return history


class Register:
    """A value that is written, read and removed. None means that there is none. Outcomes: "ok" of a write or a removal, "absent" of a removal that found nothing, and ("read", value)."""
    initial = None

    @staticmethod
    def step(state, call):
        """Returns the state after the call, or raises ValueError if the call cannot have had its outcome in this state."""
        if call.name == "write":
            if call.outcome not in ("ok", UNKNOWN):
                raise ValueError
            return call.argument
        if call.name == "remove":
            if call.outcome == ("absent" if state is not None else "ok"):
                raise ValueError
            return None
        if call.name == "read":
            if call.outcome not in (UNKNOWN, ("read", state)):
                raise ValueError
            return state
        raise KeyError(call.name)


class Existence:
    """A thing of one name that is created, removed and looked at. Outcomes: "ok", "exists" of a creation, "absent" of a removal, and ("read", whether it exists)."""
    initial = False

    @staticmethod
    def step(state, call):
        if call.name == "create":
            if call.outcome == ("exists" if not state else "ok"):
                raise ValueError
            return True
        if call.name == "remove":
            if call.outcome == ("absent" if state else "ok"):
                raise ValueError
            return False
        if call.name == "read":
            if call.outcome not in (UNKNOWN, ("read", state)):
                raise ValueError
            return state
        raise KeyError(call.name)


def find_violation(calls, model):
    """Returns None if the calls on one key are linearizable, or else the first call whose answer no order explains."""
    calls = [call for call in calls if not (call.is_unknown and call.name == "read")]  # such a read says nothing
    # Calls without an answer that would do the same are as good as each other: the one that began first has its moment first.
    predecessor, latest = {}, {}
    for i in sorted((i for i, call in enumerate(calls) if call.is_unknown), key=lambda i: calls[i].began):
        same = (calls[i].name, calls[i].argument)
        if same in latest:
            predecessor[i] = latest[same]
        latest[same] = i
    events = sorted([(call.began, 0, i) for i, call in enumerate(calls)] + [(call.ended, 1, i) for i, call in enumerate(calls) if not call.is_unknown])
    # A configuration is a state together with those open calls that have already had their moment.
    configurations = {(model.initial, frozenset())}
    open_calls = set()
    for _, is_end, number in events:
        if not is_end:
            open_calls.add(number)
            continue
        reached, seen, stack = set(), set(configurations), list(configurations)
        while stack:
            state, done = stack.pop()
            if number in done:
                reached.add((state, done - {number}))
                continue
            for other in open_calls - done:
                if other in predecessor and predecessor[other] not in done:
                    continue
                try:
                    following = (model.step(state, calls[other]), done | {other})
                except ValueError:
                    continue
                if following not in seen:
                    seen.add(following)
                    stack.append(following)
        if not reached:
            return calls[number]
        configurations = reached
        open_calls.discard(number)
    return None


def check_registers(calls, model):
    """Returns a list with a sentence for each key whose calls are not linearizable."""
    by_key = collections.defaultdict(list)
    for call in calls:
        by_key[call.key].append(call)
    faults = []
    for key, of_key in sorted(by_key.items()):
        call = find_violation(of_key, model)
        if call:
            faults.append(f"{key}: no order of the calls explains that {call.name}({call.argument}) of process {call.process} at {call.began:.3f} to {call.ended:.3f} had the outcome {call.outcome}")
    return faults


def check_sets(calls):
    """Takes the calls "add" (argument: the element, outcome "ok") and "list" (outcome: ("list", [elements])), and returns a list with a sentence for each fault."""
    by_key = collections.defaultdict(list)
    for call in calls:
        by_key[call.key].append(call)
    faults = []
    for key, of_key in sorted(by_key.items()):
        listings = sorted((call for call in of_key if call.name == "list" and not call.is_unknown), key=lambda call: call.began)
        contents = [set(call.outcome[1]) for call in listings]
        starts = [call.began for call in listings]
        additions = {}
        for call in of_key:
            if call.name == "add":
                additions.setdefault(call.argument, []).append(call)
        for listing, content in zip(listings, contents):
            if len(content) != len(listing.outcome[1]):
                faults.append(f"{key}: the listing at {listing.began:.3f} names an element twice")
            for element in content:
                if not any(call.began <= listing.ended for call in additions.get(element, [])):
                    faults.append(f"{key}: {element} was listed at {listing.began:.3f}, before anybody added it")
        for element, of_element in additions.items():
            known_since = min((call.ended for call in of_element if not call.is_unknown), default=math.inf)
            for listing, content in zip(listings, contents):
                if element in content:
                    known_since = min(known_since, listing.ended)
            for i in range(bisect.bisect_right(starts, known_since), len(listings)):
                if element not in contents[i]:
                    faults.append(f"{key}: {element} was there at {known_since:.3f}, and is missing in the listing that began at {starts[i]:.3f}")
                    break
    return faults
