"""flip.py FOLDER: one bit in the middle of what the first file there holds is another one."""
import os
import sys


def main():
    folder = sys.argv[1]
    names = sorted(name for name in os.listdir(folder) if not name.startswith("snapshot"))
    path = os.path.join(folder, names[0])
    with open(path, "r+b") as file:
        data = file.read().rstrip(b"\0")
        at = len(data) // 2
        file.seek(at)
        file.write(bytes([data[at] ^ 1]))
        os.fsync(file.fileno())
    print("%s: byte %d of %d" % (path, at, len(data)))


main()
