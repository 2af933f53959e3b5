#!/usr/bin/env node
// Builds the API documentation into docs/api/out with typedoc, which is installed when it is missing: `npm run docs`. What typedoc finds wrong,
// such as an export without a comment or a link to nothing, is an error.
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { installApart } from '../../scripts/install-apart.mjs';

const here = dirname(fileURLToPath(import.meta.url));
installApart(here, 'typedoc and its TypeScript (46 MB)');
const typedoc = join(here, 'node_modules', 'typedoc', 'bin', 'typedoc');
const options = ['--options', join(here, 'typedoc.json'), ...process.argv.slice(2)];
const { status } = spawnSync(process.execPath, [typedoc, ...options], { stdio: 'inherit' });
process.exit(status ?? 1);
