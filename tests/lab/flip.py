"""flip.py FOLDER: one bit in the middle of what the first file there holds is another one.
flip.py FILE AT: one bit of its byte number AT."""
import os
import sys


def main():
    path = sys.argv[1]
    if os.path.isdir(path):
        names = sorted(name for name in os.listdir(path) if not name.startswith("snapshot"))
        path = os.path.join(path, names[0])
    with open(path, "r+b") as file:
        data = file.read()
        at = int(sys.argv[2]) if len(sys.argv) > 2 else len(data.rstrip(b"\0")) // 2
        file.seek(at)
        file.write(bytes([data[at] ^ 1]))
        os.fsync(file.fileno())
    print("%s: byte %d of %d" % (path, at, len(data)))


main()
