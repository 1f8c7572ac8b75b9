"""What the figures are printed with, and how a pause is found in a history of kvload."""
import json
import statistics


def row(what, ours, peer, goal, form="%.0f", name="etcd 3.4"):
    """ours and peer: numbers, or None."""
    ratio = "%6.2f" % (ours / peer) if ours is not None and peer else "     -"
    text = [form % v if v is not None else "-" for v in (ours, peer)]
    print("%-34s %10s %10s  %s  %-28s %s" % (what, text[0], text[1], ratio, name, goal), flush=True)


def middle(values):
    values = [v for v in values if v is not None]
    return statistics.median(values) if values else None


def pauses(history, moments):
    """For each (moment of the act, of its undoing), in ns: (how long from the act to the end of the
    longest time without a write that begins before it is undone, how long that time is), in ms."""
    done, found = [], []
    with open(history) as file:
        for line in file:
            if '"type":"ok","f":"write"' in line:
                done.append(json.loads(line)["time"])
    for act, undo in moments:
        longest, end = max((b - a, b) for a, b in zip(done, done[1:]) if b > act and a < undo)
        found.append(((end - act) / 1e6, longest / 1e6))
    return found
