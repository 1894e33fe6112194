"""A tmpfs of 16 MiB, where root may mount one."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class SmallDisk:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @classmethod
    @contextmanager
    def mounted(cls, folder: Path) -> Iterator[SmallDisk | None]:
        """None where it can't be had: to somebody who is not root, or in a container that may not mount."""
        mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "keyportal-faults", str(folder)]
        if os.geteuid() or subprocess.run(mount, stderr=subprocess.DEVNULL, check=False).returncode:
            yield None
            return
        try:
            yield cls(folder)
        finally:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)

    @contextmanager
    def full(self) -> Iterator[None]:
        """Inside, there is not a byte left."""
        filler = self._folder / "filler"
        with filler.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"x" * 4096)
            except OSError:
                pass
        yield
        filler.unlink()
