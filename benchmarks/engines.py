"""How many windows a second the student reads, by engine and batch: preprocessed input in, logits out, one thread."""

import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from benchmarks.figures import Figure, Measured, Options, alternate, figure, seconds
from inference.model.checkpoint import load_student
from inference.model.student import Student
from inference.preprocess import SAMPLES
from inference.serve.network import TorchNetwork, load_network
from inference.settings import Backend, InferenceSettings

BATCHES: Final = (1, 32, 256)
EAGER, FOLDED, COMPILED, MATMUL = "eager", "folded", "compiled", "numpy float32 matrix product"
GRAPHS: Final[dict[str, Backend]] = {"onnx": "onnx", "onnx_int8": "onnx-int8"}
Batch = npt.NDArray[np.float32]
Network = Callable[[Batch], Any]


def benchmark(options: Options) -> Iterator[Figure]:
    """windows_s_<engine>_b<batch>; the peer is the student as trained, eager, batch norms and all."""
    torch.set_num_threads(1)
    engines, flops = _engines(options)
    rng = np.random.default_rng(options.seed)
    rounds, budget_s = (5, 0.06) if options.quick else (7, 0.3)
    for batch in BATCHES:
        x = rng.normal(0, 0.3, (batch, SAMPLES)).astype(np.float32)
        found = alternate(_contenders(engines, x, budget_s), rounds)
        for name in engines:
            peer = None if name == EAGER else (EAGER, found[EAGER])
            yield figure(f"windows_s_{name}_b{batch}", "windows/s", found[name], peer, note="one thread, CPU time")
        rate = Measured.of([w * flops / 1e9 for w in found[FOLDED].values])
        note = f"{flops / 1e6:.1f} MFLOP a window; the product is 1024 x 1024, and no roof: it is only what is at hand"
        yield figure(f"gflop_s_{FOLDED}_b{batch}", "GFLOP/s", rate, (MATMUL, found[MATMUL]), note=note)


def _engines(options: Options) -> tuple[dict[str, Network], float]:
    """What is installed, and the operations of one window."""
    settings = InferenceSettings()
    trained, _ = load_student(settings.model_dir, folded=False)
    folded, _ = load_student(settings.model_dir)
    engines: dict[str, Network] = {EAGER: _eager(trained.eval()), FOLDED: TorchNetwork(folded, "cpu")}
    for name, backend in GRAPHS.items():
        engines[name] = load_network(InferenceSettings(device="cpu", backend=backend))
    if not options.quick:  # it takes the compiler most of a minute
        engines |= _compiled(settings)
    return engines, _flops(folded)


def _eager(student: Callable[[torch.Tensor], torch.Tensor]) -> Network:
    def run(x: Batch) -> Any:
        with torch.inference_mode():
            return student(torch.from_numpy(x)).numpy()

    return run


def _compiled(settings: InferenceSettings) -> dict[str, Network]:
    """Nothing where torch finds no compiler."""
    student, _ = load_student(settings.model_dir)
    try:
        network = _eager(torch.compile(student, dynamic=True))
        began = time.monotonic()
        for batch in BATCHES:
            network(np.zeros((batch, SAMPLES), np.float32))
    except Exception as error:  # the compiler's own failures have no common type
        print(f"engines: torch.compile does not work here: {error}", file=sys.stderr, flush=True)
        return {}
    print(f"engines: compiled in {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return {COMPILED: network}


def _contenders(engines: dict[str, Network], x: Batch, budget_s: float) -> dict[str, Callable[[], float]]:
    def speed(network: Network) -> Callable[[], float]:
        once = min(seconds(lambda: network(x)) for _ in range(3))  # the first passes also warm it up
        passes = max(2, round(budget_s / once))
        return lambda: passes * len(x) / seconds(lambda: [network(x) for _ in range(passes)])

    square = np.random.default_rng(0).normal(size=(1024, 1024)).astype(np.float32)
    product = {MATMUL: lambda: 2 * 1024**3 / min(seconds(lambda: square @ square) for _ in range(2)) / 1e9}
    return {name: speed(network) for name, network in engines.items()} | product


def _flops(student: Student) -> float:
    """Multiplications and additions of one window in convolutions and the head."""
    total = 0.0

    def count(module: nn.Module, _: Any, out: torch.Tensor) -> None:
        nonlocal total
        if isinstance(module, nn.Conv2d | nn.Linear):
            total += 2.0 * out.numel() * module.weight[0].numel()

    hooks = [m.register_forward_hook(count) for m in student.modules()]
    with torch.inference_mode():
        student(torch.zeros(1, SAMPLES))
    for hook in hooks:
        hook.remove()
    return total
