import { expose } from 'comlink';
import { fetchSamples } from '../samples.ts';
import { Api } from './api.ts';
import { browserStore, Checkpoints } from './checkpoints.ts';

const checkpoints = new Checkpoints(browserStore(), (message) => api.notice(message));
const base = new URL('.', self.location.href).href;
const api = new Api(navigator.gpu, checkpoints, (name) => fetchSamples(name, base));

// For the console of the worker, and for tests that lose the device.
Object.assign(globalThis, { tilegrad: api });
expose(api);
