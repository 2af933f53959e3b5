import { expect, test } from 'vitest';
import { siteIn } from '../../src/gpu/call-site.ts';

const V8 = `Error: here
    at stackHere (file:///home/u/my%20app/node_modules/tilegrad/dist/gpu/call-site.js:20:12)
    at new DeviceArray (file:///home/u/my%20app/node_modules/tilegrad/dist/kernels/array.js:8:3)
    at relu (file:///home/u/my%20app/node_modules/tilegrad/dist/autograd/pointwise.js:1:2)
    at step (file:///home/u/my%20app/src/train.mjs:12:9)
    at async Promise.all (index 0)
    at async file:///home/u/my%20app/main.mjs:30:1`;

test.each<[string, string, string]>([
  ['modules in Node', V8, '/home/u/my app/src/train.mjs:12:9'],
  [
    'one file of tilegrad, and CommonJS on Windows',
    `Error: here
    at C:\\app\\node_modules\\tilegrad\\dist\\node.cjs:20:12
    at Tensor.backward (C:\\app\\node_modules\\tilegrad\\dist\\node.cjs:8:3)
    at Object.<anonymous> (C:\\app\\gpu\\train.js:12:9)
    at Module._compile (node:internal/modules/cjs/loader:1554:14)`,
    'C:\\app\\gpu\\train.js:12:9',
  ],
  [
    'modules on Windows',
    `Error: here
    at x (file:///C:/app/node_modules/tilegrad/dist/gpu/call-site.js:20:12)
    at file:///C:/app/train.mjs:3:4`,
    'C:/app/train.mjs:3:4',
  ],
  [
    'Firefox and Safari',
    `stackHere@https://a.example/tilegrad/dist/gpu/call-site.js:20:12
relu@https://a.example/tilegrad/dist/autograd/pointwise.js:1:2
step@https://a.example/train.js?v=2:12:9
@https://a.example/main.js:1:1`,
    'https://a.example/train.js?v=2:12:9',
  ],
  [
    'tilegrad as the source maps name it',
    `Error: here
    at stackHere (/app/node_modules/tilegrad/src/gpu/call-site.ts:20:12)
    at relu (/app/node_modules/tilegrad/src/autograd/pointwise.ts:1:2)
    at step (/app/src/train.ts:12:9)`,
    '/app/src/train.ts:12:9',
  ],
  [
    'a program that is bundled with it into one file: the outermost place',
    `Error: here
    at a (file:///app/dist/bundle.js:1:100)
    at b (file:///app/dist/bundle.js:1:200)
    at file:///app/dist/bundle.js:1:300
    at ModuleJob.run (node:internal/modules/esm/module_job:343:25)`,
    '/app/dist/bundle.js:1:300',
  ],
  ['a stack in an unknown format', 'here', 'a line that this runtime does not report'],
])('siteIn: finds the line of the program in a stack: %s', (_what, stack, line) => {
  expect(siteIn(stack)).toBe(line);
});
