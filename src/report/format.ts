/** `3,456`. */
export function count(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

/** A span of time in the unit that suits it: `4.2 ms`, `12.3 s`, `3 min 05 s`, `1 h 02 min`. */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return '?';
  if (seconds < 0.9995) return `${(seconds * 1000).toFixed(1)} ms`;
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  const two = (value: number) => String(value).padStart(2, '0');
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  return `${Math.floor(whole / 3600)} h ${two(Math.floor((whole % 3600) / 60))} min`;
}

/** Time on a clock, for a progress bar that must not change its width much: `0:07`, `12:34`, `1:02:03`. */
export function clock(seconds: number): string {
  if (!Number.isFinite(seconds)) return '-:--';
  const whole = Math.max(0, Math.round(seconds));
  const two = (value: number) => String(value).padStart(2, '0');
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes}:${two(whole % 60)}`;
  return `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(whole % 60)}`;
}

/** The adapter in one line; figures from a software adapter must never pass for a GPU's. */
export function adapterText(info: { name: string; vendor: string; driver: string; isSoftware: boolean }): string {
  const parts = [info.name || info.vendor || 'unnamed adapter', info.driver].filter((part) => part !== '');
  const kind = info.isSoftware ? 'software adapter: the kernels run on the CPU' : 'GPU';
  return `${parts.join(', ')} (${kind})`;
}

/** How kernels are chosen, in one line. */
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

/** `1`, `1, 5` or, for many that follow each other, `1 to 10`. */
export function seedsText(seeds: readonly number[]): string {
  const follow = seeds.length > 2 && seeds.every((seed, i) => seed === seeds[0]! + i);
  return follow ? `${seeds[0]} to ${seeds.at(-1)}, ${count(seeds.length)} runs` : seeds.join(', ');
}
