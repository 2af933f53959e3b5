import { appendFileSync } from 'node:fs';
import { z } from 'zod';
import { defineHandler } from '../../src/jobs/handler.ts';
import { openQueue } from '../../src/jobs/queue.ts';
import { serve } from '../../src/jobs/serve.ts';

// A worker or a coordinator in a separate process, which tests kill.
//   serve URL STALL_SECONDS [NAME] [LOG]      does `sleep` jobs; LOG gets a line at each begin and end
//   ask URL STALL_SECONDS COUNT MS            asks for COUNT sleeps of MS each, prints their results as JSON

const [what = '', url = '', stall = '', ...rest] = process.argv.slice(2);
const print = (text: string) => process.stdout.write(`${text}\n`);
const stallSeconds = Number(stall);
const sleep = { payload: z.strictObject({ n: z.number(), ms: z.number() }), result: z.number() };

if (what === 'serve') {
  const [name = `child-${process.pid}`, log] = rest;
  const note = (text: string) => log && appendFileSync(log, `${text}\n`);
  const abort = new AbortController();
  process.on('SIGTERM', () => abort.abort());
  print('ready');
  await serve({
    ...{ url, name, adapter: `adapter of ${name}`, stallSeconds, signal: abort.signal },
    print: (text) => print(text),
    handlers: [
      defineHandler({
        ...{ kind: 'sleep', ...sleep },
        async run({ n, ms }, { signal, print }) {
          note(`begin ${n} ${name}`);
          print(`${name} begins ${n}`);
          await new Promise<void>((resolve, reject) => {
            const timer = setTimeout(resolve, ms);
            signal.addEventListener('abort', () => {
              clearTimeout(timer);
              reject(new Error('stopped'));
            });
          });
          note(`end ${n} ${name}`);
          return { value: n * n };
        },
      }),
    ],
  });
} else {
  const [count, ms] = rest.map(Number) as [number, number];
  const queue = await openQueue({ url, stallSeconds, print: (text) => console.error(text) });
  print('ready');
  const answers = await Promise.all(
    Array.from({ length: count }, (_, n) => queue.run({ name: 'sleep', result: z.number() }, `n${n}`, { n, ms })),
  );
  print(JSON.stringify(answers.map(({ value, worker }) => ({ value, worker: worker.name }))));
  await queue.close();
}
