// Builds the contents of the package before npm packs it and after npm installs in a clone; otherwise an install from git has no dist/.
import { fileURLToPath } from 'node:url';
import { whyBuild } from './setup/stamps.mjs';

if (whyBuild(fileURLToPath(new URL('..', import.meta.url)))) {
  const { buildAll } = await import('./build.mjs');
  await buildAll();
}
