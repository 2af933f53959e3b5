import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';

const ROOT = join(import.meta.dirname, '..', '..', 'shaders');

/** Paths of all shaders by name: the file's name without `.wgsl`. */
const paths = new Map(
  readdirSync(ROOT, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.wgsl'))
    .map((path) => [basename(path, '.wgsl'), join(ROOT, path)]),
);

/** Names of all shaders. */
export const shaderNames: readonly string[] = [...paths.keys()].sort();

/** The text of a shader. @throws Error if there is no shader of that name */
export function shaderText(name: string): string {
  const path = paths.get(name);
  if (path === undefined) throw new Error(`shaderText: there is no shader ${name} in shaders/`);
  return readFileSync(path, 'utf8');
}
