"""Any options and any `--config` file give a plan, or one sentence and exit status 1 or 2; nothing is written."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import Result

from core.config.options import Option, options_of
from core.config.presets import EFFORTS, PRESETS
from core.config.transfer_config import TransferConfig
from support.core_commands import batch, files_in, transfer

pytestmark = pytest.mark.usefixtures("tiny_vgg")

OPTIONS = options_of(TransferConfig)
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
NUMBERS = st.one_of(
    st.integers(-3, 70),
    st.sampled_from([2**31, 2**63 - 1, 2**63, 10**400, -(2**70)]),
    st.floats(),
    st.sampled_from([1e-320, 1e308, -0.0]),
)
LAYERS = st.sampled_from(["relu1_1", "relu4_2", "conv_4_2", "pool5", "relu9_9", "conv1_1", ""])
WORDS = st.sampled_from(
    ["none", "auto", "CPU", "1e3", "6GB", "1e400", "0x10", "١٢", "true", ",", "=", "--", "@0,0,9,9:2"]
)

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


def values_of(option: Option) -> st.SearchStrategy[Any]:
    """Plausible values of an option as often as others."""
    plausible: list[st.SearchStrategy[Any]] = [st.just(option.default)]
    if option.kind in ("int", "float", "size"):
        plausible.append(NUMBERS)
        plausible += [st.just(bound) for bound in (option.minimum, option.maximum) if abs(bound) < float("inf")]
    if option.choices or option.names:
        plausible.append(st.sampled_from([*option.choices, *option.names]))
    one = st.one_of(*plausible, LAYERS if "layers" in option.name else WORDS)
    return st.one_of(one, st.lists(one, max_size=6)) if option.multiple else one


def as_flag(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


FLAGS = st.lists(
    st.sampled_from(list(OPTIONS.values())).flatmap(
        lambda option: st.tuples(st.just(option.flag), values_of(option).map(as_flag))
    ),
    max_size=4,
    unique_by=lambda flag: flag[0],
)
FILES = {
    "content": st.sampled_from(["CONTENT", "", "nowhere.png", ".", "CONTENT\n"]),
    "style": st.one_of(st.sampled_from(["STYLE", "STYLE:2", "STYLE@0,0,20,20", "STYLE:nan"]), JSON),
    "region": st.one_of(st.sampled_from(["CONTENT=1", "CONTENT=STYLE", "=", "CONTENT=7"]), JSON),
    "style_mask": st.one_of(st.sampled_from(["STYLE=1", "CONTENT=CONTENT"]), JSON),
    "preset": st.one_of(st.sampled_from(list(PRESETS)), JSON),
    "effort": st.one_of(st.sampled_from(list(EFFORTS)), JSON),
}
KEYS = st.sampled_from([*OPTIONS, *FILES])
ENTRIES = st.dictionaries(KEYS, st.none(), max_size=4).flatmap(
    lambda keys: st.fixed_dictionaries(
        {key: st.one_of(FILES[key] if key in FILES else values_of(OPTIONS[key]), JSON) for key in keys}
    )
)


@pytest.fixture(scope="module")
def examples(request: pytest.FixtureRequest) -> settings:
    """How many examples are tried: some hundred, or thousands with `--long`; always the same ones without."""
    long = request.config.getoption("--long")
    return settings(
        max_examples=1500 if long else 60,
        derandomize=not long,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


def check(ran: Result, folder: Path, before: list[str]) -> None:
    """Check that a command printed a plan, or one sentence, and wrote nothing."""
    assert files_in(folder) == before
    if ran.exit_code == 0:
        assert "not written: this is a dry run" in ran.stdout or "nothing was written" in ran.stdout
        return
    assert ran.exit_code in (1, 2), ran.exception
    assert isinstance(ran.exception, SystemExit), ran.exception
    sentence = [line for line in ran.stderr.splitlines() if not line.startswith("Warning: ")]
    assert len(sentence) == 1, ran.stderr
    assert sentence[0].startswith("Error: ")
    assert len(sentence[0]) < 2000


def test_any_flags(examples: settings, content_path: Path, style_path: Path, tmp_path: Path) -> None:
    @examples
    @given(FLAGS, st.booleans())
    def run(flags: list[tuple[str, str]], one: bool) -> None:
        arguments = [f"{name}={value}" for name, value in flags if one or name != "--save-every"]
        output = tmp_path / "o.png" if one else tmp_path / "out"
        command = transfer if one else batch
        check(command("-c", content_path, "-s", style_path, "-o", output, "--dry-run", *arguments), tmp_path, [])

    run()


@pytest.mark.parametrize("name", ["run.toml", "run.json"])
def test_any_config_file(name: str, examples: settings, content_path: Path, style_path: Path, tmp_path: Path) -> None:
    @examples
    @given(ENTRIES)
    def run(entries: dict[str, Any]) -> None:
        text = encode(entries, name).replace("CONTENT", str(content_path)).replace("STYLE", str(style_path))
        (tmp_path / name).write_text(text, encoding="utf-8")
        images = [] if "content" in entries and "style" in entries else ["-c", content_path, "-s", style_path]
        check(transfer("--config", tmp_path / name, *images, "-o", tmp_path / "o.png", "--dry-run"), tmp_path, [name])

    run()


def encode(entries: dict[str, Any], name: str) -> str:
    """Return the entries as JSON, or as TOML, in whose text an entry that TOML lacks becomes a broken line."""
    if name.endswith(".json"):
        return json.dumps(entries)
    return "\n".join(f"{json.dumps(key)} = {json.dumps(value)}" for key, value in entries.items())


@pytest.mark.parametrize("name", ["run.toml", "run.json"])
def test_any_text_as_a_config_file(name: str, examples: settings, tmp_path: Path) -> None:
    @examples
    @given(st.one_of(st.binary(max_size=60), TEXT.map(lambda text: text.encode())))
    def run(content: bytes) -> None:
        (tmp_path / name).write_bytes(content)
        check(transfer("--config", tmp_path / name, "-o", tmp_path / "o.png", "--dry-run"), tmp_path, [name])

    run()
