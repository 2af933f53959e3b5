// Builds what a package holds, before npm packs it and after npm installs in a clone: an install from git has no dist/ otherwise.
import { fileURLToPath } from 'node:url';
import { buildState, recordBuild, whyBuild } from './setup/stamps.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
if (whyBuild(root)) {
  const state = buildState(root);
  const { buildAll } = await import('./build.mjs');
  await buildAll();
  recordBuild(root, state);
}
