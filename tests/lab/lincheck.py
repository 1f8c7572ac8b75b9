#!/usr/bin/env python3
"""lincheck.py HISTORY...: is what clients saw of each key possible for one register that does one
thing at a time, each between its call and its answer? Exit 0: yes; 1: no, and the answer that
nothing explains is printed; 2: a file that is no history, or a key with too many open questions.

A history is one JSON object a line, {"process", "type", "f", "key", "value", "version", "time"}:

    type  invoke, then one of: ok; fail (it never happened; with "error": "mismatch" the
          comparison of a cas failed); info (nobody knows: no answer, connection lost)
    f     read   ok says value (null: there is none) and version, if it is known
          write  value, null to delete; always
          cas    value, if the register is at version (0: if there is none)

Versions only grow, but a write is not told its own: what it left is "some version beyond".
A write or cas of unknown outcome may happen at any time after its call, or never. A process whose
operation ended as info is taken for a new one afterwards.

The method is just-in-time linearization (Lowe, "Testing for linearizability", 2017): the events of
a key are walked in order of time, with the set of all (state, operations done but not yet answered)
that are possible so far. An answer leaves only those in which its operation has been done; if none
is left, no order explains the history. Keys are independent of each other."""
import json
import sys

NEVER = None            # a step that could not have given this answer
# A state is (value, version, but): that very version if but is EXACT, else one beyond it that is
# none of those in but.
EXACT, ANY = None, frozenset()
ABSENT = (None, 0, EXACT)
GIVE_UP = 200000        # possible states of one key at a time


class Op:
    """One operation: what was asked and, unless nobody knows (answered is False), what came."""

    def __init__(self, event):
        self.f = event["f"]
        if self.f not in ("read", "write", "cas"):
            raise ValueError("no operation: %s" % self.f)
        self.key = event["key"]
        self.value = event.get("value")
        self.version = event.get("version")
        self.answered = self.mismatch = False
        self.outcome = "info"
        self.alike = None       # operations that are alike need not be told apart

    def holds(self, state):
        """Whether a cas finds what it wants: True, False, or None for perhaps."""
        value, version, but = state
        if self.version == 0:
            return value is None
        if value is None:
            return False
        if but is EXACT:
            return version == self.version
        return None if version < self.version and self.version not in but else False

    def step(self, state):
        """The state after this operation, or NEVER."""
        value, version, but = state
        if self.f == "write":
            return (self.value, version, ANY)
        if self.f == "cas":
            holds = self.holds(state)
            if self.mismatch:
                return (NEVER if holds else state if holds is False else
                        (value, version, but | {self.version}))
            if holds is False:
                return NEVER if self.answered else state
            return (self.value, max(version, self.version), ANY)
        if self.value != value:
            return NEVER
        if value is None or self.version is None:
            return state
        if but is EXACT:
            return state if self.version == version else NEVER
        if self.version <= version or self.version in but:
            return NEVER
        return (value, self.version, EXACT)

    def __str__(self):
        text = "%s %s" % (self.f, json.dumps(self.value))
        if self.version is not None:
            text += " at version %s" % self.version
        return text + {"info": " (answer unknown)", "fail": " (mismatch)"}.get(self.outcome, "")


def load(lines):
    """{key: [(True for a call, False for its answer; operation)]}, in the order of time."""
    events = [json.loads(line) for line in lines if line.strip()]
    events.sort(key=lambda event: event["time"])
    running, walk = {}, []
    for event in events:
        process, kind = event["process"], event["type"]
        if kind == "invoke":
            if process in running:
                raise ValueError("process %s: two calls at a time" % process)
            running[process] = Op(event)
            walk.append((True, running[process]))
            continue
        op = running.pop(process, None)
        if op is None or kind not in ("ok", "fail", "info"):
            raise ValueError("process %s: %s without a call" % (process, kind))
        op.outcome = kind
        op.mismatch = kind == "fail" and event.get("error") == "mismatch"
        if kind == "ok" and op.f == "read":
            op.value, op.version = event.get("value"), event.get("version")
        if kind == "ok" or op.mismatch:
            op.answered = True
            walk.append((False, op))
    keys = {}
    for is_call, op in walk:
        never = op.outcome == "fail" and not op.mismatch
        if not never and (op.answered or op.f != "read"):
            keys.setdefault(op.key, []).append((is_call, op))
    return keys


def mark_alike(walk):
    """Writes of unknown outcome whose value nobody ever read differ in nothing that can be seen:
    trying one of them tries all."""
    read = {op.value for _, op in walk if op.f == "read"}
    for _, op in walk:
        if not op.answered and op.value is not None and op.value not in read:
            op.value = "(never read)"
        if not op.answered:
            op.alike = (op.f, op.value, op.version)


def extend(possible, pending, wanted):
    """All that is possible once the operation of the bit wanted has been done, without that bit."""
    done, seen, left = set(), set(possible), list(possible)
    while left:
        state, mask = left.pop()
        if mask & wanted:
            done.add((state, mask & ~wanted))
            continue
        tried = set()
        for bit, op in pending.items():
            if mask & bit or (op.alike and op.alike in tried):
                continue
            tried.add(op.alike)
            after = op.step(state)
            if after is NEVER or (after == state and not op.answered):
                continue
            if (after, mask | bit) not in seen:
                seen.add((after, mask | bit))
                left.append((after, mask | bit))
        if len(seen) > GIVE_UP:
            raise OverflowError("more than %d possible states" % GIVE_UP)
    return done


def prune(possible, open_mask):
    """Of two that differ only in that one has done more of the operations of unknown outcome, the
    other can do all that this one can."""
    if len(possible) < 32:
        return possible
    groups, kept = {}, set()
    for state, mask in possible:
        groups.setdefault((state, mask & ~open_mask), []).append(mask & open_mask)
    for (state, sure), masks in groups.items():
        least = []
        for mask in sorted(masks, key=int.bit_count):
            if not any(small & mask == small for small in least):
                least.append(mask)
        kept.update((state, sure | mask) for mask in least)
    return kept


def check_key(walk):
    """None if some order explains all answers, or a text about the first that none explains."""
    mark_alike(walk)
    possible, pending, bit_of, free, bits = {(ABSENT, 0)}, {}, {}, [], 0
    for is_call, op in walk:
        if is_call:
            if free:
                bit = free.pop()
            else:
                bit, bits = 1 << bits, bits + 1
            pending[bit], bit_of[op] = op, bit
            continue
        bit = bit_of.pop(op)
        after = extend(possible, pending, bit)
        if not after:
            states = sorted({"%s %s %s" % (json.dumps(s[0]), "at" if s[2] is EXACT else "beyond", s[1])
                             for s, _ in possible})
            others = [str(other) for other in pending.values() if other is not op]
            return "%s\n    possible before: %s\n    at the same time: %s" % (
                op, "; ".join(states[:8]), "; ".join(others[:12]) or "nothing")
        del pending[bit]
        free.append(bit)
        possible = prune(after, sum(b for b, o in pending.items() if not o.answered))
    return None


def check(lines):
    """(operations, keys, [(key, text)] that are wrong, [(key, text)] that are unclear)."""
    keys = load(lines)
    wrong, unclear = [], []
    for key, walk in sorted(keys.items()):
        try:
            text = check_key(walk)
            if text:
                wrong.append((key, text))
        except OverflowError as error:
            unclear.append((key, str(error)))
    return sum(is_call for walk in keys.values() for is_call, _ in walk), len(keys), wrong, unclear


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    lines = []
    for name in sys.argv[1:]:
        with open(name, encoding="utf-8") as file:
            lines += file
    try:
        count, keys, wrong, unclear = check(lines)
    except (ValueError, KeyError, TypeError) as error:
        print("no history: %s" % error)
        sys.exit(2)
    for key, text in wrong:
        print("key %s: no order explains %s" % (key, text))
    for key, text in unclear:
        print("key %s: gave up: %s" % (key, text))
    print("%d operations on %d keys: %s" % (
        count, keys, "NOT LINEARIZABLE" if wrong else "unclear" if unclear else "linearizable"))
    sys.exit(1 if wrong else 2 if unclear else 0)


if __name__ == "__main__":
    main()
