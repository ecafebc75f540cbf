"""The toolkit as a program of the benchmark."""

from dataclasses import replace

import numpy as np

from bench.time_to_quality.task import Task
from bench.time_to_quality.toolkit import prepare_toolkit
from core import stylize
from core.image.writing import to_image
from support.quality_tasks import SHORT, SIZE, delivered


def test_toolkit_delivers_the_result_of_stylize(task: Task) -> None:
    *_, (evaluations, pixels) = delivered(prepare_toolkit(task))
    expected = stylize(to_image(task.content), to_image(task.style), SHORT)
    assert evaluations == SHORT.iterations
    np.testing.assert_array_equal(pixels, expected.pixels)


def test_toolkit_delivers_coarse_scales_at_the_final_size(task: Task) -> None:
    coarse = replace(task, config=SHORT.with_options(scales=2))
    width, height = SIZE
    assert {pixels.shape for _, pixels in delivered(prepare_toolkit(coarse))} == {(1, 3, height, width)}
