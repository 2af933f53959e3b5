import { setTimeout as wait } from 'node:timers/promises';
import { z } from 'zod';
import { defineHandler } from '../../src/jobs/handler.ts';
import { serve } from '../../src/jobs/serve.ts';

// Runs LOOPS workers in one process, whose jobs only wait: `node workers-serve.js URL LOOPS`. SIGTERM ends it.

const [url = '', loops = '1'] = process.argv.slice(2);
const abort = new AbortController();
process.on('SIGTERM', () => abort.abort());

const waiting = defineHandler({
  kind: 'wait',
  payload: z.strictObject({ ms: z.number() }),
  result: z.null(),
  async run({ ms }) {
    if (ms > 0) await wait(ms);
    return { value: null };
  },
});
await Promise.all(
  Array.from({ length: Number(loops) }, (_, i) =>
    serve({ url, adapter: 'none', name: `${process.pid}-${i}`, signal: abort.signal, handlers: [waiting] }),
  ),
);
