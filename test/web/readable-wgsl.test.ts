import { expect, test } from 'vitest';
import { minifyWgsl } from '../../scripts/minify-wgsl.mjs';
import { readableWgsl } from '../../web/src/page/readable-wgsl.ts';
import { shaderNames, shaderText } from '../support/shader-files.ts';

const load = async (name: string) => shaderText(name);
/** The shader as in the bundle. */
const minifiedSource = async (name: string) => `//@${name}${minifyWgsl(await load(name))}`;
const names = shaderNames;

test('the source in the bundle is restored to the file, word for word, for each shader', async () => {
  expect(names.length).toBeGreaterThan(100);
  for (const name of names) {
    const wgsl = await minifiedSource(name);
    expect(wgsl.length).toBeLessThan((await load(name)).length);
    expect(await readableWgsl(wgsl, load)).toBe(await load(name));
  }
});

test("a kernel made from several files has the source of each, and the library's generated code around them", async () => {
  const [product, relu] = [await minifiedSource('matmul'), await minifiedSource('epilogue_relu')];
  const changed = product.replace('sum+=part;', 'sum+=2.0*part;');
  expect(changed).not.toBe(product);
  const text = await readableWgsl(`alias Value = f32;${changed}\n${relu}fn last() {}\n`, load);
  const files = [await load('matmul'), await load('epilogue_relu')];
  const lines = files[0]!.split('\n');
  const lineIndex = lines.indexOf('    sum += part;');
  lines[lineIndex] = 'sum+=2.0*part;';
  expect(text).toBe(`alias Value = f32;\n${lines.join('\n')}\n${files[1]}fn last() {}\n`);
});

test('a source without marks is unchanged, and a file that cannot be fetched is an error', async () => {
  expect(await readableWgsl('fn main() {} // @x\n', load)).toBe('fn main() {} // @x\n');
  const failing = () => Promise.reject(new Error('offline'));
  await expect(readableWgsl('//@adam\nfn main() {}', failing)).rejects.toThrow('offline');
});
