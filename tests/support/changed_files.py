"""What may happen to a file while it is read: name -> what is done to it, what must be said."""

import os
import shutil

CHANGES = {
    "cut": (
        lambda path: os.truncate(path, path.stat().st_size - 41),
        "cut or grown while it was read, ",
    ),
    "grown": (lambda path: path.write_bytes(path.read_bytes() + b"\n"), "cut or grown while it was read, "),
    "replaced": (lambda path: os.replace(shutil.copy(path, f"{path}.new"), path), "replaced by another file"),
    "deleted": (lambda path: path.unlink(), "deleted or moved while it was read"),
    "written": (lambda path: os.utime(path, ns=(0, 0)), "written to while it was read"),
}


def altering(monkeypatch, module, name, path, alter):
    """Let a function of a module change the file once it has done its work."""
    usual = getattr(module, name)

    def then_altered(*arguments, **options):
        result = usual(*arguments, **options)
        alter(path)
        return result

    monkeypatch.setattr(module, name, then_altered)
