"""lincheck.py against a second opinion: small random histories, each also tried in every order by
brute force, on a register whose versions are plain numbers. Prints how many were of each kind.

    lincheck_test.py COUNT SEED"""
import itertools
import json
import random
import sys

import lincheck

OPS, PROCESSES = 5, 3
VERSIONS = (10, 20, 30)         # that are named; there are more between two than operations


def random_history(rng):
    """Answers are made up, so most histories are wrong; values are few, so some are right."""
    events, running, started, now = [], {}, 0, 0
    while started < OPS or running:
        now += 1
        process = rng.randrange(PROCESSES)
        if process in running:
            event = dict(running.pop(process), time=now)
            event["type"] = rng.choice(("ok", "ok", "ok", "info", "fail"))
            if event["type"] == "fail" and event["f"] == "cas":
                event["error"] = "mismatch"
            if event["type"] == "ok" and event["f"] == "read":
                event["value"] = rng.choice((None, "a", "b"))
                event["version"] = None if event["value"] is None else rng.choice(VERSIONS)
            events.append(event)
        elif started < OPS:
            started += 1
            event = {"process": process, "type": "invoke", "key": "k", "time": now,
                     "f": rng.choice(("read", "read", "write", "cas"))}
            if event["f"] == "write":
                event["value"] = rng.choice((None, "a", "b"))
            if event["f"] == "cas":
                event["value"], event["version"] = rng.choice("ab"), rng.choice((0,) + VERSIONS)
            running[process] = event
            events.append(event)
    return events


def operations(events):
    """[(call, answer or None for never answered, last event)] of what may have happened."""
    running, done = {}, []
    for event in events:
        if event["type"] == "invoke":
            running[event["process"]] = event["time"]
            continue
        call = running.pop(event["process"])
        if event["type"] == "ok" or event.get("error") == "mismatch":
            done.append((call, event["time"], event))
        elif event["type"] == "info" and event["f"] != "read":
            done.append((call, None, event))
    return done


def after(states, event, sure):
    """All states (value, version) after the operation, for a register that draws its versions."""
    result = set()
    for value, version in states:
        written = {(event["value"], v) for v in range(version + 1, VERSIONS[-1] + OPS + 1)}
        here = 0 if value is None else version
        if event["f"] == "write":
            result |= written
        elif event["f"] == "read":
            if value == event["value"] and (value is None or version == event["version"]):
                result.add((value, version))
        elif here == event["version"]:
            result |= set() if event.get("error") else written
        elif event.get("error") or not sure:
            result.add((value, version))
    return result


def possible(events):
    ops = operations(events)
    sure = [op for op in ops if op[1] is not None]
    maybe = [op for op in ops if op[1] is None]
    for count in range(len(maybe) + 1):
        for some in itertools.combinations(maybe, count):
            for order in itertools.permutations(sure + list(some)):
                if any(b[1] is not None and b[1] < a[0]
                       for i, a in enumerate(order) for b in order[i + 1:]):
                    continue
                states = {(None, 0)}
                for op in order:
                    states = after(states, op[2], op[1] is not None)
                if states:
                    return True
    return False


def main():
    rng, verdicts = random.Random(int(sys.argv[2])), {True: 0, False: 0}
    for _ in range(int(sys.argv[1])):
        events = random_history(rng)
        want = possible(events)
        _, _, wrong, unclear = lincheck.check([json.dumps(event) for event in events])
        if unclear or want != (not wrong):
            print("\n".join(json.dumps(event) for event in events))
            sys.exit("brute force says %s, lincheck %s" % (want, wrong or unclear or "possible"))
        verdicts[want] += 1
    print("%d linearizable, %d not" % (verdicts[True], verdicts[False]))
    sys.exit(min(verdicts.values()) == 0)


main()
