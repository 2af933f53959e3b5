// Builds what a package holds, before npm packs it and after npm installs in a clone: an install from git has no dist/ otherwise.
import { fileURLToPath } from 'node:url';
import { whyBuild } from './setup/stamps.mjs';

if (whyBuild(fileURLToPath(new URL('..', import.meta.url)))) {
  const { buildAll } = await import('./build.mjs');
  await buildAll();
}
