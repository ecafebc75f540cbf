"""transfer.js: scales that converge early, and errors.js."""

from core.config.transfer_config import TransferConfig
from export.web.settings import color_matching_settings, optimizer_settings, schedule_settings
from support.javascript import Modules

SCRIPT = """
const image = (seed) => ({
  width: 96, height: 64, pixels: Float32Array.from({ length: 3 * 96 * 64 }, (_, i) => 0.5 + 0.4 * Math.sin(seed * i)),
});
const counts = {};
const session = {
  settings: data,
  // At the coarse scale no step lowers the loss; at the fine one every step does.
  objective: async ({ width }) => {
    counts[width] = 0;
    return async (pixels) => {
      const loss = width === 96 ? -counts[width] : 0;
      counts[width]++;
      return { loss, gradient: pixels.map((value) => 1e-3 * (value - 0.5)), content: 0, style: 0, tv: 0 };
    };
  },
};
const reports = [];
await transfer(
  session, { content: image(1), style: image(2), strength: 0.5, evaluations: 80 }, () => false,
  (report) => { if ("share" in report) reports.push(report); },
);
return { counts, reports };
"""


def test_the_next_scale_gets_the_evaluations_of_one_that_converges(modules: Modules) -> None:
    config = TransferConfig(min_scale_size=48, padding=0)
    settings = {
        "schedule": schedule_settings(config),
        "optimizer": optimizer_settings(config),
        "color_matching": color_matching_settings(),
    }
    found = modules.run('import { transfer } from "./transfer.js";', SCRIPT, settings)
    coarse, fine = found["counts"]["48"], found["counts"]["96"]
    assert coarse < 30
    # The objective of the finest scale is evaluated once more, for the result.
    assert coarse + fine - 1 == 80
    assert found["reports"][-1]["share"] == 1


def test_a_file_name_is_no_error_of_memory(modules: Modules) -> None:
    script = """
    return [new MessageError("memory.pdf cannot be read"), new RangeError("Array buffer allocation failed"), "no\\nyes"]
      .map(errorMessage);
    """
    assert modules.run('import { MessageError, errorMessage } from "./errors.js";', script) == [
        "memory.pdf cannot be read",
        "The browser is out of memory: choose a smaller size, or close other tabs.",
        "no",
    ]
