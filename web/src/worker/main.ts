import { expose } from 'comlink';
import { Api } from './api.ts';
import { browserStore, Checkpoints } from './checkpoints.ts';

const checkpoints = new Checkpoints(browserStore(), (message) => api.notice(message));
const api = new Api(navigator.gpu, checkpoints, new URL('.', self.location.href).href);

// For the console of the worker, and for tests that lose the device.
Object.assign(globalThis, { tilegrad: api });
expose(api);
