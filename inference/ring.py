"""The last samples of a stream, contiguous in memory."""

import numpy as np
import numpy.typing as npt


class Ring:
    """Keeps the last `capacity` samples; `end` counts all that ever came. A sample that is missing is NaN."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._store = np.empty(2 * capacity)
        self._used = 0
        self.end = 0

    def append(self, mv: npt.ArrayLike) -> None:
        """Add samples [n]."""
        x = np.asarray(mv, np.float64)[-self._capacity :]
        self.end += np.size(mv)
        if self._used + len(x) > len(self._store):
            keep = self._capacity - len(x)
            self._store[:keep] = self._store[self._used - keep : self._used].copy()
            self._used = keep
        self._store[self._used : self._used + len(x)] = x
        self._used += len(x)

    def last(self, n: int) -> npt.NDArray[np.float64]:
        """The last `n` samples, or as many as there are; a view that is valid until the next `append`."""
        return self._store[max(0, self._used - min(n, self._capacity)) : self._used]
