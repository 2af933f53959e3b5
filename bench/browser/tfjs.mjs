// TensorFlow.js with its WebGPU backend, in a page.
import '@tensorflow/tfjs-backend-webgpu';
import * as tf from '@tensorflow/tfjs-core';
import * as layers from '@tensorflow/tfjs-layers';
import { tfjsProgram } from '../peers/tfjs-program.mjs';
import { createPageEngine } from './engine-in-page.ts';

if (!(await tf.setBackend('webgpu'))) throw new Error('tfjs found no WebGPU adapter');
await tf.ready();
const { info } = await navigator.gpu.requestAdapter();
const adapter = info.description || info.device || info.architecture;
globalThis.engine = createPageEngine(tf.version_core, adapter, tfjsProgram(tf, layers));
