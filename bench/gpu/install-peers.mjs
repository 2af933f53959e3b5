// Installs the other engines for `npm run gpu`, as a step with a time limit of its own: the network may be slow or missing.
import { fileURLToPath } from 'node:url';
import { installApart } from '../../scripts/install-apart.mjs';

installApart(fileURLToPath(new URL('../peers', import.meta.url)), 'TensorFlow.js and jax-js (100 MB)');
