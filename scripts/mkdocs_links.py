"""A hook of MkDocs: show links to files outside docs/ as plain text, because the site does not contain these files."""

import posixpath
import re
from typing import Any

LINK = re.compile(r"(?<!!)\[([^\]]+)\]\((\.\./[^)]+)\)")


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Return the text of a page, with links such as [name](../examples/name.py) replaced by `examples/name.py`."""
    folder = posixpath.dirname(page.file.src_uri)

    def shown(link: re.Match[str]) -> str:
        text, target = link.groups()
        path = posixpath.normpath(posixpath.join(folder, target))
        if not path.startswith("../"):
            return link[0]
        path = path.removeprefix("../")
        return f"`{path}`" if text in (path, posixpath.basename(path)) else f"{text} (`{path}`)"

    return LINK.sub(shown, markdown)
