// TensorFlow.js with its WebGPU backend, on Dawn in Node.
import { createRequire } from 'node:module';
import { openNavigator, serve } from './engine.mjs';
import { tfjsProgram } from './tfjs-program.mjs';

await openNavigator();
const require = createRequire(import.meta.url);
const tf = require('@tensorflow/tfjs-core');
const layers = require('@tensorflow/tfjs-layers');
require('@tensorflow/tfjs-backend-webgpu');
if (!(await tf.setBackend('webgpu'))) throw new Error('tfjs found no WebGPU adapter');
await tf.ready();
await serve(tf.version_core, tfjsProgram(tf, layers));
