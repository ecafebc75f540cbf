"""Colours of the pages: for Streamlit, its loss plot and components, and for the page that runs in a browser."""

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Palette:
    """Colours of one colour scheme, named as in the theme settings of Streamlit."""

    primary: str
    background: str
    secondary_background: str
    text: str
    border: str


LIGHT = Palette(
    primary="#9a3a17",
    background="#f7f4ee",
    secondary_background="#ece6da",
    text="#211d18",
    border="#d9d0c2",
)
DARK = Palette(
    primary="#d9773f",
    background="#171512",
    secondary_background="#282420",
    text="#f2ece2",
    border="#3b352d",
)
PLOT_COLORS = {"total": "#c2602f", "style": "#5b8bb5", "content": "#7f9f5a", "tv": "#a07ab0"}
"""Line colours of the loss plot, legible on both backgrounds."""
COMPONENT_COLORS = {"mask": "#d6249f", "handle": "#ffffff", "handle-text": LIGHT.text}
"""Colours that are drawn over images, hence the same in both schemes. Few photographs contain the mask colour."""


def streamlit_settings() -> dict[str, str]:
    """Return the theme settings of Streamlit by name."""
    settings = {"theme.font": "sans-serif", "theme.headingFont": "serif", "theme.baseRadius": "0.5rem"}
    for scheme, palette in (("light", LIGHT), ("dark", DARK)):
        settings |= {
            f"theme.{scheme}.primaryColor": palette.primary,
            f"theme.{scheme}.backgroundColor": palette.background,
            f"theme.{scheme}.secondaryBackgroundColor": palette.secondary_background,
            f"theme.{scheme}.textColor": palette.text,
            f"theme.{scheme}.borderColor": palette.border,
        }
    return settings


def component_css() -> str:
    """Return a CSS rule that defines `COMPONENT_COLORS` as variables (`--mask-color`, …) of a shadow root."""
    variables = " ".join(f"--{name}-color: {color};" for name, color in COMPONENT_COLORS.items())
    return f":host {{ {variables} }}\n"


def scheme_css() -> str:
    """Return CSS rules that define the colours of both schemes as variables (`--primary`, `--background`, …)."""
    light, dark = (f":root {{ {_variables(palette)} }}" for palette in (LIGHT, DARK))
    return f"{light}\n@media (prefers-color-scheme: dark) {{ {dark} }}\n"


def _variables(palette: Palette) -> str:
    return " ".join(f"--{name.replace('_', '-')}: {color};" for name, color in asdict(palette).items())
