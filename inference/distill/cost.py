"""What one window costs a network: multiplications, and time on one thread of this machine."""

import time

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from inference.model.reading import Reader

_PASSES = 15


def macs(reader: Reader) -> int:
    """Multiply-accumulates of one window through convolutions and matrix products."""
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        reader.eval().read(torch.zeros(1, reader.leads, reader.samples))
    return int(counter.get_total_flops()) // 2


def latency_ms(reader: Reader) -> float:
    """Median time of one window, one thread, unfolded, in float32. It belongs to the machine that measured it."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    x, took = torch.randn(1, reader.leads, reader.samples, generator=torch.Generator().manual_seed(0)), []
    with torch.inference_mode():
        for _ in range(_PASSES):
            start = time.perf_counter()
            reader.eval().read(x)
            took.append(time.perf_counter() - start)
    torch.set_num_threads(threads)
    return float(1000 * np.median(took))
