import type { DispatchInfo } from './command.ts';
import type { KernelSource } from './pipelines.ts';
import { bytesBound } from './submit-budget.ts';

// A dispatch that would take too long is split into several, each a part of its grid of workgroups. Every workgroup computes the same as in
// the whole grid, so the results have the same bits.

/**
 * Most pieces of a dispatch; small grids may give up to four times as many. Each piece has a uniform, and many more would evict
 * the uniform of the kernel itself (see `Uniforms`). At the slowest assumed rate, this many pieces take two minutes.
 */
const MAX_PIECES = 512;

type Grid = readonly [x: number, y: number, z: number];

/** A block of workgroups of a grid: `count` workgroups from `first` on, along each axis. */
export interface GridPart {
  first: Grid;
  count: Grid;
}

/** Splits a grid into about `pieces` parts, along its longest axis first. */
export function cutGrid(count: Grid, pieces: number, first: Grid = [0, 0, 0]): GridPart[] {
  const longest = count.indexOf(Math.max(...count));
  const wanted = Math.min(pieces, count[longest]!);
  if (wanted <= 1) return [{ first, count }];
  const length = Math.ceil(count[longest]! / wanted);
  const parts: GridPart[] = [];
  for (let offset = 0; offset < count[longest]!; offset += length) {
    const begin = first.with(longest, first[longest]! + offset) as unknown as Grid;
    const left = count.with(longest, Math.min(length, count[longest]! - offset)) as unknown as Grid;
    parts.push(...cutGrid(left, Math.ceil(pieces / wanted), begin));
  }
  return parts;
}

/** A part of a dispatch: its workgroups, its share of the work, and the words of the uniform that `gridPartSource` reads. */
export interface DispatchPart {
  words: Uint32Array<ArrayBuffer>;
  workgroups: Grid;
  info: DispatchInfo;
}

/** Splits a dispatch into about `pieces` parts. */
export function cutDispatch(
  whole: Grid,
  pieces: number,
  bindings: readonly object[],
  info: DispatchInfo = {},
): DispatchPart[] {
  const { flops = 0, bytes = bytesBound(bindings) } = info;
  return cutGrid(whole, Math.min(pieces, MAX_PIECES)).map(({ first, count }) => {
    const share = count.reduce((product, n, axis) => (product * n) / whole[axis]!, 1);
    return {
      words: Uint32Array.of(...first, 0, ...whole, 0),
      workgroups: count,
      info: { ...info, flops: share * flops, bytes: share * bytes },
    };
  });
}

/** The signature of `main`, up to its body. */
const MAIN = /fn main\(([^{]*)\)\s*\{/;
const GROUP = /@builtin\((workgroup_id|num_workgroups)\)(\s*)(\w+)/g;

/**
 * Rewrites a kernel to run a part of its grid: `main` gets the workgroup's number and the number of workgroups of the whole grid.
 * @param binding binding of the uniform that describes the part: the first that the kernel does not use
 * @returns null if `main` does not use `workgroup_id`
 */
export function gridPartSource(source: KernelSource, binding: number): KernelSource | null {
  const [head, parameters] = MAIN.exec(source.code) ?? [];
  if (!head || !parameters!.includes('@builtin(workgroup_id)')) return null;
  const lines: string[] = [];
  const renamed = head.replace(GROUP, (_, builtin: string, space: string, name: string) => {
    lines.push(
      builtin === 'workgroup_id'
        ? `let ${name} = ${name}_in_part + grid_part.first;`
        : `let ${name} = grid_part.whole;`,
    );
    return `@builtin(${builtin})${space}${name}_in_part`;
  });
  // No new lines before the end: compiler messages then name the lines of the file.
  const code =
    `${source.code.replace(head, () => `${renamed} ${lines.join(' ')}`)}\n` +
    'struct GridPart { first: vec3u, whole: vec3u }\n' +
    `@group(0) @binding(${binding}) var<uniform> grid_part: GridPart;\n`;
  return { ...source, code };
}
