/** Formats a count: `3,456`. */
export function count(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

/** Formats a duration in a suitable unit: `4.2 ms`, `12.3 s`, `3 min 05 s`, `1 h 02 min`. */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return '?';
  if (seconds < 0.9995) return `${(seconds * 1000).toFixed(1)} ms`;
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const wholeSeconds = Math.round(seconds);
  const padTwo = (value: number) => String(value).padStart(2, '0');
  if (wholeSeconds < 3600) return `${Math.floor(wholeSeconds / 60)} min ${padTwo(wholeSeconds % 60)} s`;
  return `${Math.floor(wholeSeconds / 3600)} h ${padTwo(Math.floor((wholeSeconds % 3600) / 60))} min`;
}

/** Formats a time as on a clock, for a progress bar of nearly constant width: `0:07`, `12:34`, `1:02:03`. */
export function clock(seconds: number): string {
  if (!Number.isFinite(seconds)) return '-:--';
  const wholeSeconds = Math.max(0, Math.round(seconds));
  const padTwo = (value: number) => String(value).padStart(2, '0');
  const minutes = Math.floor(wholeSeconds / 60);
  if (minutes < 60) return `${minutes}:${padTwo(wholeSeconds % 60)}`;
  return `${Math.floor(minutes / 60)}:${padTwo(minutes % 60)}:${padTwo(wholeSeconds % 60)}`;
}

/** Describes the adapter in one line. A software adapter is named as such, so that its results are not taken for a GPU's. */
export function adapterText(info: { name: string; vendor: string; driver: string; isSoftware: boolean }): string {
  const parts = [info.name || info.vendor || 'unnamed adapter', info.driver].filter((part) => part !== '');
  const kind = info.isSoftware ? 'software adapter: the kernels run on the CPU' : 'GPU';
  return `${parts.join(', ')} (${kind})`;
}

/** Describes in one line how kernels are selected. */
export function tuningText({
  measured,
  path,
  rulesMeasured,
}: {
  measured: number;
  path: string | null;
  rulesMeasured: boolean;
}): string {
  if (measured > 0) return `chosen by measurement for ${measured} operators and sizes (${path}), else by rule`;
  if (rulesMeasured) return 'chosen by rules that were measured on such adapters; `npx tilegrad tune` measures here';
  return 'chosen by rules that nobody has measured on such an adapter; `npx tilegrad tune` measures here';
}

/** Formats seeds: `1`, `1, 5` or, for more than two consecutive ones, `1 to 10`. */
export function seedsText(seeds: readonly number[]): string {
  const areConsecutive = seeds.length > 2 && seeds.every((seed, i) => seed === seeds[0]! + i);
  return areConsecutive ? `${seeds[0]} to ${seeds.at(-1)}, ${count(seeds.length)} runs` : seeds.join(', ');
}
