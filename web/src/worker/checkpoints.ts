import { createStore, del, get, set } from 'idb-keyval';
import type { TrainingState } from '../../../src/index.ts';

/** A saved training. */
export interface Checkpoint {
  version: 1;
  /** Its settings, in the form of `addressOf`. */
  address: string;
  state: TrainingState;
}

/** Storage of checkpoints: IndexedDB, or a replacement in tests. */
export interface Store {
  get(): Promise<unknown>;
  set(value: Checkpoint): Promise<void>;
  remove(): Promise<void>;
}

/** Timeout of the store in milliseconds: the IndexedDB of some browsers occasionally does not respond. */
const STORE_TIMEOUT_MS = 10_000;
const VERSION = 1;
const KEY = 'last';

/** The browser's IndexedDB. It is opened at the first use, because browsers may forbid it. */
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
 * The last training, in the browser's storage and in memory. A store that is full or forbidden is no error: training continues without it, and
 * `onProblem` is called once.
 */
export class Checkpoints {
  private latest: Checkpoint | null = null;
  private reported = false;
  private isStuck = false;
  /** Whether a checkpoint of another version was reported. */
  private isForeign = false;

  constructor(
    private readonly store: Store,
    private readonly onProblem: (message: string) => void,
    private readonly timeoutMs = STORE_TIMEOUT_MS,
  ) {}

  /** Allows problems to be reported again, after the page has removed its notices. */
  resetNotices(): void {
    this.reported = false;
  }

  /** The last checkpoint, also of another training; null if none can be read. */
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

  /** Calls the store with a timeout. After a timeout, the store is not called before it has responded, so training waits only once. */
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
