import type { Redis } from 'ioredis';
import type { z } from 'zod';
import { keys, parseRecord, refusal, type WorkerInfo, workerInfo } from './records.ts';

/** Time without a worker for a queue with jobs after which the lack of a worker is reported. */
const NO_WORKER_MS = 3000;

/** Returns the workers that are alive: those whose entry was renewed in time. */
export async function aliveWorkers(client: Redis): Promise<WorkerInfo[]> {
  const [seconds] = await client.time();
  const ids = await client.zrangebyscore(keys.alive, Number(seconds) * 1000, '+inf');
  if (ids.length === 0) return [];
  const texts = await client.hmget(keys.workers, ...ids);
  return texts.flatMap((text) => parseRecord(workerInfo, text) ?? []);
}

/** Reports, once each, which workers are refused and why, and that no worker can run the jobs of a queue. */
export class Watch {
  private readonly reported = new Set<string>();
  private idleSince = new Map<string, number>();

  constructor(
    private readonly client: Redis,
    private readonly print: (text: string) => void,
    private readonly workerCommand: string,
  ) {}

  /** Checks a queue that has jobs. */
  async check(queue: string): Promise<void> {
    const alive = new Map((await aliveWorkers(this.client)).map((worker) => [worker.id, worker]));
    const refused = new Map<string, z.infer<typeof refusal>>();
    for (const [id, text] of Object.entries(await this.client.hgetall(keys.refusals(queue)))) {
      const found = parseRecord(refusal, text);
      if (found && alive.has(id)) refused.set(id, found);
      else await this.client.hdel(keys.refusals(queue), id); // of a dead worker, or invalid
    }
    for (const { worker, reason } of refused.values()) {
      this.reportOnce(`${queue} ${worker.id} ${reason}`, `Worker ${worker.name} is refused: ${reason}`);
    }
    if (alive.size > refused.size) {
      this.idleSince.delete(queue);
      for (const key of [...this.reported]) if (key.startsWith(`none ${queue}`)) this.reported.delete(key);
      return;
    }
    const since = this.idleSince.get(queue) ?? Date.now();
    this.idleSince.set(queue, since);
    if (Date.now() - since < NO_WORKER_MS) return;
    const problem = alive.size === 0 ? 'There is no worker' : `None of the ${alive.size} workers can do these jobs`;
    this.reportOnce(`none ${queue} ${alive.size > 0}`, `${problem}; waiting for one: ${this.workerCommand}`);
  }

  private reportOnce(key: string, text: string): void {
    if (this.reported.has(key)) return;
    this.reported.add(key);
    this.print(text);
  }
}
