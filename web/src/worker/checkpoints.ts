import { createStore, del, get, set } from 'idb-keyval';
import type { TrainingState } from '../../../src/index.ts';

/** A training as it was left. */
export interface Checkpoint {
  version: 1;
  /** Its settings, as `addressOf` writes them. */
  address: string;
  state: TrainingState;
}

/** Where checkpoints are kept: IndexedDB, or what a test puts in its place. */
export interface Store {
  get(): Promise<unknown>;
  set(value: Checkpoint): Promise<void>;
  remove(): Promise<void>;
}

/** Milliseconds that the store may take: IndexedDB of some browsers does not answer at times. */
const STORE_TIMEOUT_MS = 10_000;
const VERSION = 1;
const KEY = 'last';

/** The browser's own store. Opened at the first use: browsers may forbid it. */
export function browserStore(): Store {
  let opened: ReturnType<typeof createStore> | null = null;
  const store = () => {
    if (!(globalThis as { indexedDB?: unknown }).indexedDB)
      throw new DOMException('there is no IndexedDB', 'SecurityError');
    opened ??= createStore('tilegrad', 'checkpoints');
    return opened;
  };
  return {
    get: async () => get(KEY, store()),
    set: async (value) => set(KEY, value, store()),
    remove: async () => del(KEY, store()),
  };
}

/**
 * The last training, kept in the browser and in memory. A store that is full or forbidden is no error: training goes on without it, and
 * `onProblem` says so once.
 */
export class Checkpoints {
  private latest: Checkpoint | null = null;
  private reported = false;
  private isStuck = false;
  /** Whether it was said that what is in the store is of another version. */
  private isForeign = false;

  constructor(
    private readonly store: Store,
    private readonly onProblem: (message: string) => void,
    private readonly timeoutMs = STORE_TIMEOUT_MS,
  ) {}

  /** Says once more what is wrong with the store: a page has taken its notices away. */
  resetNotices(): void {
    this.reported = false;
  }

  /** The last checkpoint, of whatever training; null if there is none that can be read. */
  async load(): Promise<Checkpoint | null> {
    if (this.latest) return this.latest;
    try {
      const value = await this.withTimeout(() => this.store.get());
      if (value === undefined || value === null) return null;
      if (isCheckpoint(value)) {
        this.latest = value;
        return value;
      }
      if (!this.isForeign) {
        this.isForeign = true;
        this.onProblem('The checkpoint in this browser is of another version of this page and is not used.');
      }
    } catch (error) {
      this.report(error);
    }
    return null;
  }

  async save(address: string, state: TrainingState): Promise<void> {
    this.latest = { version: VERSION, address, state };
    try {
      const { latest } = this;
      await this.withTimeout(() => this.store.set(latest));
      this.reported = false;
    } catch (error) {
      this.report(error);
    }
  }

  async remove(): Promise<void> {
    this.latest = null;
    try {
      await this.withTimeout(() => this.store.remove());
    } catch (error) {
      this.report(error);
    }
  }

  /** What the store answers. One that takes too long is left alone until it has answered, so that training need not wait for it again. */
  private async withTimeout<T>(call: () => Promise<T>): Promise<T> {
    if (this.isStuck) throw noAnswer();
    const answer = call();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        this.isStuck = true;
        const free = () => {
          this.isStuck = false;
        };
        answer.then(free, free);
        reject(noAnswer());
      }, this.timeoutMs);
    });
    try {
      return await Promise.race([answer, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  private report(error: unknown): void {
    if (this.reported) return;
    this.reported = true;
    this.onProblem(problemOf(error));
  }
}

const noAnswer = () => new DOMException('the storage does not answer', 'TimeoutError');

const END = 'Training continues, but is lost when you close the tab.';

function problemOf(error: unknown): string {
  const unknown = 'no reason is given; the storage may be full';
  const { name = '', message = String(error ?? unknown) } = (error ?? {}) as Partial<Error>;
  if (name === 'QuotaExceededError') return `The storage of this browser is full, so no checkpoint is kept. ${END}`;
  const isForbidden =
    ['SecurityError', 'InvalidStateError', 'NotAllowedError'].includes(name) || /denied/i.test(message);
  const reason = `${name ? `${name}: ` : ''}${message}`;
  return isForbidden
    ? `This browser forbids storage here (${reason}), so no checkpoint is kept. ${END}`
    : `No checkpoint can be kept (${reason}). ${END}`;
}

function isCheckpoint(value: unknown): value is Checkpoint {
  const { version, address, state } = value as Partial<Checkpoint>;
  const position = state?.position;
  return (
    version === VERSION &&
    typeof address === 'string' &&
    Number.isInteger(position?.epoch) &&
    Number.isInteger(position?.step) &&
    Array.isArray(state?.weights)
  );
}
