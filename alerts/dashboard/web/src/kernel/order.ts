// Which of a row may stay where they are when it is put into order.

// Of places (-1: none yet), the indices of a longest run that rises already: only the others have to move.
export function longestRun(places: readonly number[]): Set<number> {
  const ends: number[] = []; // of runs by length: the index at which the one with the least end ends
  const before: number[] = []; // of each index, the one ahead of it in its run
  places.forEach((place, i) => {
    if (place < 0) return;
    let [low, high] = [0, ends.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((places[ends[middle] as number] as number) < place) low = middle + 1;
      else high = middle;
    }
    before[i] = ends[low - 1] ?? -1;
    ends[low] = i;
  });
  const run = new Set<number>();
  for (let i = ends.at(-1) ?? -1; i >= 0; i = before[i] as number) run.add(i);
  return run;
}
