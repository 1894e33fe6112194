"""What the path of the gateways' question asks for."""

from __future__ import annotations

from keyportal.policy import Level

PATH = "/gateway/verify"
_LEVELS = {level.value: level for level in Level}


def level_of(path: str) -> Level | None:
    """What the path asks for: its first part after `verify`, or to read where there is none."""
    asked = path.removeprefix(PATH).lstrip("/").partition("/")[0]
    return _LEVELS.get(asked) if asked else Level.READ
