"""What is minimised at one scale."""

from collections.abc import Callable
from dataclasses import dataclass

from core.arrays import Array, Pixels
from core.multiscale.parametrization import Parametrization
from core.multiscale.schedule import Scale
from core.optim.types import Evaluation, Objective, Step, WeightedObjective, evaluate_start


@dataclass(frozen=True, eq=False)
class ScaleProblem:
    """The minimisation problem of one scale.

    Attributes:
        scale: The sizes and the number of evaluations.
        parametrization: Maps the optimised parameters to images, and images to what the network reads.
        objective: Takes what the network reads, with the loss weights of this scale.
        initial: The parameters that the scale started from, if the targets of the style loss depend on them.
        to_array: Converts NumPy arrays to arrays of the objective, on the device that stores them.
        to_pixels: Converts arrays of the objective to NumPy arrays.
    """

    scale: Scale
    parametrization: Parametrization
    objective: WeightedObjective
    initial: Pixels | None
    to_array: Callable[[Pixels], Array]
    to_pixels: Callable[[Array], Pixels]

    def compose(self, objective: Objective) -> Objective:
        """Return an objective that takes the parameters, given one that takes what the network reads."""
        return self.parametrization.compose_with(objective, self.to_array)

    def image_of(self, step: Step) -> Pixels:
        """Return the image (1, 3, H, W) of a step of the optimiser."""
        return self.parametrization.to_image(self.to_pixels(step.image))

    def evaluate(self, image: Pixels, name: str) -> Evaluation:
        """Evaluate the objective at an image (1, 3, H, W), RGB in [0, 1], which is called `name` in errors.

        Raises:
            StyleTransferError: The loss or the gradient is not finite.
        """
        return evaluate_start(self.objective, self.to_array(self.parametrization.to_network_input(image)), name)
