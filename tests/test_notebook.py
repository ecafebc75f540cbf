"""Run the notebook from top to bottom, with small images, in a kernel of its own."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

pytestmark = pytest.mark.docs

NOTEBOOK = Path(__file__).parents[1] / "notebooks" / "style_transfer.ipynb"
SIZE, SMALL = "image_size=224, iterations=40", "image_size=48, iterations=2"


@pytest.mark.slow
def test_notebook_runs(tmp_path: Path) -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    (configuration,) = (cell for cell in notebook.cells if SIZE in cell.source)
    configuration.source = configuration.source.replace(SIZE, SMALL)
    (tmp_path / "examples").symlink_to(NOTEBOOK.parents[1] / "examples")
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert (tmp_path / "coffee-night.png").stat().st_size > 0
    images = [
        output for cell in notebook.cells for output in cell.get("outputs", ()) if "image/png" in output.get("data", {})
    ]
    assert len(images) == 5


def test_notebook_contains_the_outputs_of_all_cells() -> None:
    stored = nbformat.read(NOTEBOOK, as_version=4)
    code = [cell for cell in stored.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert not any(output.output_type == "error" for cell in code for output in cell.outputs)
