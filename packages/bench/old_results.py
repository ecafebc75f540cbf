"""Translation of result files that were written under earlier names."""

from collections.abc import Mapping
from typing import Any

OLD_KIND = "peers"
"""The value of `kind` in earlier files of the time-to-quality benchmark."""

OLD_PROGRAM_NAMES: Mapping[str, str] = {"ours": "toolkit", "plain": "plain-lbfgs", "seed": "firekind"}
"""Earlier names of the programs, and their present ones."""

_OLD_FIELDS: Mapping[str, str] = {
    "contenders": "programs",
    "ratios": "speedups",
    "peer": "baseline",
    "mark": "loss",
    "peer_seconds": "baseline_seconds",
    "our_seconds": "toolkit_seconds",
    "ratio": "speedup",
    "content_ratio": "content_speedup",
}
_NAME_FIELDS = ("name", "peer")


def to_current_format(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a time-to-quality file of the earlier format with the present field and program names."""
    renamed = {_OLD_FIELDS.get(key, key): value for key, value in values.items()} | {"kind": "time-to-quality"}
    for key in ("programs", "speedups"):
        if isinstance(entries := renamed.get(key), list):
            renamed[key] = [_rename(entry) for entry in entries]
    return renamed


def _rename(entry: Any) -> Any:
    if not isinstance(entry, dict):
        return entry
    return {
        _OLD_FIELDS.get(key, key): OLD_PROGRAM_NAMES.get(value, value)
        if key in _NAME_FIELDS and isinstance(value, str)
        else value
        for key, value in entry.items()
    }
