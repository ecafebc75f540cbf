"""Every runtime computes what ONNX Runtime computes, or fails for the reason in the registry."""

from collections.abc import Callable
from pathlib import Path

import pytest

from runtimes.artifacts import ARTIFACTS, Case
from runtimes.environments import Unavailable, host_command
from runtimes.measure import HostError, NotRun, measure, version_in
from runtimes.registry import RUNTIMES, Runtime
from runtimes.table import FAILS, Results, figures

pytestmark = [pytest.mark.runtimes, pytest.mark.slow]

PAIRS = [(runtime, artifact) for runtime in RUNTIMES for artifact in runtime.formats]


@pytest.mark.parametrize(("runtime", "artifact"), PAIRS, ids=[f"{one.name}-{artifact}" for one, artifact in PAIRS])
def test_runtime(
    runtime: Runtime,
    artifact: str,
    results: Results,
    exported_file: Callable[..., Path],
    cases: Callable[[str], list[Case]],
    tmp_path: Path,
) -> None:
    file, limit = exported_file(artifact, runtime.formats[artifact]), runtime.limits.get(artifact)
    cell, errors = FAILS, {}
    try:
        errors = measure(runtime, ARTIFACTS[artifact], file, host_command(runtime), cases(artifact), tmp_path)
        cell = figures(errors)
    except (Unavailable, NotRun) as reason:
        cell = str(reason)
        pytest.skip(cell)
    except HostError as error:
        if not (limit and limit.error in str(error)):
            raise
        cell = limit.reason
        pytest.xfail(cell)
    finally:
        results.add(runtime, artifact, cell, version_in(tmp_path))
    assert limit is None, f"{runtime.name} runs the {artifact} now: remove the limit from the registry"
    assert {quantity: error for quantity, error in errors.items() if not error <= runtime.bounds[quantity]} == {}
