"""Colours of the page."""

import re
from pathlib import Path

from core.webapp import theme

HEX_COLOR = re.compile(r"#[0-9a-f]{6}", re.IGNORECASE)


def test_streamlit_settings_contain_every_color_of_both_schemes() -> None:
    settings = theme.streamlit_settings()
    for scheme, palette in (("light", theme.LIGHT), ("dark", theme.DARK)):
        colors = [value for name, value in settings.items() if name.startswith(f"theme.{scheme}.")]
        assert sorted(colors) == sorted(vars(palette).values())
        assert all(HEX_COLOR.fullmatch(color) for color in colors)


def test_scheme_css_defines_every_color_of_both_schemes() -> None:
    light, dark = theme.scheme_css().splitlines()
    assert dark.startswith("@media (prefers-color-scheme: dark)")
    for rule, palette in ((light, theme.LIGHT), (dark, theme.DARK)):
        found = dict(re.findall(r"--([\w-]+): (#\w+);", rule))
        assert found == {name.replace("_", "-"): color for name, color in vars(palette).items()}


def test_component_css_defines_the_variables_that_the_components_use() -> None:
    defined = set(re.findall(r"(--[\w-]+):", theme.component_css()))
    folder = Path(theme.__file__).parent
    used = set()
    for path in (*folder.glob("*.css"), *folder.glob("*.js")):
        used |= set(re.findall(r"--(?!st-)[\w-]*color\b", path.read_text()))
    assert used == defined


def test_other_files_contain_no_color_of_the_theme() -> None:
    for path in Path(theme.__file__).parent.iterdir():
        if path.is_file() and path.name != "theme.py":
            assert not HEX_COLOR.search(path.read_text()), path.name
