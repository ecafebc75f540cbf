"""Run JavaScript modules of the page in Node."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

NODE = shutil.which("node")
STATIC = Path(__file__).parents[2] / "packages" / "export" / "web" / "static"


class Modules:
    """The page's modules in a folder where Node loads `.js` files as ES modules."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        shutil.copytree(STATIC, folder, dirs_exist_ok=True)
        (folder / "package.json").write_text('{"type": "module"}')

    def run(self, imports: str, body: str, data: Any = None) -> Any:
        """Return what `body` returns, as JSON.

        Args:
            imports: Import statements; modules are named "./NAME.js".
            body: The body of an async function with the parameter `data`.
            data: JSON-ready value.
        """
        script = self._folder / "script.js"
        script.write_text(
            f"""{imports}
            import {{ readFileSync }} from "node:fs";
            const run = async (data) => {{ {body} }};
            process.stdout.write(JSON.stringify(await run(JSON.parse(readFileSync(0, "utf8")))));"""
        )
        result = subprocess.run(
            [str(NODE), str(script)], input=json.dumps(data), capture_output=True, text=True, timeout=120, check=False
        )
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)
