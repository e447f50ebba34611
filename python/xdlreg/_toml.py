"""Specs as TOML, written from Python values."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from .errors import SpecError


def text(value: Any, where: str = "the spec") -> str:
    """A value as TOML on one line: numbers (also numpy's), texts, paths, lists and dictionaries."""
    if hasattr(value, "tolist"):  # arrays and scalars of numpy
        value = value.tolist()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, (list, tuple, range)):
        return "[" + ", ".join(text(item, where) for item in value) + "]"
    if isinstance(value, Mapping):
        pairs = (
            f"{_string(str(key))} = {text(item, f'{where}.{key}')}" for key, item in value.items() if item is not None
        )
        return "{ " + ", ".join(pairs) + " }"
    raise SpecError(
        f"{where} is a {type(value).__name__}, which a spec cannot hold",
        "give numbers, texts, truth values, lists or dictionaries",
    )


def document(spec: Mapping[str, Any]) -> str:
    """A spec as a TOML document. Keys of the first level may be dotted, such as "train.epochs"; None leaves a key out."""
    lines, tables = [], []
    for key, value in nested(spec).items():
        if isinstance(value, Mapping):
            tables += ["", f"[{_string(key)}]"]
            tables += [
                f"{_string(str(name))} = {text(item, f'{key}.{name}')}"
                for name, item in value.items()
                if item is not None
            ]
        elif value is not None:
            lines.append(f"{_string(key)} = {text(value, key)}")
    return "\n".join([*lines, *tables]) + "\n"


def nested(spec: Mapping[str, Any]) -> dict[str, Any]:
    """`spec` with the dotted keys of its first level taken apart."""
    found: dict[str, Any] = {}
    for key, value in spec.items():
        *sections, last = str(key).split(".")
        table = found
        for section in sections:
            table = table.setdefault(section, {})
            if not isinstance(table, dict):
                raise SpecError(f"the spec has both {section} and {key}", "give the value once")
        if isinstance(value, Mapping) and isinstance(table.get(last, {}), dict):
            value = {**table.get(last, {}), **value}
        elif last in table:
            raise SpecError(f"the spec has {key} twice", "give the value once")
        table[last] = value
    return found


def _string(value: str) -> str:
    # TOML's basic strings have the escapes of JSON, but for DEL, which TOML wants to be escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
