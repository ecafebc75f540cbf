"""optimizer.js and curvature.js take the steps of core.optim.lbfgs."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from core.config.transfer_config import TransferConfig
from core.optim.lbfgs import lbfgs
from core.optim.types import Evaluation
from export.web.settings import optimizer_settings
from support.javascript import Modules

CONSTANTS = optimizer_settings(TransferConfig())
STEPS = 18

IMPORTS = 'import { lbfgs } from "./optimizer.js";'

SCRIPT = """
const { start, weights, aim, gray, quartic, channels, evaluations, constants, type } = data;
const vector = { float64: Float64Array, float32: Float32Array }[type];
const plane = aim.length / channels;
const objective = async (image) => {
  const difference = Array.from(image, (value, i) => value - aim[i]);
  const sums = Array.from({ length: plane }, (_, p) => {
    let sum = 0;
    for (let i = p; i < difference.length; i += plane) sum += difference[i];
    return sum;
  });
  let loss = 0;
  for (const sum of sums) loss += gray * sum ** 2;
  const gradient = vector.from(difference, (d, i) => {
    loss += weights[i] * (d ** 2 + quartic * d ** 4);
    return weights[i] * (2 * d + 4 * quartic * d ** 3) + 2 * gray * sums[i % plane];
  });
  return { loss, gradient };
};
const steps = [];
for await (const { evaluations: used, loss, image } of lbfgs(
  objective, vector.from(start), { evaluations, channels, constants },
)) steps.push({ used, loss, image: [...image] });
return steps;
"""


@dataclass(frozen=True, eq=False)
class Problem:
    """A separable function of the pixels whose minimum lies partly outside [0, 1].

    Its curvature differs by pixel, and `gray` adds curvature along the luminance direction of each pixel.
    """

    start: np.ndarray
    weights: np.ndarray
    aim: np.ndarray
    gray: float
    quartic: float

    @classmethod
    def of(cls, shape: tuple[int, ...], *, quartic: float) -> "Problem":
        random = np.random.default_rng(1)
        weights = 4.0 ** random.uniform(0, 3, shape)
        return cls(random.random(shape), weights, random.uniform(-0.3, 1.3, shape), 20.0, quartic)

    def __call__(self, image: np.ndarray) -> Evaluation:
        difference = image.astype(np.float64) - self.aim
        sums = difference.sum(1, keepdims=True)
        loss = (self.weights * (difference**2 + self.quartic * difference**4)).sum() + self.gray * (sums**2).sum()
        gradient = self.weights * (2 * difference + 4 * self.quartic * difference**3) + 2 * self.gray * sums
        return Evaluation(float(loss), gradient.astype(image.dtype), {})


def steps_in_python(problem: Problem, type: str, evaluations: int, history: int) -> list[tuple[int, float, np.ndarray]]:
    steps = lbfgs(problem, problem.start.astype(type), evaluations=evaluations, history=history)
    return [(step.evaluations, step.loss, step.image.ravel().copy()) for step in steps]


def steps_in_javascript(
    modules: Modules, problem: Problem, type: str, evaluations: int, constants: dict[str, Any]
) -> list[tuple[int, float, np.ndarray]]:
    data = {
        "start": problem.start.ravel().tolist(),
        "weights": problem.weights.ravel().tolist(),
        "aim": problem.aim.ravel().tolist(),
        "gray": problem.gray,
        "quartic": problem.quartic,
        "channels": problem.start.shape[1],
        "evaluations": evaluations,
        "constants": constants,
        "type": type,
    }
    steps = modules.run(IMPORTS, SCRIPT, data)
    return [(step["used"], step["loss"], np.array(step["image"])) for step in steps]


@pytest.mark.parametrize("shape", [(1, 3, 6, 5), (1, 1, 6, 5)])
@pytest.mark.parametrize("quartic", [0.0, 2.0])
@pytest.mark.parametrize(("type", "tolerance"), [("float64", 1e-9), ("float32", 1e-5)])
def test_lbfgs_takes_the_steps_of_python(
    modules: Modules, shape: tuple[int, ...], quartic: float, type: str, tolerance: float
) -> None:
    problem = Problem.of(shape, quartic=quartic)
    expected = steps_in_python(problem, type, 25, history=5)[:STEPS]
    actual = steps_in_javascript(modules, problem, type, 25, CONSTANTS | {"history": 5})[:STEPS]
    assert len(expected) == STEPS
    assert max(((image == 0) | (image == 1)).sum() for _, _, image in expected) > 10  # the bounds are active
    for (used, loss, image), (expected_used, expected_loss, expected_image) in zip(actual, expected, strict=True):
        assert used == expected_used
        assert loss == pytest.approx(expected_loss, rel=tolerance)
        assert np.abs(image - expected_image).max() < tolerance


def test_lbfgs_steps_depend_on_the_luminance_scale(modules: Modules) -> None:
    """So the comparison above covers the initial inverse Hessian."""
    problem = Problem.of((1, 3, 6, 5), quartic=0.0)
    scaled = steps_in_javascript(modules, problem, "float64", 10, CONSTANTS)
    identity = steps_in_javascript(modules, problem, "float64", 10, CONSTANTS | {"luminance_scale": 1.0})
    assert scaled[1][1] == identity[1][1]  # the first step has no curvature pair
    assert abs(scaled[2][1] / identity[2][1] - 1) > 0.1


def test_lbfgs_rejects_a_start_whose_loss_is_not_finite(modules: Modules) -> None:
    script = """
    const objective = async (image) => ({ loss: NaN, gradient: image });
    const steps = lbfgs(objective, new Float32Array(3), { evaluations: 5, channels: 3, constants: data });
    return steps.next().catch((error) => error.message);
    """
    message = modules.run(IMPORTS, script, CONSTANTS)
    assert message == "The initial loss is not finite: choose other images, or less style strength."


def test_lbfgs_ends_at_a_minimum(modules: Modules) -> None:
    script = """
    const objective = async (image) => ({ loss: 1, gradient: image.map(() => 0) });
    const steps = [];
    for await (const { evaluations } of lbfgs(
      objective, new Float32Array(3), { evaluations: 50, channels: 3, constants: data },
    )) steps.push(evaluations);
    return steps;
    """
    assert modules.run(IMPORTS, script, CONSTANTS) == [1]
